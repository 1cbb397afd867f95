//! Uploads: from the depot to a target.

use std::fs;
use std::sync::atomic::Ordering;

use content::{Fetch, FetchError, FetchPlan, HashCache, LookupError, What};

use crate::scene::{Scene, options, path};

#[tokio::test]
async fn what_was_pinned_arrives_and_an_unchanged_folder_sends_nothing() {
    let scene = Scene::new();
    for number in 0..600 {
        scene.put(&format!("depot/app/many/{number}"), format!("content {}", number % 500));
    }
    let large: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    scene.put("depot/app/large.bin", &large);
    scene.put("depot/app/empty", "");
    scene.put("depot/other/secret", "not for this deployment");
    let pinned = scene.pin(&[("app", false)]);
    assert_eq!(pinned.files, 602);
    // Later changes of the depot reach nobody.
    scene.put("depot/app/many/7", "changed meanwhile");
    let wire = scene.wire(pinned.root);
    let mut cache = HashCache::default();
    let done = scene.upload(&wire, "app", &options(""), &mut cache).await.unwrap();
    assert_eq!((done.files, done.skipped), (602, 0));
    assert_eq!(scene.read("target/large.bin"), large);
    assert_eq!(scene.read("target/many/7"), b"content 7");
    assert_eq!(scene.read("target/many/507"), b"content 7");
    assert_eq!(scene.tree("target").len(), 602);
    assert!(wire.sent() < 12_010_000);
    let again = scene.upload(&wire, "app", &options(""), &mut cache).await.unwrap();
    assert_eq!((again.files, again.bytes, again.fetched_bytes), (602, done.bytes, 0));
    assert_eq!(wire.sent(), 0);
    // Neither without a cache, by reading what is there.
    scene.upload(&wire, "app", &options(""), &mut HashCache::default()).await.unwrap();
    assert_eq!(wire.sent(), 0);
    // What differs on the disk is told and repaired.
    scene.put("target/many/3", "content X");
    let repaired = scene.upload(&wire, "app", &options(""), &mut cache).await.unwrap();
    assert_eq!((repaired.fetched_files, wire.sent()), (1, 9));
}

#[tokio::test]
async fn a_cut_does_not_send_the_first_part_again() {
    let scene = Scene::new();
    let large = vec![7u8; 20_000_000];
    scene.put("depot/app/large.bin", &large);
    let wire = scene.wire(scene.pin(&[("app", false)]).root);
    let mut cache = HashCache::default();
    wire.cut_after.store(15_000_000, Ordering::Relaxed);
    let error = scene.upload(&wire, "app", &options(""), &mut cache).await.unwrap_err();
    assert!(error.is_cut(), "{error}");
    assert_eq!(wire.sent(), 15_000_000);
    assert!(scene.tree("target")[0].starts_with(".deskhand-part-"));
    // Another attempt, by a plan made anew.
    wire.cut_after.store(u64::MAX, Ordering::Relaxed);
    scene.upload(&wire, "app", &options(""), &mut cache).await.unwrap();
    assert_eq!(wire.sent(), 5_000_000);
    assert_eq!(scene.read("target/large.bin"), large);
    assert_eq!(scene.tree("target"), ["large.bin"]);
}

#[tokio::test]
async fn a_damaged_part_is_fetched_anew_and_a_lying_server_changes_nothing() {
    let scene = Scene::new();
    let large = vec![7u8; 3_000_000];
    scene.put("depot/app/large.bin", &large);
    scene.put("depot/app/small", "small");
    let pinned = scene.pin(&[("app", false)]);
    let mut wire = scene.wire(pinned.root);
    let digest = match scene.store.lookup(&pinned.root, &path("app/large.bin")).unwrap().what {
        What::File { digest, .. } => digest,
        other => panic!("{other:?}"),
    };
    scene.put(&format!("target/.deskhand-part-{digest}"), vec![8u8; 1_000_000]);
    let mut cache = HashCache::default();
    scene.upload(&wire, "app", &options(""), &mut cache).await.unwrap();
    assert_eq!(scene.read("target/large.bin"), large);
    for file in ["target/large.bin", "target/small"] {
        fs::remove_file(scene.path(file)).unwrap();
    }
    wire.spoil = true;
    for filter in ["large.bin", "small"] {
        let error = scene.upload(&wire, "app", &options(filter), &mut cache).await.unwrap_err();
        assert!(matches!(error, FetchError::Damaged { .. }), "{error}");
        assert!(scene.tree("target").is_empty());
    }
}

#[tokio::test]
async fn a_stored_plan_goes_on_with_the_same_counts() {
    let scene = Scene::new();
    for name in ["a", "b", "c"] {
        scene.put(&format!("depot/app/{name}"), name);
    }
    scene.put("target/c", "mine");
    let wire = scene.wire(scene.pin(&[("app", false)]).root);
    let mut cache = HashCache::default();
    let keep = content::FetchOptions { replace: false, ..options("") };
    let plan = scene.plan(wire.root, "app", "target", &keep, &mut cache).unwrap();
    let bytes = plan.to_bytes();
    wire.cut_after.store(1, Ordering::Relaxed);
    let mut plan = FetchPlan::from_bytes(&bytes).unwrap();
    assert!(plan.carry_out(&wire, &mut cache, scene.now).await.unwrap_err().is_cut());
    wire.cut_after.store(u64::MAX, Ordering::Relaxed);
    for _ in 0..2 {
        let mut plan = FetchPlan::from_bytes(&bytes).unwrap();
        let done = plan.carry_out(&wire, &mut cache, scene.now).await.unwrap();
        assert_eq!((done.files, done.skipped), (2, 1));
    }
    assert_eq!(scene.read("target/c"), b"mine");
    for len in 0..bytes.len() {
        assert!(FetchPlan::from_bytes(&bytes[..len]).is_err());
    }
}

#[tokio::test]
async fn filters_protection_and_absence() {
    let scene = Scene::new();
    scene.put("depot/app/a.txt", "a");
    scene.put("depot/app/sub/b.txt", "b");
    scene.put("depot/app/c.gif", "c");
    let pinned = scene.pin(&[("app", false), ("missing", false), ("app/c.gif/x", false)]);
    let wire = scene.wire(pinned.root);
    let mut cache = HashCache::default();
    let flat = content::FetchOptions { recursive: false, ..options("*.txt") };
    let done = scene.upload(&wire, "app", &flat, &mut cache).await.unwrap();
    assert_eq!((done.files, scene.tree("target")), (1, vec!["a.txt".to_owned()]));
    let none = scene.upload(&wire, "app", &options("*.exe"), &mut cache).await.unwrap_err();
    assert!(none.is_no_file());
    let bundle = |from: &str| scene.store.bundle(&pinned.root, &path(from), true).unwrap_err();
    assert!(matches!(bundle("missing"), LookupError::Absent { .. }));
    assert!(matches!(bundle("elsewhere"), LookupError::NotPinned { .. }));
    assert!(matches!(bundle("app/a.txt"), LookupError::NotAFolder { .. }));
    scene.put("target/a.txt", "mine");
    let mut permissions = fs::metadata(scene.path("target/a.txt")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(scene.path("target/a.txt"), permissions).unwrap();
    let error = scene.upload(&wire, "app", &flat, &mut cache).await.unwrap_err();
    assert!(error.to_string().contains("force"), "{error}");
    let force = content::FetchOptions { force: true, ..flat };
    scene.upload(&wire, "app", &force, &mut cache).await.unwrap();
    assert_eq!(scene.read("target/a.txt"), b"a");
}

#[cfg(unix)]
#[tokio::test]
async fn modes_times_and_links_arrive_and_links_are_not_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let scene = Scene::new();
    scene.put("depot/app/tool", "#!/bin/sh\n");
    scene.put("depot/app/sub/x", "x");
    scene.put("secret", "secret");
    symlink("tool", scene.path("depot/app/link")).unwrap();
    symlink(scene.path("depot"), scene.path("depot/app/loop")).unwrap();
    symlink(scene.path("secret"), scene.path("depot/app/outside")).unwrap();
    fs::set_permissions(scene.path("depot/app/tool"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(scene.path("depot/app/sub"), fs::Permissions::from_mode(0o711)).unwrap();
    let pinned = scene.pin(&[("app", false)]);
    assert_eq!(pinned.files, 2);
    let wire = scene.wire(pinned.root);
    let mut cache = HashCache::default();
    scene.upload(&wire, "app", &options(""), &mut cache).await.unwrap();
    let meta = |file: &str| fs::symlink_metadata(scene.path(file)).unwrap();
    assert_eq!(meta("target/tool").permissions().mode() & 0o7777, 0o750);
    assert_eq!(meta("target/sub").permissions().mode() & 0o7777, 0o711);
    let millis = |file: &str| {
        meta(file).modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
    };
    assert_eq!(millis("target/tool"), millis("depot/app/tool"));
    assert_eq!(fs::read_link(scene.path("target/link")).unwrap().to_str(), Some("tool"));
    assert!(meta("target/outside").is_symlink());
    // A folder that was replaced by a link leads nobody astray.
    fs::create_dir(scene.path("elsewhere")).unwrap();
    fs::remove_dir_all(scene.path("target/sub")).unwrap();
    symlink(scene.path("elsewhere"), scene.path("target/sub")).unwrap();
    let error = scene.upload(&wire, "app", &options("x"), &mut cache).await.unwrap_err();
    assert!(error.to_string().contains("link"), "{error}");
    assert!(scene.tree("elsewhere").is_empty());
    // Only permissions differ: nothing is sent.
    wire.sent();
    fs::set_permissions(scene.path("target/tool"), fs::Permissions::from_mode(0o600)).unwrap();
    scene.upload(&wire, "app", &options("tool"), &mut cache).await.unwrap();
    assert_eq!(meta("target/tool").permissions().mode() & 0o777, 0o750);
    assert_eq!(wire.sent(), 0);
}

#[tokio::test]
async fn a_listing_is_checked_against_the_root() {
    let scene = Scene::new();
    scene.put("depot/app/a", "a");
    let root = scene.pin(&[("app", false)]).root;
    let bundle = scene.store.bundle(&root, &path("app"), true).unwrap();
    let open = |bundle: &[u8]| content::Listing::open(bundle, &root, &path("app"), true);
    assert_eq!(open(&bundle).unwrap().entries().len(), 1);
    for at in 0..bundle.len() {
        let mut altered = bundle.clone();
        altered[at] ^= 1;
        assert!(open(&altered).is_err(), "{at}");
        assert!(open(&bundle[..at]).is_err(), "{at}");
    }
    let other = Scene::new();
    other.put("depot/app/a", "evil");
    let lie = other.pin(&[("app", false)]).root;
    assert!(open(&other.store.bundle(&lie, &path("app"), true).unwrap()).is_err());
}

#[test]
fn pinning_again_is_cheap_and_sweeping_spares_what_lives() {
    let scene = Scene::new();
    scene.put("depot/app/a", "a");
    scene.put("depot/app/b", "b");
    let first = scene.pin(&[("app", false)]);
    assert_eq!(scene.pin(&[("app", false)]).root, first.root);
    scene.put("depot/app/b", "changed");
    let second = scene.pin(&[("app", false)]);
    assert_ne!(second.root, first.root);
    // Held, so nothing goes although nobody calls them live.
    assert_eq!(scene.store.sweep([]).unwrap().objects, 0);
    let roots = (first.root, second.root);
    drop((first, second));
    let (first, second) = roots;
    let swept = scene.store.sweep([second]).unwrap();
    assert_eq!(swept.objects, 3);
    assert!(scene.store.lookup(&first, &path("app/a")).is_err());
    assert!(scene.store.lookup(&second, &path("app/b")).is_ok());
    // What was swept is taken in again although its file is unchanged.
    scene.store.sweep([]).unwrap();
    let third = scene.pin(&[("app", false)]);
    assert_eq!(third.root, second);
    let wanted = content::Wanted {
        path: path("app/a"),
        digest: match scene.store.lookup(&third.root, &path("app/a")).unwrap().what {
            What::File { digest, .. } => digest,
            other => panic!("{other:?}"),
        },
        size: 1,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(scene.wire(third.root).fetch(&[wanted], 0)).is_ok());
}
