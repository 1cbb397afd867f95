//! Registry, INI files, text files and shortcuts.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::machine_of_test::{Machine, outside, reg, value};

const KEY: &str = r"HKLM\Software\DeskhandTrial";
const KEY_32: &str = r"HKLM\Software\WOW6432Node\DeskhandTrial";
const MENU: &str = r"C:\ProgramData\Microsoft\Windows\Start Menu\Programs\Deskhand Trial";
const NOTEPAD: &str = r"C:\windows\system32\notepad.exe";

/// What was there before, by `reg` and as files.
fn set_up(machine: &Machine) {
    for key in [KEY, KEY_32] {
        reg(&["delete", key, "/f"]);
    }
    let _ = std::fs::remove_dir_all(MENU);
    for words in [
        ["/v", "Search", "/t", "REG_EXPAND_SZ", "/d", r"C:\Before"],
        ["/v", "Count", "/t", "REG_DWORD", "/d", "1"],
        ["/v", "Old", "/t", "REG_SZ", "/d", "old"],
    ] {
        reg(&[&["add", KEY, "/f"], &words[..]].concat()).expect("`reg add` works");
    }
    std::fs::write(machine.file("app.ini"), INI).unwrap();
    std::fs::write(machine.file("motd.txt"), TEXT).unwrap();
}

const INI: &str = "; ours\r\n[Main]\r\nColor=red\r\n";
const TEXT: &str = "welcome\r\n";

fn document(machine: &Machine, version: u16, word: &str, more: &str) -> String {
    format!(
        r"
application: Items on Windows
id: 01890a5d-ac96-774b-bcce-b302099a8057
version: {version}
registry:
  - key: {KEY}
    values:
      - {{ name: Word, text: {word} }}
      - {{ name: Count, dword: 5 }}
      - {{ name: Search, text: ';C:\Trial', rule: append }}
      - {{ name: Old, rule: delete }}
      - {{ default: the trial }}
  - {{ key: {KEY}, view: 32, values: [ {{ name: Word, text: {word} of 32 bits }} ] }}
ini:
  - file: {ini}
    sections: [ {{ section: Main, values: [ {{ name: Color, data: {word} }} ] }} ]
text:
  - {{ file: {text}, changes: [ {{ append: trial }} ] }}
shortcuts:
  - {{ group: Deskhand Trial }}
  - {{ shortcut: Trial, group: Deskhand Trial, target: '{NOTEPAD}', arguments: /{word} }}
{more}",
        ini = machine.file("app.ini").display(),
        text = machine.file("motd.txt").display(),
    )
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Target and arguments as Wine reads them.
fn shortcut() -> [String; 2] {
    let file = PathBuf::from(MENU).join("Trial.lnk");
    let output = Command::new(outside("DESKHAND_JUDGE")).arg("lnk").arg(file).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let mut lines = told.lines().map(str::to_owned);
    [lines.next().unwrap(), lines.next().unwrap()]
}

fn is_distributed(machine: &Machine, word: &str) {
    let expected = [
        (KEY, "Word", format!("SZ {word}")),
        (KEY, "Count", "DWORD 0x5".to_owned()),
        (KEY, "Search", r"EXPAND_SZ C:\Before;C:\Trial".to_owned()),
        (KEY, "", "SZ the trial".to_owned()),
        (KEY_32, "Word", format!("SZ {word} of 32 bits")),
    ];
    for (key, name, expect) in expected {
        assert_eq!(value(key, name), Some(expect), "{key} {name}");
    }
    assert_eq!(value(KEY, "Old"), None);
    assert_eq!(read(machine.file("app.ini")), format!("; ours\r\n[Main]\r\nColor={word}\r\n"));
    assert_eq!(read(machine.file("motd.txt")), "welcome\r\ntrial\r\n");
    assert_eq!(shortcut(), [NOTEPAD.to_owned(), format!("/{word}")]);
}

fn is_as_before(machine: &Machine) {
    assert_eq!(value(KEY, "Word"), None);
    assert_eq!(value(KEY, "").filter(|told| !told.contains("not set")), None);
    assert_eq!(value(KEY, "Count").as_deref(), Some("DWORD 0x1"));
    assert_eq!(value(KEY, "Search").as_deref(), Some(r"EXPAND_SZ C:\Before"));
    assert_eq!(value(KEY, "Old").as_deref(), Some("SZ old"));
    assert_eq!(reg(&["query", KEY_32]), None);
    assert_eq!(read(machine.file("app.ini")), INI);
    assert_eq!(read(machine.file("motd.txt")), TEXT);
    assert!(!Path::new(MENU).exists());
}

#[test]
fn an_application_comes_is_repaired_is_upgraded_and_goes() {
    let mut machine = Machine::new(Path::new("C:\\"));
    set_up(&machine);
    let first = document(&machine, 1, "blue", "");
    machine.distribute(&first).unwrap();
    is_distributed(&machine, "blue");
    assert!(machine.verify().changes_nothing());
    assert!(machine.consider(&first).changes_nothing());

    reg(&["add", KEY, "/f", "/v", "Count", "/t", "REG_DWORD", "/d", "9"]).unwrap();
    reg(&["delete", KEY_32, "/f"]).unwrap();
    std::fs::remove_file(PathBuf::from(MENU).join("Trial.lnk")).unwrap();
    let ini = read(machine.file("app.ini")).replace("blue", "pink");
    std::fs::write(machine.file("app.ini"), ini).unwrap();
    let differs = machine.verify();
    let found: Vec<&str> = differs.plan.drift().map(|item| item.target.as_str()).collect();
    assert_eq!(found.len(), 4, "{found:?}");
    machine.carry_out(&differs).unwrap();
    is_distributed(&machine, "blue");

    let second = document(&machine, 2, "green", "");
    machine.distribute(&second).unwrap();
    is_distributed(&machine, "green");
    assert_eq!(machine.driver.records()[0].installed.version, 2);
    machine.uninstall();
    is_as_before(&machine);
}

#[test]
fn a_script_that_fails_undoes_everything() {
    let mut machine = Machine::new(Path::new("C:\\"));
    set_up(&machine);
    let after = "scripts: { after: { run: \"echo no room for a trial\\nexit /b 7\" } }";
    let failing = document(&machine, 1, "blue", after);
    let failure = machine.distribute(&failing).unwrap_err();
    let sentence = failure.sentence();
    assert!(sentence.contains("exit code 7: no room for a trial"), "{sentence}");
    assert_eq!(failure.remains, Vec::<String>::new());
    is_as_before(&machine);
    assert!(machine.driver.records().is_empty());
}

#[test]
fn what_somebody_changed_since_stays() {
    let mut machine = Machine::new(Path::new("C:\\"));
    set_up(&machine);
    let first = document(&machine, 1, "blue", "");
    machine.distribute(&first).unwrap();
    reg(&["add", KEY, "/f", "/v", "Word", "/t", "REG_SZ", "/d", "mine"]).unwrap();
    reg(&["add", KEY_32, "/f", "/v", "Mine", "/t", "REG_SZ", "/d", "mine"]).unwrap();
    let ini = read(machine.file("app.ini")) + "Own=1\r\n";
    std::fs::write(machine.file("app.ini"), ini).unwrap();
    machine.uninstall();
    assert_eq!(value(KEY, "Word").as_deref(), Some("SZ mine"));
    assert_eq!(value(KEY, "Count").as_deref(), Some("DWORD 0x1"));
    assert_eq!(value(KEY_32, "Mine").as_deref(), Some("SZ mine"));
    assert_eq!(value(KEY_32, "Word"), None);
    assert_eq!(read(machine.file("app.ini")), format!("{INI}Own=1\r\n"));
}
