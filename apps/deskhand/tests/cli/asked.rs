//! What `deskhand app` asks on a terminal, and what it does with the answers.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::{Came, came, command};

const VIEWER: &str = "
application: Viewer
id: 01890a5d-ac96-774b-bcce-b302099a8057
version: 1
description: Shows pictures
options: { prompt: true }
macros:
  COLOUR: { prompt: 'Which colour?', default: red }
ini:
  - file: /etc/viewer.ini
    sections:
      - { section: Main, values: [ { name: Color, data: '%COLOUR%' } ] }
";

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(desk.path("root/etc")).unwrap();
        fs::write(desk.path("viewer.yaml"), VIEWER).unwrap();
        desk
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Runs a command at a terminal, where that is typed.
    fn at_terminal(&self, words: &[&str], typed: &str) -> Came {
        let (mut keyboard, terminal) = terminal();
        keyboard.write_all(typed.as_bytes()).unwrap();
        let mut command = command(["app"].iter().chain(words));
        command.arg("--root").arg(self.path("root")).stdin(Stdio::from(terminal));
        came(command)
    }

    fn apply(&self, typed: &str) -> Came {
        self.at_terminal(&["apply", self.path("viewer.yaml").to_str().unwrap()], typed)
    }

    fn settings(&self) -> Option<String> {
        fs::read_to_string(self.path("root/etc/viewer.ini")).ok()
    }
}

/// Where keys are pressed, and where a program reads them.
fn terminal() -> (File, File) {
    let keyboard: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap();
    let name = Path::new(name.to_str().unwrap());
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    (File::from(keyboard), terminal)
}

#[test]
fn only_a_yes_is_a_yes() {
    for typed in ["\nn\n", "\n\n", "\nyeah\n", "\n\u{4}"] {
        let desk = Desk::new();
        let came = desk.apply(typed);
        assert_eq!(came.code, Some(3), "{typed:?}: {}", came.err);
        assert!(came.err.contains("nothing was changed"), "{}", came.err);
        assert_eq!(desk.settings(), None, "{typed:?}");
    }
    for typed in ["\ny\n", "\nYES\n"] {
        let desk = Desk::new();
        let came = desk.apply(typed);
        assert_eq!(came.code, Some(0), "{typed:?}: {}", came.err);
        assert!(desk.settings().unwrap().contains("Color=red"));
    }
}

#[test]
fn what_a_file_leaves_open_is_asked_and_its_user_before_the_first_time() {
    let desk = Desk::new();
    let came = desk.apply("blue\ny\n");
    assert_eq!(came.code, Some(0), "{}", came.err);
    assert!(came.err.contains("Which colour? [red] "), "{}", came.err);
    let offer =
        "Shows pictures\nViewer is to be installed on this computer. Install it now? [y/N] ";
    assert!(came.err.contains(offer), "{}", came.err);
    assert!(desk.settings().unwrap().contains("Color=blue"));
    // It is here: nothing is offered, only what differs.
    fs::write(desk.path("root/etc/viewer.ini"), "[Main]\nColor=green\n").unwrap();
    let again = desk.apply("blue\ny\n");
    assert!(!again.err.contains("is to be installed"), "{}", again.err);

    let words = ["uninstall", "Viewer"];
    let kept = desk.at_terminal(&words, "n\n");
    assert_eq!(kept.code, Some(3), "{}", kept.err);
    assert!(kept.err.contains("Uninstall this? [y/N] "), "{}", kept.err);
    assert_eq!(desk.at_terminal(&words, "y\n").code, Some(0));
}
