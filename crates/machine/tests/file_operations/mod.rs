//! File activities on a target and in a depot.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use machine::{CaseRule, Counts, FileError, FilePlan, Filter, Operation, Options, Spot, Transfer};

static RUN: AtomicBool = AtomicBool::new(false);

pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A folder with these files in it; the content of each is its path, a trailing `/` makes a
    /// folder.
    pub fn with(files: &[&str]) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for file in files {
            place.put(file, file);
        }
        place
    }

    pub fn put(&self, file: &str, content: &str) {
        let path = self.path(file);
        if file.ends_with('/') {
            return fs::create_dir_all(path).unwrap();
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn path(&self, file: &str) -> PathBuf {
        file.split('/')
            .filter(|name| !name.is_empty())
            .fold(self.folder.path().into(), |p: PathBuf, n| p.join(n))
    }

    pub fn spot(&self, file: &str) -> Spot {
        Spot::absolute(self.path(file).to_str().unwrap(), None).unwrap()
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// All that is there, folders with `/`, sorted.
    pub fn tree(&self) -> Vec<String> {
        fn walk(folder: &Path, name: &str, all: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let name = format!("{name}{}", entry.file_name().to_str().unwrap());
                if entry.file_type().unwrap().is_dir() {
                    all.push(format!("{name}/"));
                    walk(&entry.path(), &format!("{name}/"), all);
                } else {
                    all.push(name);
                }
            }
        }
        let mut all = Vec::new();
        walk(self.folder.path(), "", &mut all);
        all.sort();
        all
    }

    pub fn protect(&self, file: &str, protected: bool) {
        let mut permissions = fs::metadata(self.path(file)).unwrap().permissions();
        permissions.set_readonly(protected);
        fs::set_permissions(self.path(file), permissions).unwrap();
    }

    fn transfer(&self, from: &str, to: &str, filter: &str, options: Options) -> Transfer {
        let filter = Filter::parse(filter, CaseRule::OWN).unwrap();
        Transfer { from: self.spot(from), to: self.spot(to), filter, options }
    }
}

const PLAIN: Options = Options { recursive: false, replace: false, force: false };
const RECURSIVE: Options = Options { recursive: true, ..PLAIN };
const REPLACE: Options = Options { replace: true, ..PLAIN };
const FORCE: Options = Options { force: true, ..REPLACE };

/// Plans, stores, carries out, and carries out again: the second time changes nothing.
fn run(operation: &Operation) -> Result<Counts, FileError> {
    let plan = FilePlan::of(operation)?;
    let plan = FilePlan::from_bytes(&plan.to_bytes()).unwrap();
    let counts = plan.carry_out(&RUN)?;
    let again = plan.carry_out(&RUN).expect("a redo ends as the first time did");
    assert_eq!(again, counts, "{operation:?}");
    Ok(counts)
}

fn counts(files: u64, skipped: u64) -> Counts {
    Counts { files, skipped }
}

#[test]
fn copy_takes_what_the_filter_chooses() {
    let files = ["from/a.gif", "from/b.txt", "from/sub/c.gif", "from/empty/"];
    for (filter, options, expect, arrived) in [
        ("", PLAIN, counts(2, 0), &["to/a.gif", "to/b.txt"][..]),
        ("*.gif", PLAIN, counts(1, 0), &["to/a.gif"]),
        ("*.gif", RECURSIVE, counts(2, 0), &["to/a.gif", "to/sub/", "to/sub/c.gif"]),
        (
            "",
            RECURSIVE,
            counts(3, 0),
            &["to/a.gif", "to/b.txt", "to/empty/", "to/sub/", "to/sub/c.gif"],
        ),
    ] {
        let place = Place::with(&files);
        let done = run(&Operation::Copy(place.transfer("from", "to", filter, options))).unwrap();
        assert_eq!(done, expect, "{filter} {options:?}");
        let tree = place.tree();
        let there: Vec<&str> = tree
            .iter()
            .map(String::as_str)
            .filter(|n| n.starts_with("to/") && *n != "to/")
            .collect();
        assert_eq!(there, arrived, "{filter} {options:?}");
        assert_eq!(place.read("from/a.gif"), "from/a.gif");
    }
}

#[test]
fn filters_follow_the_case_rule_of_the_system() {
    let place = Place::with(&["from/PICTURE.GIF"]);
    let done = run(&Operation::Copy(place.transfer("from", "to", "*.gif", PLAIN)));
    match CaseRule::OWN {
        CaseRule::Sensitive => assert!(done.unwrap_err().is_no_file()),
        CaseRule::Insensitive => assert_eq!(done.unwrap(), counts(1, 0)),
    }
}

#[test]
fn what_is_there_is_skipped_replaced_or_protected() {
    let place = Place::with(&["from/a", "from/b", "to/a"]);
    let copy = |options| Operation::Copy(place.transfer("from", "to", "", options));
    assert_eq!(run(&copy(PLAIN)).unwrap(), counts(1, 1));
    assert_eq!(place.read("to/a"), "to/a");
    assert_eq!(run(&copy(REPLACE)).unwrap(), counts(2, 0));
    assert_eq!(place.read("to/a"), "from/a");
    place.put("to/a", "mine");
    place.protect("to/a", true);
    let error = run(&copy(REPLACE)).unwrap_err();
    assert!(matches!(error, FileError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("force"), "{error}");
    assert_eq!(run(&copy(FORCE)).unwrap(), counts(2, 0));
    assert_eq!(place.read("to/a"), "from/a");
    assert!(place.tree().iter().all(|name| !name.contains("deskhand-part")));
}

#[test]
fn copies_keep_time_and_protection() {
    let place = Place::with(&["from/a"]);
    let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = fs::File::options().write(true).open(place.path("from/a")).unwrap();
    file.set_modified(then).unwrap();
    drop(file);
    place.protect("from/a", true);
    run(&Operation::Copy(place.transfer("from", "to", "", FORCE))).unwrap();
    let meta = fs::metadata(place.path("to/a")).unwrap();
    assert_eq!(meta.modified().unwrap(), then);
    assert!(meta.permissions().readonly());
    place.protect("from/a", false);
    place.protect("to/a", false);
}

#[test]
fn errors_say_which_and_why() {
    let place = Place::with(&["from/a", "from/sub/b", "file", "to/a/"]);
    let copy = |from: &str, to: &str, filter: &str, options| {
        run(&Operation::Copy(place.transfer(from, to, filter, options))).unwrap_err()
    };
    assert!(matches!(copy("from", "x", "*.gif", PLAIN), FileError::NoFile { .. }));
    assert!(matches!(copy("none", "x", "", PLAIN), FileError::SourceMissing { .. }));
    assert!(matches!(copy("file", "x", "", PLAIN), FileError::NotAFolder { .. }));
    assert!(matches!(copy("from", "to", "", REPLACE), FileError::FolderInTheWay { .. }));
    assert!(matches!(copy("from", "from", "", REPLACE), FileError::IntoItself { .. }));
    assert!(matches!(copy("from", "from/sub/x", "", RECURSIVE), FileError::IntoItself { .. }));
    assert!(matches!(copy("from", "file", "", PLAIN), FileError::NotAFolder { .. }));
    assert!(copy("none", "x", "", PLAIN).to_string().contains("none"));
}

#[test]
fn move_takes_files_and_emptied_folders_along() {
    let place = Place::with(&["from/a", "from/sub/deep/b", "from/empty/", "to/sub/kept"]);
    let done = run(&Operation::Move(place.transfer("from", "to", "", RECURSIVE))).unwrap();
    assert_eq!(done, counts(2, 0));
    let expect = [
        "from/",
        "to/",
        "to/a",
        "to/empty/",
        "to/sub/",
        "to/sub/deep/",
        "to/sub/deep/b",
        "to/sub/kept",
    ];
    assert_eq!(place.tree(), expect);
}

#[test]
fn move_skips_and_replaces() {
    let place = Place::with(&["from/a", "from/b", "to/a"]);
    let moved = |options| Operation::Move(place.transfer("from", "to", "", options));
    assert_eq!(run(&moved(PLAIN)).unwrap(), counts(1, 1));
    assert_eq!(place.read("from/a"), "from/a");
    assert_eq!(run(&moved(REPLACE)).unwrap(), counts(1, 0));
    assert_eq!(place.read("to/a"), "from/a");
    assert!(FilePlan::of(&moved(PLAIN)).unwrap_err().is_no_file());
    // Into a folder of its own, as one does with old logs; but not with everything in it.
    place.put("from/x.log", "x");
    let old = Operation::Move(place.transfer("from", "from/old", "*.log", PLAIN));
    assert_eq!(run(&old).unwrap(), counts(1, 0));
    let into = Operation::Move(place.transfer("from", "from/old", "", RECURSIVE));
    assert!(matches!(run(&into).unwrap_err(), FileError::IntoItself { .. }));
}

#[test]
fn a_move_that_was_cut_goes_on() {
    let place = Place::with(&["from/a", "from/b", "from/c"]);
    let plan = FilePlan::of(&Operation::Move(place.transfer("from", "to", "", PLAIN))).unwrap();
    fs::create_dir(place.path("to")).unwrap();
    fs::rename(place.path("from/a"), place.path("to/a")).unwrap();
    assert_eq!(plan.carry_out(&RUN).unwrap(), counts(3, 0));
    fs::remove_file(place.path("to/b")).unwrap();
    assert!(matches!(plan.carry_out(&RUN).unwrap_err(), FileError::Vanished { .. }));
}

#[test]
fn stop_is_heard_between_files() {
    let place = Place::with(&["from/a"]);
    let plan = FilePlan::of(&Operation::Copy(place.transfer("from", "to", "", PLAIN))).unwrap();
    let stopped = plan.carry_out(&AtomicBool::new(true)).unwrap_err();
    assert!(matches!(stopped, FileError::Stopped));
}

#[test]
fn rename_changes_the_name_alone() {
    let place = Place::with(&["f/a", "f/b", "f/folder/x"]);
    let rename = |current: &str, new: &str, replace, force| {
        let new = new.to_owned();
        run(&Operation::Rename { current: place.spot(current), new, replace, force })
    };
    rename("f/a", "c", false, false).unwrap();
    assert_eq!(place.read("f/c"), "f/a");
    assert!(rename("f/a", "d", false, false).unwrap_err().is_no_file());
    assert!(rename("missing/a", "d", false, false).unwrap_err().is_no_file());
    assert!(matches!(rename("f/c", "b", false, false).unwrap_err(), FileError::Exists { .. }));
    place.protect("f/b", true);
    assert!(matches!(rename("f/c", "b", true, false).unwrap_err(), FileError::ReadOnly { .. }));
    rename("f/c", "b", true, true).unwrap();
    assert_eq!(place.read("f/b"), "f/a");
    assert!(matches!(
        rename("f/b", "folder", true, true).unwrap_err(),
        FileError::FolderInTheWay { .. }
    ));
    rename("f/folder", "other", false, false).unwrap();
    assert!(place.tree().contains(&"f/other/x".to_owned()));
    for wrong in ["", "..", "x/y"] {
        assert!(
            matches!(rename("f/b", wrong, true, true).unwrap_err(), FileError::Name { .. }),
            "{wrong}"
        );
    }
}

#[test]
fn delete_files_leaves_the_folder() {
    let delete = |place: &Place, filter: &str, recursive, force| {
        let filter = Filter::parse(filter, CaseRule::OWN).unwrap();
        run(&Operation::DeleteFiles { folder: place.spot("f"), filter, recursive, force })
    };
    let files = ["f/a.log", "f/b.txt", "f/sub/c.log", "other"];
    let place = Place::with(&files);
    assert_eq!(delete(&place, "*.log", false, false).unwrap(), counts(1, 0));
    assert_eq!(place.tree(), ["f/", "f/b.txt", "f/sub/", "f/sub/c.log", "other"]);
    assert_eq!(delete(&place, "*.log", true, false).unwrap(), counts(1, 0));
    assert!(delete(&place, "*.log", true, false).unwrap_err().is_no_file());
    place.protect("f/b.txt", true);
    assert!(matches!(delete(&place, "", true, false).unwrap_err(), FileError::ReadOnly { .. }));
    assert_eq!(delete(&place, "", true, true).unwrap(), counts(1, 0));
    assert_eq!(place.tree(), ["f/", "other"]);
}

#[test]
fn folders_are_made_and_deleted() {
    let place = Place::with(&["there/file", "file"]);
    let folders = |names: &[&str]| names.iter().map(|name| place.spot(name)).collect::<Vec<_>>();
    run(&Operation::CreateFolders { folders: folders(&["a/b/c", "there"]) }).unwrap();
    let onto_file = run(&Operation::CreateFolders { folders: folders(&["file/x"]) });
    assert!(onto_file.unwrap_err().to_string().contains("file"));
    let delete = |names: &[&str], recursive, force| {
        run(&Operation::DeleteFolders { folders: folders(names), recursive, force })
    };
    assert!(matches!(
        delete(&["a/b/c", "a"], false, false).unwrap_err(),
        FileError::NotEmpty { .. }
    ));
    delete(&["a/b/c", "missing"], false, false).unwrap();
    delete(&["a"], true, false).unwrap();
    place.protect("there/file", true);
    assert!(matches!(delete(&["there"], true, false).unwrap_err(), FileError::ReadOnly { .. }));
    delete(&["there"], true, true).unwrap();
    assert!(matches!(delete(&["file"], true, true).unwrap_err(), FileError::NotAFolder { .. }));
    assert_eq!(place.tree(), ["file"]);
}

#[test]
fn roots_are_never_deleted() {
    let root = if cfg!(windows) { r"C:\" } else { "/" };
    let depot = tempfile::tempdir().unwrap();
    let under = Spot::absolute(root, Some(depot.path())).unwrap();
    let roots = [Spot::absolute(root, None).unwrap(), under, Spot::confined(depot.path(), [])];
    for spot in roots {
        let folders = vec![spot.clone()];
        let delete = Operation::DeleteFolders { folders, recursive: true, force: true };
        assert!(matches!(FilePlan::of(&delete).unwrap_err(), FileError::Root { .. }), "{spot:?}");
    }
}

#[test]
fn the_depot_is_not_left() {
    let outside = Place::with(&["secret/key"]);
    let depot = Place::with(&["in/file"]);
    let spot = |names: &[&str]| Spot::confined(&depot.path(""), names.iter().copied());
    for names in [&["..", "x"][..], &["in", ".."], &["in/../.."], &[""], &["."]] {
        assert!(spot(names).open().is_err(), "{names:?}");
        assert!(spot(names).create().is_err(), "{names:?}");
    }
    if !link(&outside.path("secret"), &depot.path("in/link")) {
        return;
    }
    assert!(spot(&["in", "link"]).open().is_err());
    let filter = Filter::all();
    let copy = |from: &[&str], to: &[&str]| {
        let options = Options { recursive: true, ..PLAIN };
        run(&Operation::Copy(Transfer {
            from: spot(from),
            to: spot(to),
            filter: filter.clone(),
            options,
        }))
    };
    let error = copy(&["in", "link"], &["stolen"]).unwrap_err();
    assert!(matches!(error, FileError::Link { .. }), "{error}");
    let error = copy(&["in"], &["in", "link", "x"]);
    assert!(error.is_err());
    // As a link it is copied like any other.
    assert_eq!(copy(&["in"], &["out"]).unwrap(), counts(2, 0));
    assert!(fs::symlink_metadata(depot.path("out/link")).unwrap().is_symlink());
    let folders = vec![spot(&["in"])];
    run(&Operation::DeleteFolders { folders, recursive: true, force: false }).unwrap();
    assert_eq!(outside.tree(), ["secret/", "secret/key"]);
}

/// Wine and Windows without the right to do so make no links.
fn link(target: &Path, link: &Path) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::symlink(target, link).is_ok();
    #[cfg(windows)]
    return std::os::windows::fs::symlink_dir(target, link).is_ok()
        && fs::symlink_metadata(link).is_ok_and(|meta| meta.is_symlink());
}

#[test]
fn links_in_loops_end() {
    let place = Place::with(&["from/sub/file"]);
    if !link(&place.path("from"), &place.path("from/sub/loop")) {
        return;
    }
    let copy = Operation::Copy(place.transfer("from", "to", "", RECURSIVE));
    assert_eq!(run(&copy).unwrap(), counts(2, 0));
    let target = fs::read_link(place.path("to/sub/loop")).unwrap();
    assert_eq!(target, place.path("from"));
    let moved = Operation::Move(place.transfer("from", "moved", "", RECURSIVE));
    assert_eq!(run(&moved).unwrap(), counts(2, 0));
    let filter = Filter::all();
    let folder = place.spot("moved");
    let delete = Operation::DeleteFiles { folder, filter, recursive: true, force: false };
    assert_eq!(run(&delete).unwrap(), counts(2, 0));
    assert_eq!(place.tree(), ["from/", "moved/", "to/", "to/sub/", "to/sub/file", "to/sub/loop"]);
    // Through a link on the way nothing is written either.
    fs::create_dir(place.path("other")).unwrap();
    assert!(link(&place.path("other"), &place.path("moved/sub")));
    let into = Operation::Copy(place.transfer("to", "moved", "file", RECURSIVE));
    assert!(matches!(run(&into).unwrap_err(), FileError::Link { .. }));
    assert!(place.tree().contains(&"other/".to_owned()));
    assert!(fs::read_dir(place.path("other")).unwrap().next().is_none());
}

#[cfg(windows)]
#[test]
fn a_file_in_use_is_named() {
    use std::os::windows::fs::OpenOptionsExt;
    let place = Place::with(&["from/a", "to/a"]);
    let held = fs::File::options().read(true).share_mode(0).open(place.path("to/a")).unwrap();
    let copy = Operation::Copy(place.transfer("from", "to", "", FORCE));
    let error = FilePlan::of(&copy).unwrap().carry_out(&RUN).unwrap_err();
    assert!(error.to_string().contains(r"to\a"), "{error}");
    drop(held);
    assert_eq!(run(&copy).unwrap(), counts(1, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn modes_are_kept_and_borrowed_rights_are_not() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with(&["from/tool", "from/closed/file"]);
    let set = |file: &str, mode| {
        fs::set_permissions(place.path(file), fs::Permissions::from_mode(mode)).unwrap();
    };
    let mode = |file: &str| fs::metadata(place.path(file)).unwrap().permissions().mode() & 0o7777;
    set("from/tool", 0o4751);
    set("from/closed", 0o500);
    run(&Operation::Copy(place.transfer("from", "to", "", RECURSIVE))).unwrap();
    assert_eq!((mode("to/tool"), mode("to/closed")), (0o751, 0o500));
    set("from/closed", 0o700);
    set("to/closed", 0o700);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_are_files_too() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::with(&["from/"]);
    let name = std::ffi::OsStr::from_bytes(b"odd\xff\n name");
    fs::write(place.path("from").join(name), "x").unwrap();
    run(&Operation::Copy(place.transfer("from", "to", "odd*", PLAIN))).unwrap();
    assert!(place.path("to").join(name).exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_move_to_another_disk_copies_and_goes_on_after_a_cut() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::with(&["from/a", "from/sub/b"]);
    std::os::unix::fs::symlink("a", place.path("from/link")).unwrap();
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    if device(other.path()) == device(&place.path("from")) {
        return;
    }
    let to = other.path().join("to");
    let transfer = Transfer {
        to: Spot::absolute(to.to_str().unwrap(), None).unwrap(),
        ..place.transfer("from", "unused", "", RECURSIVE)
    };
    let plan = FilePlan::of(&Operation::Move(transfer)).unwrap();
    // As if it had been cut after copying and before removing.
    fs::create_dir(&to).unwrap();
    fs::copy(place.path("from/a"), to.join("a")).unwrap();
    let time = fs::metadata(place.path("from/a")).unwrap().modified().unwrap();
    fs::File::options().write(true).open(to.join("a")).unwrap().set_modified(time).unwrap();
    for _ in 0..2 {
        assert_eq!(plan.carry_out(&RUN).unwrap(), counts(3, 0));
    }
    assert_eq!(place.tree(), ["from/"]);
    assert_eq!(fs::read_to_string(to.join("sub/b")).unwrap(), "from/sub/b");
    assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("a"));
}
