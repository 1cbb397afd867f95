//! On files below a folder that stands for the root, on every system.

use std::fs;
use std::sync::Mutex;

use application::{Node, Source, Survey};

use super::*;

/// A path of the machine, whichever it is.
fn path(names: &str) -> String {
    if cfg!(windows) { format!(r"C:\{}", names.replace('/', r"\")) } else { format!("/{names}") }
}

fn scene() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let drive = if cfg!(windows) { root.path().join("C") } else { root.path().to_owned() };
    fs::create_dir_all(drive.join("opt/empty")).unwrap();
    fs::write(drive.join("opt/b.txt"), "hello").unwrap();
    fs::write(drive.join("opt/a.txt"), "").unwrap();
    fs::write(drive.join("opt/.deskhand-part-1"), "half").unwrap();
    (root, drive)
}

#[test]
fn what_stands_at_a_path_is_told() {
    let (root, drive) = scene();
    let survey = SystemSurvey::open(Some(root.path()), None, &NoDigests).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 123_456_700);
    let file = fs::File::options().write(true).open(drive.join("opt/b.txt")).unwrap();
    file.set_modified(time).unwrap();
    let Some(Node::File(node)) = survey.node(&path("opt/b.txt")).unwrap() else { panic!() };
    assert_eq!((node.size, node.mtime_ns), (5, 1_700_000_000_123_456_700));
    assert_eq!(survey.node(&path("opt")).unwrap(), Some(Node::Folder));
    assert_eq!(survey.node(&path("none")).unwrap(), None);
    assert_eq!(survey.node(&path("opt/b.txt/below")).unwrap(), None);
    assert_eq!(survey.names(&path("opt")).unwrap(), ["a.txt", "b.txt", "empty"]);
    assert!(survey.names(&path("none")).unwrap().is_empty());
    assert_eq!(survey.read(&path("opt/b.txt")).unwrap(), b"hello");
    assert_eq!(survey.read_part(&path("opt/b.txt"), 1, 3).unwrap(), b"ell");
    assert_eq!(survey.read_part(&path("opt/b.txt"), 4, 9).unwrap(), b"o");
    assert!(survey.disk(&path("not/there")).unwrap().free > 0);
    assert!(!survey.has_registry());
    let refused = survey.node("relative").unwrap_err();
    assert!(refused.to_string().contains("absolute"), "{refused}");
}

#[cfg(target_os = "linux")]
#[test]
fn links_are_told_and_not_followed() {
    let (root, drive) = scene();
    std::os::unix::fs::symlink("b.txt", drive.join("opt/link")).unwrap();
    let survey = SystemSurvey::open(Some(root.path()), None, &NoDigests).unwrap();
    let expect = Node::Link { target: "b.txt".into() };
    assert_eq!(survey.node("/opt/link").unwrap(), Some(expect));
    assert!(survey.read("/opt/link").is_err());
    assert!(survey.digest("/opt/link").is_err());
}

#[derive(Default)]
struct Noted {
    known: Mutex<Vec<(String, Meta, Digest)>>,
}

impl Digests for Noted {
    fn get(&self, path: &str, meta: &Meta) -> Option<Digest> {
        let known = self.known.lock().unwrap();
        known.iter().find(|(at, of, _)| at == path && of == meta).map(|(.., digest)| *digest)
    }

    fn put(&self, path: &str, meta: &Meta, digest: Digest) {
        self.known.lock().unwrap().push((path.to_owned(), *meta, digest));
    }
}

#[test]
fn what_was_hashed_is_remembered() {
    let (root, _drive) = scene();
    let noted = Noted::default();
    let survey = SystemSurvey::open(Some(root.path()), None, &noted).unwrap();
    let expect = Digest::from_bytes(*blake3::hash(b"hello").as_bytes());
    assert_eq!(survey.digest(&path("opt/b.txt")).unwrap(), expect);
    assert_eq!(noted.known.lock().unwrap().len(), 1);
    assert_eq!(survey.digest(&path("opt/b.txt")).unwrap(), expect);
    assert_eq!(noted.known.lock().unwrap().len(), 1);
    let missing = survey.digest(&path("opt/none")).unwrap_err();
    assert!(missing.to_string().contains("none"), "{missing}");
}

#[test]
fn the_machine_tells_of_itself() {
    let survey = SystemSurvey::open(None, None, &NoDigests).unwrap();
    let family = if cfg!(windows) { "windows" } else { "linux" };
    assert_eq!(survey.fact("OS.Family").as_deref(), Some(family));
    assert!(survey.fact("memory_mb").unwrap().parse::<u64>().unwrap() > 16);
    assert!(survey.fact("os.version").is_none_or(|version| !version.is_empty()));
    assert_eq!(survey.fact("no.such"), None);
    assert_eq!(survey.has_registry(), cfg!(windows));
    assert_eq!(survey.special_folder("NoSuchFolder"), None);
    assert!(survey.environment("PATH").is_some());
}

#[test]
fn a_user_has_folders_of_their_own() {
    let (name, _) = crate::identity::own_user();
    let user = crate::account::find(&name, None).unwrap();
    let home = user.home.clone();
    let survey = SystemSurvey::open(None, Some(user), &NoDigests).unwrap();
    for name in ["UserProfile", "APPDATA", "localappdata", "Desktop", "Startup", "programs"] {
        let folder = survey.special_folder(name).unwrap();
        assert!(folder.starts_with(&home) || name != "UserProfile", "{name}: {folder}");
        assert!(Path::new(&folder).is_absolute(), "{name}: {folder}");
    }
    let machine = SystemSurvey::open(None, None, &NoDigests).unwrap();
    for name in ["WinDir", "ProgramFiles", "TempDir", "CommonPrograms", "CommonStartup"] {
        let folder = machine.special_folder(name).unwrap();
        assert!(Path::new(&folder).is_absolute(), "{name}: {folder}");
    }
    assert_eq!(machine.special_folder("AppData"), None);
}

#[cfg(target_os = "linux")]
#[test]
fn users_of_another_root_have_its_folders() {
    let (root, drive) = scene();
    fs::create_dir_all(drive.join("etc")).unwrap();
    fs::create_dir_all(drive.join("home/bob/.config")).unwrap();
    fs::write(drive.join("etc/passwd"), "bob:x:4321:4321::/home/bob:/bin/sh\n").unwrap();
    let dirs = "# x\nXDG_DESKTOP_DIR=\"$HOME/Schreibtisch\"\nXDG_DOCUMENTS_DIR=\"/data/bob/\"\n\
                XDG_PICTURES_DIR=\"$HOME/../../etc\"\n";
    fs::write(drive.join("home/bob/.config/user-dirs.dirs"), dirs).unwrap();
    let bob = crate::account::find("bob", Some(root.path())).unwrap();
    let survey = SystemSurvey::open(Some(root.path()), Some(bob), &NoDigests).unwrap();
    for (name, expect) in [
        ("Desktop", "/home/bob/Schreibtisch"),
        ("Personal", "/home/bob/Documents"),
        ("MyPictures", "/home/bob/Pictures"),
        ("AppData", "/home/bob/.config"),
        ("Programs", "/home/bob/.local/share/applications"),
        ("CommonPrograms", "/usr/local/share/applications"),
        ("WinDir", "/"),
    ] {
        assert_eq!(survey.special_folder(name).as_deref(), Some(expect), "{name}");
    }
    assert_eq!(survey.special_folder("Cookies"), None);
    assert_eq!(survey.environment("HOME").as_deref(), Some("/home/bob"));
    assert_eq!(survey.environment("CARGO_TARGET_DIR"), None);
}

#[test]
fn a_source_cannot_be_left() {
    let (root, drive) = scene();
    fs::write(root.path().join("outside"), "secret").unwrap();
    let source = FolderSource::new(&drive.join("opt"), &NoDigests);
    assert_eq!(source.names("").unwrap(), ["a.txt", "b.txt", "empty"]);
    assert_eq!(source.node("/").unwrap(), Some(Node::Folder));
    assert_eq!(source.read_part("./b.txt", 0, 99).unwrap(), b"hello");
    let expect = Digest::from_bytes(*blake3::hash(b"hello").as_bytes());
    assert_eq!(source.digest("b.txt").unwrap(), expect);
    assert!(source.node("../outside").is_err());
    assert_eq!(source.node("none/b").unwrap(), None);
    #[cfg(target_os = "linux")]
    {
        std::os::unix::fs::symlink(root.path(), drive.join("opt/way")).unwrap();
        assert!(matches!(source.node("way").unwrap(), Some(Node::Link { .. })));
        assert_eq!(source.node("way/outside").unwrap(), None);
        assert!(source.digest("way/outside").is_err());
        assert!(source.names("way").unwrap().is_empty());
    }
}

#[cfg(windows)]
#[test]
fn texts_are_expanded() {
    let value = |name: &str| (name == "A").then(|| "x".to_owned());
    for (text, expect) in [("%A%\\b", "x\\b"), ("100%", "100%"), ("%B%%A%", "%B%x"), ("", "")] {
        assert_eq!(expanded(text, value), expect, "{text}");
    }
}
