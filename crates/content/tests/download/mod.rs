//! Downloads: from a target into the depot.

use content::{Deposit, DepositError, DepositOptions, HashCache, Limits, Offer, open_offered};
use machine::{CaseRule, Filter};
use model::ComputerId;

use crate::scene::{Scene, options, path};

fn by(byte: u8) -> ComputerId {
    ComputerId::from_bytes([byte; 16])
}

fn into(to: &str) -> DepositOptions {
    DepositOptions { to: path(to), by: by(1), replace: true, force: false, resume: true }
}

fn offer(scene: &Scene, filter: &str, cache: &mut HashCache) -> Offer {
    let filter = Filter::parse(filter, CaseRule::OWN).unwrap();
    let offer = Offer::of(&scene.spot("target"), &filter, true, cache, scene.now).unwrap();
    Offer::from_bytes(&offer.to_bytes(), &Limits::default()).unwrap()
}

fn begin(scene: &Scene, offer: Offer, options: DepositOptions) -> Result<Deposit, DepositError> {
    scene.store.deposit(&scene.path("depot"), offer, options, scene.now)
}

/// Sends everything that is missing, at most so many bytes of each file.
fn send(scene: &Scene, deposit: &Deposit, limit: u64) -> Result<u64, DepositError> {
    let mut sent = 0;
    for missing in deposit.missing() {
        let mut incoming = deposit.receive(missing.index)?;
        assert_eq!(incoming.offset(), missing.offset);
        let path = &deposit.offer().entries()[missing.index].path;
        let file = open_offered(&scene.spot("target"), path, missing.offset)?;
        let mut bytes = Vec::new();
        let left = incoming.left().min(limit);
        std::io::Read::read_to_end(&mut std::io::Read::take(file, left), &mut bytes).unwrap();
        sent += bytes.len() as u64;
        incoming.write(&bytes)?;
        incoming.finish()?;
    }
    Ok(sent)
}

#[test]
fn what_is_offered_is_taken_and_an_unchanged_folder_sends_nothing() {
    let scene = Scene::new();
    let mut cache = HashCache::default();
    scene.put("target/inventory.txt", "17 programs");
    scene.put("target/logs/a.log", "log");
    scene.put("target/same.log", "log");
    let deposit = begin(&scene, offer(&scene, "", &mut cache), into("in/pc-1")).unwrap();
    assert!(matches!(deposit.finish().unwrap_err(), DepositError::Incomplete { .. }));
    // The same bytes are sent once.
    assert_eq!(send(&scene, &deposit, u64::MAX).unwrap(), 14);
    let counts = deposit.finish().unwrap();
    assert_eq!((counts.files, counts.bytes, counts.received_files), (3, 17, 2));
    assert_eq!(deposit.finish().unwrap(), counts);
    assert_eq!(scene.read("depot/in/pc-1/same.log"), b"log");
    assert_eq!(scene.read("depot/in/pc-1/logs/a.log"), b"log");
    assert_eq!(scene.tree("depot").len(), 3);
    let again = begin(&scene, offer(&scene, "", &mut cache), into("in/pc-1")).unwrap();
    assert!(again.missing().is_empty());
    assert_eq!(again.finish().unwrap().files, 3);
    let keep = DepositOptions { replace: false, ..into("in/pc-1") };
    let kept = begin(&scene, offer(&scene, "*.log", &mut cache), keep).unwrap();
    let counts = kept.finish().unwrap();
    assert_eq!((counts.files, counts.skipped), (0, 2));
}

#[test]
fn a_cut_download_goes_on_where_it_was() {
    let scene = Scene::new();
    let large = vec![5u8; 2_000_000];
    scene.put("target/large", &large);
    let mut cache = HashCache::default();
    let offered = offer(&scene, "", &mut cache);
    let deposit = begin(&scene, offered.clone(), into("in")).unwrap();
    let cut = send(&scene, &deposit, 1_500_000).unwrap_err();
    assert!(matches!(cut, DepositError::Short { .. }), "{cut}");
    assert!(scene.tree("depot").is_empty());
    drop(deposit);
    let deposit = begin(&scene, offered, into("in")).unwrap();
    assert_eq!(send(&scene, &deposit, u64::MAX).unwrap(), 500_000);
    assert_eq!(scene.read("depot/in/large"), large);
    assert!(scene.tree("store/staging").is_empty());
}

#[test]
fn a_growing_log_is_sent_as_it_was_offered() {
    let scene = Scene::new();
    scene.put("target/log", "first\n");
    let deposit = begin(&scene, offer(&scene, "", &mut HashCache::default()), into("in")).unwrap();
    scene.put("target/log", "first\nsecond\n");
    send(&scene, &deposit, u64::MAX).unwrap();
    assert_eq!(scene.read("depot/in/log"), b"first\n");
    scene.put("target/log", "FIRST\nsecond\n");
    let deposit = begin(&scene, offer(&scene, "", &mut HashCache::default()), into("in")).unwrap();
    scene.put("target/log", "other\nsecond\n");
    let error = send(&scene, &deposit, u64::MAX).unwrap_err();
    assert!(matches!(error, DepositError::Damaged { .. }), "{error}");
    assert_eq!(scene.read("depot/in/log"), b"first\n");
}

#[test]
fn uploads_leave_out_what_targets_wrote() {
    let scene = Scene::new();
    scene.put("depot/in/own", "the administrator's");
    scene.put("target/evil.sh", "rm -rf /");
    let deposit = begin(&scene, offer(&scene, "", &mut HashCache::default()), into("in")).unwrap();
    send(&scene, &deposit, u64::MAX).unwrap();
    deposit.finish().unwrap();
    assert_eq!(scene.pin(&[("in", false)]).files, 2);
    let names = |from_targets: bool, allowed: bool| {
        let root = scene.pin(&[("in", from_targets)]).root;
        let options = content::FetchOptions { from_targets: allowed, ..options("") };
        let mut cache = HashCache::default();
        scene.plan(root, "in", "new", &options, &mut cache).unwrap().to_fetch().0
    };
    assert_eq!((names(false, false), names(false, true)), (1, 1));
    // Pinned for one activity, it is still refused by another.
    assert_eq!((names(true, false), names(true, true)), (1, 2));
    // The mark goes along with copies, and ends when somebody else writes the file.
    scene.put("depot/copy/evil.sh", "rm -rf /");
    scene.store.marks_follow(&path("in"), &path("copy")).unwrap();
    let root = scene.pin(&[("copy", false)]).root;
    assert!(scene.store.lookup(&root, &path("copy/evil.sh")).is_err());
    scene.put("depot/in/evil.sh", "echo reviewed");
    assert_eq!(names(false, false), 2);
}

#[test]
fn a_hostile_target_gets_nowhere() {
    let scene = Scene::new();
    scene.put("target/file", "four");
    let offered = offer(&scene, "", &mut HashCache::default());
    let bytes = offered.to_bytes();
    let at = bytes.windows(4).position(|window| window == b"file").unwrap();
    for name in ["../x", "/etc", "..\\x", "C:xx", "a\0bc", "NUL ", "a//b", "./ab", "con."] {
        let mut altered = bytes.clone();
        altered[at..at + 4].copy_from_slice(&name.as_bytes()[..4]);
        assert!(Offer::from_bytes(&altered, &Limits::default()).is_err(), "{name}");
    }
    for len in 0..bytes.len() {
        assert!(Offer::from_bytes(&bytes[..len], &Limits::default()).is_err());
    }
    assert!(Offer::from_bytes(&bytes, &Limits { entries: 0, bytes: 10 }).is_err());
    assert!(Offer::from_bytes(&bytes, &Limits { entries: 10, bytes: 3 }).is_err());
    let deposit = begin(&scene, offered.clone(), into("in")).unwrap();
    assert!(matches!(deposit.receive(7).unwrap_err(), DepositError::NotAsked { .. }));
    let mut incoming = deposit.receive(0).unwrap();
    assert!(matches!(deposit.receive(0).unwrap_err(), DepositError::Busy { .. }));
    assert!(matches!(incoming.write(b"fivex").unwrap_err(), DepositError::TooLong { .. }));
    incoming.write(b"evil").unwrap();
    assert!(matches!(incoming.finish().unwrap_err(), DepositError::Damaged { .. }));
    assert!(scene.tree("depot").is_empty());
    assert_eq!(deposit.receive(0).unwrap().offset(), 0);
}

#[cfg(unix)]
#[test]
fn links_neither_lead_the_depot_out_nor_in() {
    use std::fs;
    use std::os::unix::fs::symlink;

    use content::OfferedWhat;

    let scene = Scene::new();
    scene.put("target/sub/file", "x");
    symlink("sub/file", scene.path("target/inside")).unwrap();
    symlink("../../etc/passwd", scene.path("target/climbs")).unwrap();
    symlink("/etc/passwd", scene.path("target/absolute")).unwrap();
    let deposit = begin(&scene, offer(&scene, "", &mut HashCache::default()), into("in")).unwrap();
    send(&scene, &deposit, u64::MAX).unwrap();
    let counts = deposit.finish().unwrap();
    assert_eq!((counts.files, counts.skipped), (2, 2));
    assert_eq!(scene.tree("depot/in"), ["inside", "sub/file"]);
    let links: Vec<_> = deposit
        .offer()
        .entries()
        .iter()
        .filter(|entry| matches!(entry.what, OfferedWhat::Link { .. }))
        .collect();
    assert_eq!(links.len(), 3);
    // A link that stands in the depot is not written through.
    fs::create_dir(scene.path("outside")).unwrap();
    symlink(scene.path("outside"), scene.path("depot/trap")).unwrap();
    for to in ["trap", "trap/deeper"] {
        let done = begin(&scene, offer(&scene, "", &mut HashCache::default()), into(to))
            .and_then(|deposit| send(&scene, &deposit, u64::MAX));
        assert!(done.is_err(), "{to}");
    }
    assert!(scene.tree("outside").is_empty());
}
