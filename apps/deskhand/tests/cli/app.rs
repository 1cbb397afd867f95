//! `deskhand app` without a server: new, check, show, find, import, export.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::{checkout, deskhand};

const FILE: &str = r"application: Viewer
id: 01890a5d-ac96-774b-bcce-b302099a8057
# a remark of somebody's
registry:
  - key: HKLM\Software\Maker
    values:
      - { name: Path, text: 'C:\Maker' }
      - { name: Cache, dword: 64, rule: create_if_absent }
ini:
  - file: a.ini
    sections:
      - { section: Main, values: [{ name: Path, data: x }, { name: Old, rule: delete }] }
  - file: '%*WinDir%\b.ini'
    sections: [{ section: S, values: [{ name: N, data: maker }] }]
";

/// A folder with an application's file in it, and paths of both.
fn folder() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("viewer.yaml");
    fs::write(&file, FILE).unwrap();
    (folder, file.to_str().unwrap().to_owned())
}

#[test]
fn a_new_file_is_right_and_has_an_id_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let made = deskhand(["app", "new", "Viewer \"3\" \\x", "--file", &path("a.yaml")]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let again = deskhand(["app", "new", "Other", "--file", &path("a.yaml")]);
    assert_eq!(again.code, Some(2), "{}", again.err);
    fs::write(path("b.yaml"), deskhand(["app", "new", "Viewer"]).out).unwrap();
    let checked = deskhand(["app", "check", &path("a.yaml"), &path("b.yaml")]);
    assert_eq!((checked.code, checked.out.as_str()), (Some(0), ""), "{}", checked.err);
    let id = |name: &str| {
        let text = fs::read_to_string(path(name)).unwrap();
        text.lines().find(|line| line.starts_with("id: ")).unwrap().to_owned()
    };
    assert_ne!(id("a.yaml"), id("b.yaml"));
    assert_eq!(deskhand(["app", "new", "%A%"]).code, Some(2));
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_fresh_id() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.yaml");
    fs::write(&file, "application: A\nfiles: [{ copy: x }]\n").unwrap();
    let came = deskhand(["app", "check", file.to_str().unwrap()]);
    assert_eq!(came.code, Some(1));
    assert!(came.out.contains("wrong.yaml:2:9: error[DH-F007]: a file to copy lacks `to`"));
    assert!(came.err.contains("A fresh id: `id: "), "{}", came.err);
    let json = deskhand(["app", "check", "--json", file.to_str().unwrap()]);
    let found: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(found[0]["findings"].as_array().unwrap().len(), 2);
}

#[test]
fn examples_are_free_of_findings() {
    let examples = checkout().join("examples/applications");
    let mut kinds = BTreeSet::new();
    for entry in fs::read_dir(&examples).unwrap() {
        let path = entry.unwrap().path();
        let came = deskhand(["app", "check", path.to_str().unwrap()]);
        assert_eq!((came.code, came.out.as_str()), (Some(0), ""), "{}", path.display());
        let text = fs::read_to_string(&path).unwrap();
        let known = ["msi:", "packages:", "web:", "files:", "registry:", "shortcuts:", "ini:"];
        kinds.extend(known.into_iter().filter(|key| text.contains(&format!("\n{key}"))));
        let shown = deskhand(["app", "show", path.to_str().unwrap()]);
        assert_eq!(shown.code, Some(0), "{}", shown.err);
    }
    assert_eq!(kinds.len(), 7, "{kinds:?}");
}

#[test]
fn texts_are_found_one_after_the_other() {
    let (_folder, file) = folder();
    let lines = |words: &[&str]| -> Vec<u64> {
        let words = [&["app", "find", &file, "--json"], words].concat();
        let hits: Value = serde_json::from_str(&deskhand(words).out).unwrap();
        hits.as_array().unwrap().iter().map(|hit| hit["line"].as_u64().unwrap()).collect()
    };
    assert_eq!(lines(&["maker"]), [7, 7, 8, 14]);
    assert_eq!(lines(&["PATH"]), [7, 12]);
    assert_eq!(lines(&["path", "--in", "ini"]), [12]);
    assert_eq!(lines(&["path", "--after", "7"]), [12]);
    assert_eq!(lines(&["path", "--after", "12"]), [0u64; 0]);
    assert_eq!(deskhand(["app", "find", &file, "nowhere"]).code, Some(1));
}

#[test]
fn an_ini_file_is_shown_and_exported() {
    let (folder, file) = folder();
    let expect = "[Main]\r\nPath=x\r\n; delete: Old=\r\n";
    assert_eq!(deskhand(["app", "show", &file, "--ini", "A.INI"]).out, expect);
    assert!(deskhand(["app", "show", &file, "--ini", "b.ini"]).out.contains("N=maker"));
    let unknown = deskhand(["app", "show", &file, "--ini", "c.ini"]);
    assert!(unknown.err.contains("it changes a.ini, %*WinDir%\\b.ini"), "{}", unknown.err);
    let out = folder.path().join("out.ini");
    let words = ["app", "export", &file, "--ini", out.to_str().unwrap()];
    assert_eq!(deskhand(words).code, Some(2));
    let words = ["app", "export", &file, "--ini", out.to_str().unwrap(), "--of", "a.ini"];
    assert_eq!(deskhand(words).code, Some(0));
    assert_eq!(fs::read_to_string(out).unwrap(), expect);
}

#[test]
fn registry_settings_go_out_and_come_in() {
    let (folder, file) = folder();
    let reg = folder.path().join("out.reg").to_str().unwrap().to_owned();
    let came = deskhand(["app", "export", &file, "--registry", &reg]);
    assert!(came.err.contains("warning[DH-X016]: a .reg file only creates"), "{}", came.err);
    let printed = deskhand(["app", "import", &reg, "--name", "Copy"]);
    assert!(printed.out.starts_with("application: Copy\n"), "{}", printed.out);
    assert!(printed.out.contains(r"name: Path, text: 'C:\Maker'"), "{}", printed.out);
    let into = deskhand(["app", "import", &reg, "--into", &file]);
    assert_eq!(into.code, Some(0), "{}", into.err);
    assert!(into.err.contains("Added 1 registry to"), "{}", into.err);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("# a remark of somebody's\n"));
    assert_eq!(text.matches(r"text: 'C:\Maker'").count(), 2, "{text}");
}

#[test]
fn a_template_is_taken_over_with_what_was_not_understood() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let given = checkout().join("crates/format/tests/exchange");
    for name in ["viewer.axt", "filedef.txt"] {
        fs::copy(given.join(name), path(name)).unwrap();
    }
    let came = deskhand(["app", "import", &path("viewer.axt")]);
    assert_eq!(came.code, Some(0), "{}", came.err);
    assert!(came.err.contains("viewer.axt:114: warning[DH-X013]"), "{}", came.err);
    assert!(came.out.contains("#   [Icon Create]\n"), "{}", came.out);
    assert!(came.out.contains(r"to: 'C:\Windows\100%%\help.hlp'"), "{}", came.out);
    fs::write(path("viewer.yaml"), came.out).unwrap();
    let checked = deskhand(["app", "check", &path("viewer.yaml")]);
    assert_eq!(checked.code, Some(0), "{}", checked.out);
    fs::write(path("viewer.aot"), [0, 1, 2]).unwrap();
    let refused = deskhand(["app", "import", &path("viewer.aot")]);
    assert!(refused.err.contains("error[DH-X014]"), "{}", refused.err);
    let exported = deskhand(["app", "export", &path("viewer.yaml"), "--axt", "-"]);
    assert!(exported.out.starts_with("[AXT_FILE 3.1]\r\n"), "{}", exported.out);
    assert!(exported.err.contains("`files` (4)"), "{}", exported.err);
}

#[test]
fn the_schema_of_applications_is_json() {
    let schema: Value = serde_json::from_str(&deskhand(["app", "schema"]).out).unwrap();
    assert_eq!(schema["title"], "Deskhand application");
}
