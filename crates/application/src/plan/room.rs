//! Whether what is planned has room: on the machine's disks, and in what is kept for undoing.
//! Checked again when it is carried out, for others write too.

use std::collections::BTreeMap;

use super::make::Planner;
use super::{Before, Change, Finding, Severity, place, words};
use crate::Disk;

impl Planner<'_> {
    pub(super) fn check_room(&mut self, changes: &[Change]) {
        self.check_kept(changes);
        self.check_disks(changes);
    }

    /// What undoing needs must fit into what is kept.
    fn check_kept(&mut self, changes: &[Change]) {
        let size = |change: &Change| match change {
            Change::WriteFile { before: Before::File { size, .. }, .. }
            | Change::RemoveFile { before: Before::File { size, .. }, .. } => *size,
            _ => 0,
        };
        let needed: u64 = changes.iter().map(size).sum();
        let most = self.given().kept_bytes_max;
        if needed > most {
            self.forbid(
                "DH-P009",
                format!(
                    "{} of files that are replaced or removed would have to be kept, \
                     at most {} are",
                    words::bytes(needed),
                    words::bytes(most)
                ),
            );
        }
    }

    /// New files stand beside the old ones until all is in place. A disk that the system tells
    /// nothing of is not counted.
    fn check_disks(&mut self, changes: &[Change]) {
        let family = self.ground.family;
        let mut folders: BTreeMap<&str, u64> = BTreeMap::new();
        for change in changes {
            if let Change::WriteFile { path, content, .. } = change {
                let folder = place::parent(family, path).unwrap_or(path);
                *folders.entry(folder).or_default() += content.size();
            }
        }
        let mut disks: BTreeMap<u64, (Disk, &str, u64)> = BTreeMap::new();
        for (folder, bytes) in folders {
            if let Ok(disk) = self.ground.survey.disk(folder) {
                disks.entry(disk.id).or_insert((disk, folder, 0)).2 += bytes;
            }
        }
        for (disk, folder, needed) in disks.into_values().filter(|(disk, _, all)| *all > disk.free)
        {
            let (needed, free) = (words::bytes(needed), words::bytes(disk.free));
            let message = format!("the disk of `{folder}` needs {needed} and has {free} free");
            self.forbid("DH-P013", message);
        }
    }

    fn forbid(&mut self, code: &'static str, message: String) {
        let severity = Severity::Error;
        self.findings.push(Finding { severity, code, group: None, place: None, message });
    }
}
