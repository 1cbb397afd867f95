//! Parts of users who are not logged on, made by root with real users.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use application::{Part, Severity};
use tempfile::TempDir;

use super::machine_of_test::Machine;
use super::meddling::Meddling;
use super::tree::tree;

/// A user of this machine for as long as this lives, and a folder that is root's alone.
struct User {
    name: String,
    folder: TempDir,
}

impl User {
    fn make() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() != 0) {
            println!("skipped: only root can make the user that this test needs");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let name = format!("dhapp{}n{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let home = folder.path().join("home");
        let output = Command::new("useradd")
            .args(["-M", "-s", "/bin/sh", "-U", "-K", "UID_MIN=20000", "-d"])
            .arg(&home)
            .arg(&name)
            .output();
        if !output.as_ref().is_ok_and(|output| output.status.success()) {
            println!("skipped: useradd does not make a user: {output:?}");
            return None;
        }
        let user = Self { name, folder };
        fs::create_dir(&home).unwrap();
        user.owns(&home);
        for folder in ["source", "secret"] {
            fs::create_dir(user.path(folder)).unwrap();
        }
        for name in ["one.txt", "two.txt"] {
            fs::write(user.path("source").join(name), name).unwrap();
        }
        fs::write(user.path("secret/settings.ini"), "[Main]\nPassword=7\n").unwrap();
        fs::set_permissions(user.path("secret"), fs::Permissions::from_mode(0o700)).unwrap();
        Some(user)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn owns(&self, path: &Path) {
        let output = Command::new("chown").arg("-Rh").arg(&self.name).arg(path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// What the user does in a shell of their own.
    fn does(&self, command: &str) {
        let output = Command::new("runuser")
            .args(["-u", &self.name, "--", "/bin/sh", "-ec", command])
            .current_dir(self.path("home"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }

    fn id(&self) -> u32 {
        fs::metadata(self.path("home")).unwrap().uid()
    }

    /// A driver that works on this user's part.
    fn machine(&self) -> Machine {
        let mut machine = Machine::new(&self.path("source"));
        machine.part = Part::User(self.name.clone());
        machine
    }
}

const FOREIGN: &str = "DESKHAND_FOREIGN_FOLDER";

/// Whoever is no administrator changes what is theirs, and nothing where something else is in it.
#[test]
fn a_user_cannot_change_what_is_of_others() {
    if let Some(foreign) = std::env::var_os(FOREIGN) {
        return as_that_user(Path::new(&foreign));
    }
    let Some(user) = User::make() else { return };
    let program = user.path("program");
    let own = std::env::current_exe().unwrap();
    fs::hard_link(&own, &program).or_else(|_| fs::copy(&own, &program).map(drop)).unwrap();
    fs::create_dir(user.path("foreign")).unwrap();
    fs::write(user.path("foreign/settings.ini"), "[Main]\n").unwrap();
    let before = tree(&user.path("foreign"));
    let output = Command::new("runuser")
        .args(["-u", &user.name, "--"])
        .arg(&program)
        .args(["--exact", "users::a_user_cannot_change_what_is_of_others", "--nocapture"])
        .env(FOREIGN, user.path("foreign"))
        .env("HOME", user.path("home"))
        .env("TMPDIR", user.path("home"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}{errors}");
    assert_eq!(tree(&user.path("foreign")), before);
}

fn as_that_user(foreign: &Path) {
    let source = foreign.with_file_name("source");
    let mut machine = Machine::new(&source);
    let mine = machine.file("mine");
    fs::create_dir(&mine).unwrap();
    let document = |folder: &Path| {
        format!(
            "application: Rights\nid: 01890a5d-ac96-774b-bcce-b302099a8063\nversion: 1\nfiles:\n\
             \x20 - {{ copy: '%SOURCE_PATH%/*', to: {mine} }}\nini:\n\
             \x20 - {{ file: {folder}/settings.ini, sections: [ {{ section: Main, \
             values: [ {{ name: Color, data: blue }} ] }} ] }}\n",
            mine = mine.display(),
            folder = folder.display()
        )
    };
    let failed = machine.distribute(&document(foreign)).unwrap_err();
    assert_eq!(failed.source.code(), "DH-U004");
    assert!(failed.sentence().contains("no permission to write"), "{}", failed.sentence());
    assert_eq!(failed.remains, Vec::<String>::new());
    assert!(tree(&mine).is_empty());
    machine.distribute(&document(&mine)).unwrap();
    assert_eq!(tree(&mine).len(), 3);
    machine.uninstall();
    assert!(tree(&mine).is_empty());
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = Command::new("userdel").args(["-f", &self.name]).output();
    }
}

const DOCUMENT: &str = "
application: Users
id: 01890a5d-ac96-774b-bcce-b302099a8062
version: 1
options: { rights: user }
files:
  - { copy: '%SOURCE_PATH%/*.txt', to: '%*AppData%/viewer' }
ini:
  - file: '%*AppData%/viewer/settings.ini'
    sections: [ { section: Main, values: [ { name: Color, data: blue } ] } ]
shortcuts:
  - { shortcut: Viewer, target: /bin/true, place: desktop, for_all: false }
";

#[test]
fn what_is_a_users_belongs_to_them() {
    let Some(user) = User::make() else { return };
    user.does("mkdir -p .config/viewer; cd .config/viewer; echo mine > one.txt; chmod 640 one.txt");
    let home = user.path("home");
    let before = tree(&home);
    let mut machine = user.machine();
    let script = "scripts: { after: { run: 'id -un > \"$HOME/who\"; pwd >> \"$HOME/who\"' } }";
    machine.distribute(&format!("{DOCUMENT}{script}\n")).unwrap();
    let after = tree(&home);
    for name in ["viewer/one.txt", "viewer/two.txt", "viewer/settings.ini"] {
        assert!(after.contains_key(&Path::new(".config").join(name)), "{after:#?}");
    }
    assert!(after.keys().any(|path| path.starts_with("Desktop")), "{after:#?}");
    let theirs = format!("of {}", user.id());
    let foreign: Vec<_> = after.iter().filter(|(_, told)| !told.ends_with(&theirs)).collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
    let who = fs::read_to_string(home.join("who")).unwrap();
    assert_eq!(who, format!("{}\n{}\n", user.name, home.display()));
    // They may change it, and that is seen.
    user.does("echo changed > .config/viewer/two.txt");
    assert_eq!(machine.verify().plan.drift().count(), 1);
    let step = machine.verify();
    machine.carry_out(&step).unwrap();
    assert_eq!(fs::read_to_string(home.join(".config/viewer/two.txt")).unwrap(), "two.txt");
    user.does("rm who");
    machine.uninstall();
    assert_eq!(tree(&home), before);
}

/// A link that leads out of the home is there before anything is looked at: nothing is read through
/// it and nothing written.
#[test]
fn links_out_of_the_home_are_not_followed() {
    let Some(user) = User::make() else { return };
    let secret = user.path("secret");
    let before = tree(&secret);
    user.does(&format!("mkdir .config; ln -s {} .config/viewer", secret.display()));
    let step = user.machine().consider(DOCUMENT);
    assert!(step.is_refused(), "{:?}", step.plan);
    let words = format!("{:?}", step.plan);
    assert!(words.contains("leads out of the home"), "{words}");
    assert!(!words.contains("Password"), "{words}");

    // Without anything to read first.
    let copies = DOCUMENT.split("ini:\n").next().unwrap();
    let mut machine = user.machine();
    let failed = machine.distribute(copies).unwrap_err();
    assert_eq!(failed.source.code(), "DH-U004");
    assert!(failed.sentence().contains("leads out of the home"), "{}", failed.sentence());
    assert_eq!(failed.remains, Vec::<String>::new());
    assert_eq!(tree(&secret), before);
    // One that leads through the home is the user's own business.
    user.does("rm .config/viewer; mkdir elsewhere; ln -s ../elsewhere .config/viewer");
    machine.distribute(copies).unwrap();
    assert!(user.path("home/elsewhere/one.txt").exists());
    machine.uninstall();
    assert!(!user.path("home/elsewhere/one.txt").exists());
}

/// A link that is made while root's hand is already there.
#[test]
fn links_made_meanwhile_are_not_followed() {
    let Some(user) = User::make() else { return };
    let secret = user.path("secret");
    fs::write(secret.join("one.txt"), "root's own").unwrap();
    let before = tree(&secret);
    for moment in ["one.txt", "two.txt"] {
        user.does(
            "rm -rf .config aside; mkdir -p .config/viewer; echo mine > .config/viewer/one.txt",
        );
        let mut machine = user.machine();
        let step = machine.consider(DOCUMENT);
        assert!(!step.is_refused(), "{:?}", step.plan.findings);
        let swap = format!("mv .config/viewer aside; ln -s {} .config/viewer", secret.display());
        let source = Meddling::new(&user.path("source"), |name| {
            if name == moment {
                user.does(&swap);
            }
            Ok(())
        });
        let failed = machine.carry_out_from(&step, &source).unwrap_err();
        assert!(failed.sentence().contains("leads out of the home"), "{}", failed.sentence());
        assert_eq!(tree(&secret), before, "at {moment}");
        assert!(machine.driver.recover(&mut |_| ()).unwrap().is_none(), "nothing is left to do");
        let mine = fs::read_to_string(user.path("home/aside/one.txt")).unwrap();
        assert_eq!(mine, "mine\n");
    }
}

/// Nobody's home is made for them, and what is gone with a home is no obstacle.
#[test]
fn who_has_no_home_gets_nothing() {
    let Some(user) = User::make() else { return };
    let mut machine = user.machine();
    machine.distribute(DOCUMENT).unwrap();
    fs::remove_dir_all(user.path("home")).unwrap();
    let error = machine.considered(DOCUMENT).unwrap_err();
    assert!(error.to_string().contains("has no home here"), "{error}");
    machine.uninstall();
    assert!(!user.path("home").exists());
}

/// What users say of their folders is heeded as far as it is within their home.
#[test]
fn folders_that_users_name_are_within_their_home() {
    let Some(user) = User::make() else { return };
    let secret = user.path("secret");
    let before = tree(&secret);
    user.does(&format!(
        "mkdir .config; echo 'XDG_DESKTOP_DIR=\"{}\"' > .config/user-dirs.dirs",
        secret.display()
    ));
    let mut machine = user.machine();
    machine.distribute(DOCUMENT).unwrap();
    assert!(user.path("home/Desktop").is_dir());
    assert_eq!(tree(&secret), before);
    machine.uninstall();
    // A pipe in its place is not waited for, a link to what is root's not read.
    user.does("rm .config/user-dirs.dirs; mkfifo .config/user-dirs.dirs");
    machine.distribute(DOCUMENT).unwrap();
    machine.uninstall();
    fs::remove_file(user.path("home/.config/user-dirs.dirs")).unwrap();
    symlink("/etc/shadow", user.path("home/.config/user-dirs.dirs")).unwrap();
    let step = machine.consider(DOCUMENT);
    assert!(step.plan.findings.iter().all(|found| found.severity != Severity::Error));
}
