//! What is on disk, whatever happened to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use model::{DeploymentId, Digest, RunId, Timestamp};
use travel::{Package, TakerWrite};
use trust::{Spending, WarrantId};
use workflow::journal::Chain;
use workflow::{Epoch, Event, Place, Record, Report, Visit};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000);

struct Given {
    package: Package,
    chain: Chain,
}

impl Given {
    fn new(number: u8) -> Self {
        let run = RunId::from_bytes([number; 16]);
        let package = Package {
            run,
            deployment: DeploymentId::from_bytes([1; 16]),
            epoch: Epoch(1),
            warrant: Arc::from(b"warrant".as_slice()),
            leaf: b"leaf".to_vec(),
            definition: Arc::from(b"definition".as_slice()),
            variables: Arc::new(BTreeMap::new()),
            secrets: BTreeMap::new(),
        };
        Self { package, chain: Chain::new(run) }
    }

    fn run(&self) -> RunId {
        self.package.run
    }

    fn take(&mut self) -> TakerWrite {
        let opened = self.chain.push(&Record::Opened { place: Place::Target, at: NOW });
        TakerWrite::Take { package: Box::new(self.package.clone()), frames: vec![opened] }
    }

    fn append(&mut self, bytes: usize) -> TakerWrite {
        let report = Report {
            outputs: BTreeMap::from([("stdout".to_owned(), "x".repeat(bytes))]),
            ..Report::of(Event::Ok)
        };
        let frame = self.chain.push(&Record::Ended { visit: Visit(1), report, at: NOW });
        TakerWrite::Append { run: self.package.run, frame }
    }

    fn spend(&self) -> TakerWrite {
        TakerWrite::Spend(Spending {
            warrant: WarrantId::from_digest(Digest::from_bytes([self.run().as_bytes()[0]; 32])),
            run: self.run(),
            begin_until: Timestamp::from_millis(9_000_000_000_000),
        })
    }

    fn journal(&self, state: &Path) -> PathBuf {
        state.join("runs").join(self.run().to_string()).join("journal")
    }
}

fn load(state: &Path) -> Loaded {
    Runs::load(state, NOW).unwrap()
}

/// Runs and how many records each has.
fn records(loaded: &Loaded) -> Vec<(RunId, usize)> {
    let mut all: Vec<_> =
        loaded.kept.iter().map(|kept| (kept.package.run, kept.journal.records.len())).collect();
    all.sort();
    all
}

#[test]
fn runs_are_there_again() {
    let state = tempfile::tempdir().unwrap();
    let mut loaded = load(state.path());
    let (mut one, mut two) = (Given::new(1), Given::new(2));
    let writes = vec![one.take(), one.spend(), two.take(), one.append(10), one.append(20)];
    loaded.runs.commit(writes).unwrap();
    let again = load(state.path());
    assert_eq!(records(&again), [(one.run(), 3), (two.run(), 1)]);
    assert!(again.kept.iter().any(|kept| kept.package == one.package));
    assert_eq!(again.spent.spendings().count(), 1);
    assert_eq!((again.aside.len(), again.spent_damaged), (0, 0));

    let mut runs = again.runs;
    runs.commit(vec![TakerWrite::Forget { run: one.run() }, two.append(5)]).unwrap();
    let last = load(state.path());
    assert_eq!(records(&last), [(two.run(), 2)]);
    assert_eq!(last.spent.spendings().count(), 1);
}

#[test]
fn a_torn_tail_is_cut_and_the_run_goes_on() {
    let state = tempfile::tempdir().unwrap();
    let mut one = Given::new(1);
    load(state.path()).runs.commit(vec![one.take(), one.append(100)]).unwrap();
    let path = one.journal(state.path());
    let whole = fs::read(&path).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let before = one.chain;
    let TakerWrite::Append { frame, .. } = one.append(100) else { unreachable!() };
    for torn in 1..frame.len() {
        let mut bytes = whole.clone();
        bytes.resize(whole.len().max(end + frame.len()), 0);
        bytes[end..end + torn].copy_from_slice(&frame[..torn]);
        fs::write(&path, &bytes).unwrap();
        let loaded = load(state.path());
        assert_eq!(records(&loaded), [(one.run(), 2)], "torn after {torn} bytes");
    }
    one.chain = before;
    load(state.path()).runs.commit(vec![one.append(7)]).unwrap();
    assert_eq!(records(&load(state.path())), [(one.run(), 3)]);
}

#[test]
fn damage_sets_a_run_aside_and_the_others_go_on() {
    for damage in ["middle", "package", "no package", "no journal", "empty journal"] {
        let state = tempfile::tempdir().unwrap();
        let (mut one, mut two) = (Given::new(1), Given::new(2));
        let writes = vec![one.take(), two.take(), one.append(10), one.append(10)];
        load(state.path()).runs.commit(writes).unwrap();
        let journal = one.journal(state.path());
        let package = journal.with_file_name("package");
        match damage {
            "middle" => {
                let mut bytes = fs::read(&journal).unwrap();
                bytes[60] ^= 1;
                fs::write(&journal, bytes).unwrap();
            }
            "package" => fs::write(&package, b"nonsense").unwrap(),
            "no package" => fs::remove_file(&package).unwrap(),
            "no journal" => fs::remove_file(&journal).unwrap(),
            _ => fs::write(&journal, b"").unwrap(),
        }
        let loaded = load(state.path());
        assert_eq!(records(&loaded), [(two.run(), 1)], "{damage}");
        let [aside] = loaded.aside.as_slice() else { panic!("{damage}: {:?}", loaded.aside) };
        assert_eq!(aside.run, one.run());
        assert!(aside.folder.exists() && !aside.why.is_empty(), "{damage}");
        assert!(load(state.path()).aside.is_empty(), "{damage}");
    }
}

#[test]
fn no_byte_that_is_changed_makes_anything_panic() {
    let state = tempfile::tempdir().unwrap();
    let mut one = Given::new(1);
    load(state.path()).runs.commit(vec![one.take(), one.append(10), one.append(10)]).unwrap();
    let path = one.journal(state.path());
    let whole = fs::read(&path).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for at in 0..end {
        let mut bytes = whole[..end].to_vec();
        bytes[at] ^= 0x55;
        let found = workflow::journal::recover(one.run(), &bytes);
        let is_told = found.is_err() || found.is_ok_and(|found| found.records.len() < 3);
        assert!(is_told, "byte {at} may be changed unseen");
    }
}

#[test]
fn a_batch_that_fails_leaves_nothing() {
    let state = tempfile::tempdir().unwrap();
    let (mut one, mut two, mut lost) = (Given::new(1), Given::new(2), Given::new(3));
    let mut loaded = load(state.path());
    loaded.runs.commit(vec![one.take()]).unwrap();
    let before = one.chain;
    lost.take();
    let writes = vec![two.take(), two.spend(), one.append(10), lost.append(10)];
    let error = loaded.runs.commit(writes).unwrap_err();
    assert!(matches!(error, CommitError::Missing { .. }), "{error}");
    one.chain = before;
    loaded.runs.commit(vec![one.append(3)]).unwrap();
    let again = load(state.path());
    assert_eq!(records(&again), [(one.run(), 2)]);
    assert_eq!(again.spent.spendings().count(), 0);
}

#[test]
fn a_damaged_list_of_used_warrants_is_told() {
    let state = tempfile::tempdir().unwrap();
    let mut loaded = load(state.path());
    let all: Vec<Given> = (1..4).map(Given::new).collect();
    loaded.runs.commit(all.iter().map(Given::spend).collect()).unwrap();
    drop(loaded);
    let path = state.path().join("spent");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    bytes.extend(b"torn");
    fs::write(&path, bytes).unwrap();
    let loaded = load(state.path());
    assert_eq!((loaded.spent.spendings().count(), loaded.spent_damaged), (2, 1));
    assert_eq!(load(state.path()).spent_damaged, 0);
}

#[test]
fn connections_are_counted_over_starts() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("counter");
    for expect in 1..4 {
        assert_eq!(Counter::open(&path).unwrap().next().unwrap(), expect);
    }
    fs::write(&path, "nonsense").unwrap();
    assert!(Counter::open(&path).unwrap_err().to_string().contains("damaged"));
}

#[test]
fn a_folder_is_one_agents_and_its_owners() {
    let state = tempfile::tempdir().unwrap();
    let folder = StateFolder::at(state.path().join("agent"));
    folder.create().unwrap();
    let lock = folder.lock().unwrap();
    assert!(folder.is_in_use());
    assert!(matches!(folder.lock(), Err(FolderError::InUse { .. })));
    drop(lock);
    assert!(!folder.is_in_use());
    assert!(matches!(Identity::load(&folder), Err(IdentityError::NotEnrolled { .. })));
    let keys = load_or_make_keys(&folder, "pc").unwrap();
    let again = load_or_make_keys(&folder, "pc").unwrap();
    assert_eq!(keys.signing.verifying_key(), again.signing.verifying_key());
    assert_eq!(keys.sealing.public(), again.sealing.public());
    #[cfg(unix)]
    for (path, mode) in [(folder.path().to_owned(), 0o700), (folder.file("signing.key"), 0o600)] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
    }
    fs::write(folder.file("sealing.key"), "no key").unwrap();
    let damaged = load_or_make_keys(&folder, "pc").err().map(|error| error.to_string());
    assert!(damaged.is_some_and(|error| error.contains("is damaged")));
}

/// A small file system of its own, for root only.
#[cfg(target_os = "linux")]
pub(super) struct SmallDisk(pub(super) tempfile::TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    pub(super) fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "none"])
            .arg(folder.path())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        eprintln!("skipped: only root may mount a small file system");
        None
    }

    pub(super) fn fill(&self) -> PathBuf {
        let path = self.0.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        while std::io::Write::write(&mut file, &[1; 4096]).is_ok_and(|count| count > 0) {}
        path
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_costs_nothing() {
    let Some(disk) = SmallDisk::mount() else { return };
    let state = disk.0.path().join("state");
    fs::create_dir(&state).unwrap();
    let (mut one, mut two) = (Given::new(1), Given::new(2));
    let mut loaded = load(&state);
    loaded.runs.commit(vec![one.take(), one.spend()]).unwrap();
    assert!(loaded.runs.has_room(one.run()));
    let filler = disk.fill();

    let full = loaded.runs.commit(vec![two.take(), two.spend()]).unwrap_err();
    assert!(matches!(full, CommitError::Full { .. }), "{full}");
    // What was begun can be ended: its room was made before.
    loaded.runs.commit(vec![one.append(130 << 10)]).unwrap();
    assert!(!loaded.runs.has_room(one.run()));
    let before = one.chain;
    let full = loaded.runs.commit(vec![one.append(130 << 10)]).unwrap_err();
    assert!(full.to_string().contains("no space left"), "{full}");
    let again = load(&state);
    assert_eq!(records(&again), [(one.run(), 2)]);
    assert!(again.aside.is_empty() && again.spent.spendings().count() == 1);

    fs::remove_file(filler).unwrap();
    one.chain = before;
    let mut two = Given::new(2);
    let mut loaded = load(&state);
    assert!(loaded.runs.has_room(one.run()));
    loaded.runs.commit(vec![one.append(130 << 10), two.take()]).unwrap();
    assert_eq!(records(&load(&state)), [(one.run(), 3), (two.run(), 1)]);
}
