//! Power is lost: of what was written only that is left which had reached the disk.
//!
//! The disk is a file with a file system of its own that writes nothing unless it is told to. The
//! transaction is stopped after each call; whenever the file has become another one, a copy of it
//! is what the machine finds at its next start. What a disk forgets that it said it had written is
//! not tried.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use machine::change::AfterDeath;

use super::child::{APPLY, DONE};
use super::runs::{LOOKING, Runs, set_up_in};
use super::trace::{self, Fault, Traced};

pub const CASE: &str = "power_is_lost_at_every_moment";
const WITHIN: &str = "DESKHAND_OWN_MOUNTS";

/// Small, so that it is copied quickly.
const DISK_BYTES: u64 = 8 << 20;
/// Nothing is written by and by, nothing in the order in which it is best.
const MOUNTED: &str = "loop,commit=600,data=writeback,noauto_da_alloc";

pub fn lost(runs: &Runs) {
    if std::env::var_os(WITHIN).is_some() {
        return within(runs);
    }
    let unshare = |words: &[&OsStr]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--"]).args(words).env(WITHIN, "1");
        command.output()
    };
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    make_disk(&disk);
    let probe = ["mount".as_ref(), "-o".as_ref(), MOUNTED.as_ref(), disk.as_ref(), "/mnt".as_ref()];
    let probe = unshare(&probe);
    if !probe.as_ref().is_ok_and(|probe| probe.status.success()) {
        println!("skipped: no file can be mounted as a disk here: {probe:?}");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let output = unshare(&[program.as_ref(), CASE.as_ref()]).unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    told.lines().filter(|line| !line.starts_with("test ")).for_each(|line| println!("{line}"));
}

fn within(runs: &Runs) {
    lose(runs, &[""]);
    // The machine's files have a disk of their own, on which no record makes anything last.
    lose(runs, &["", "root"]);
}

/// With a disk mounted at each of these places of the scene.
fn lose(runs: &Runs, places: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Not the disk that somebody else's writing makes slow.
    run("mount", &["-t", "tmpfs", "tmpfs"], folder.path());
    let (machine, next) = (path("machine"), path("next"));
    let disks: Vec<PathBuf> = (0..places.len()).map(|at| path(&format!("disk-{at}"))).collect();
    let copies: Vec<PathBuf> = (0..places.len()).map(|at| path(&format!("copy-{at}"))).collect();
    disks.iter().for_each(|disk| make_disk(disk));
    let mount_all = |disks: &[PathBuf], at: &Path| {
        for (disk, place) in disks.iter().zip(places) {
            fs::create_dir_all(at.join(place)).unwrap();
            run("mount", &["-o", MOUNTED, disk.to_str().unwrap()], &at.join(place));
        }
    };
    mount_all(&disks, &machine);
    places.iter().for_each(|place| fs::remove_dir(machine.join(place).join("lost+found")).unwrap());
    set_up_in(&machine);
    places.iter().for_each(|place| run("sync", &["-f"], &machine.join(place)));

    let mut seen = BTreeSet::new();
    let mut ends = [0, 0];
    let mut check = |calls: &[i64]| {
        let written: Vec<Vec<u8>> = disks.iter().map(|disk| fs::read(disk).unwrap()).collect();
        let hashes: Vec<_> = written.iter().map(|disk| *blake3::hash(disk).as_bytes()).collect();
        if !seen.insert(hashes) {
            return;
        }
        copies.iter().zip(written).for_each(|(copy, disk)| fs::write(copy, disk).unwrap());
        mount_all(&copies, &next);
        let traced = Traced { calls: calls.to_vec(), code: None };
        let what = format!("power lost after call {} with {} disks", calls.len(), places.len());
        let is_after = runs.check_recovered(&next, &what, &traced, AfterDeath::Undo);
        ends[usize::from(is_after)] += 1;
        places.iter().rev().for_each(|place| run("umount", &[], &next.join(place)));
    };
    let done = trace::run_watched(APPLY, &machine, Fault::default(), &mut |calls| {
        if calls.last().is_none_or(|call| !LOOKING.contains(call)) {
            check(calls);
        }
    });
    assert_eq!(done.code, Some(DONE));
    check(&done.calls);
    println!("{} states of {places:?}: {} before, {} after", seen.len(), ends[0], ends[1]);
    assert!(ends[0] > 5 && ends[1] > 1, "{ends:?}");
    run("umount", &["-R"], folder.path());
}

fn make_disk(place: &Path) {
    fs::File::create(place).unwrap().set_len(DISK_BYTES).unwrap();
    run("mkfs.ext4", &["-q", "-b", "1024", "-I", "256", "-J", "size=1"], place);
}

fn run(program: &str, words: &[&str], place: &Path) {
    // Programs of the system's own may not be on the path.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).args(words).arg(place).env("PATH", path).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {words:?} {}: {output:?}", place.display());
}
