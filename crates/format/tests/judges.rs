//! What Windows reads in the `.reg` files that we write: Wine's `reg` takes them in and writes them
//! out again. `cargo xtask windows` runs this.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use application::Items;
use format::exchange::{read_reg, write_reg};
use format::parse_application;

const KEY: &str = r"HKEY_CURRENT_USER\Software\DeskhandJudge";

const DOCUMENT: &str = r#"
application: Judged
id: 01890a5d-ac96-774b-bcce-b302099a8057
registry:
  - key: HKEY_CURRENT_USER\Software\DeskhandJudge
    values:
      - { default: 'the "default"' }
      - { name: Path, text: 'C:\Maker\100%% "quoted"\' }
      - { name: 'Name with "quotes" and \', text: x }
      - { name: Größe, text: 'Ä€𝄞' }
      - { name: Lines, text: "one\r\ntwo\tthree" }
      - { name: Empty, text: '' }
      - { name: Least, dword: 0 }
      - { name: Most, dword: 4294967295 }
      - { name: Large, qword: 18446744073709551615 }
      - { name: Bytes, binary: 00 01 02 fe ff }
      - { name: No bytes, binary: '' }
      - { name: Expanded, expanded_text: '%%SystemRoot%%\x' }
      - { name: List, texts: [one, 'two "2"', Größe] }
      - { name: Empty list, texts: [] }
      - { name: Nothing, raw: { type: 0, bytes: '' } }
      - { name: Big end, raw: { type: 5, bytes: 00 00 00 01 } }
      - { name: Resource, raw: { type: 10, bytes: 01 02 } }
      - { name: Many, binary: MANY }
      - { name: Old, rule: delete }
  - { key: 'HKEY_CURRENT_USER\Software\DeskhandJudge\Größe [x]' }
  - { key: HKEY_CURRENT_USER\Software\DeskhandJudge\Gone, rule: delete }
"#;

/// What `reg query` says of some of them.
const TOLD: &[&str] = &[
    r#"    (Default)    REG_SZ    the "default""#,
    r#"    Path    REG_SZ    C:\Maker\100% "quoted"\"#,
    r#"    Name with "quotes" and \    REG_SZ    x"#,
    "    Most    REG_DWORD    0xffffffff",
    "    Bytes    REG_BINARY    000102FEFF",
    r"    Expanded    REG_EXPAND_SZ    %SystemRoot%\x",
    r#"    List    REG_MULTI_SZ    one\0two "2"\0Gr"#,
];

fn reg(words: &[&str]) -> Option<String> {
    let wine = std::env::var_os("DESKHAND_WINE");
    let wine = wine.expect("DESKHAND_WINE is not set: `cargo xtask windows` runs this");
    let output = Command::new(wine).arg("reg").args(words).output().expect("Wine runs");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// As Wine names a file of this system.
fn windows_path(path: &Path) -> String {
    format!("Z:{}", path.to_string_lossy().replace('/', "\\"))
}

/// By key and name, without what deletes and what is not exported: an order of its own is `reg`'s
/// right.
fn sorted(items: &Items) -> Vec<String> {
    let mut all: Vec<String> = items.registry.iter().map(|item| format!("{item:?}")).collect();
    all.retain(|item| !item.contains("rule: Delete") && !item.contains("\"Lines\""));
    all.sort();
    all
}

#[test]
#[ignore = "needs Wine; `cargo xtask windows` runs it"]
fn wine_takes_in_what_we_write() {
    let many: Vec<String> = (0..=255_u8).map(|byte| format!("{byte:02x}")).collect();
    let parsed = parse_application(&DOCUMENT.replace("MANY", &many.join(" ")));
    let application = parsed.application.unwrap_or_else(|| panic!("{:?}", parsed.problems));
    let (written, remarks) = write_reg(&application);
    assert!(remarks.is_empty(), "{remarks:?}");
    let folder = tempfile::tempdir().expect("a folder is made");
    let (ours, theirs) = (folder.path().join("ours.reg"), folder.path().join("theirs.reg"));
    std::fs::write(&ours, &written).expect("a file is written");

    reg(&["delete", KEY, "/f"]);
    reg(&["add", KEY, "/v", "Old", "/d", "old", "/f"]).expect("`reg add` works");
    reg(&["add", &format!(r"{KEY}\Gone"), "/f"]).expect("`reg add` works");
    reg(&["import", &windows_path(&ours)]).expect("`reg import` takes it");
    let told = reg(&["query", KEY]).expect("the key is there");
    for line in TOLD {
        assert!(told.lines().any(|found| found.starts_with(line)), "{line}\n{told}");
    }
    assert!(!told.contains("Old") && !told.contains("Gone"), "{told}");
    // Wine writes line ends in a way of its own, so they are judged by what was taken in.
    assert!(told.contains("    Lines    REG_SZ    one\r\ntwo\tthree\r\n"), "{told}");
    reg(&["delete", KEY, "/v", "Lines", "/f"]).expect("`reg delete` works");
    reg(&["export", KEY, &windows_path(&theirs), "/y"]).expect("`reg export` works");
    let exported = read_reg(&std::fs::read(&theirs).expect("it is there")).expect("it is read");
    let expected = read_reg(&written).expect("we read what we write");
    assert!(exported.remarks.is_empty() && expected.remarks.is_empty());
    let (found, expected) = (sorted(&exported.items), sorted(&expected.items));
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
    reg(&["delete", KEY, "/f"]).expect("the key goes");
}
