//! Files of others in `exchange/` and what is taken over of them: golden text beside each. With
//! `UPDATE_EXPECT=1` in the environment the golden text is written anew.

use std::fs;
use std::path::PathBuf;

use application::{Application, Text};
use format::exchange::{
    FileNames, ReadError, Taken, insert, print_axt, print_ini, read_axt, read_file_names, read_ini,
    read_reg, write_reg,
};
use format::{parse_application, print_application};
use proptest::prelude::*;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/exchange")
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap_or_default()
}

/// An application with nothing but what was taken over.
fn application(taken: &Taken) -> Application {
    let bare = "application: Taken\nid: 01890a5d-ac96-774b-bcce-b302099a8057\n";
    Application {
        source: taken.source.clone(),
        target: taken.target.clone(),
        macros: taken.macros.clone(),
        items: taken.items.clone(),
        ..parse_application(bare).application.expect("it is right")
    }
}

fn told(taken: &Taken) -> String {
    let text = print_application(&application(taken));
    let parsed = parse_application(&text);
    assert_eq!(parsed.application, Some(application(taken)), "{text}\n{:?}", parsed.problems);
    let mut told = format!("{:?}\n{text}\n", taken.name);
    for remark in &taken.remarks {
        told.push_str(&format!("{}: {}\n", remark.line, remark.what));
        for line in &remark.lines {
            told.push_str(&format!("  | {line}\n"));
        }
    }
    told
}

fn check(name: &str, told: &str) {
    let expect = folder().join(format!("{name}.expect"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&expect, told).expect("the folder can be written");
    }
    assert_eq!(told, fs::read_to_string(&expect).unwrap_or_default(), "{name}");
}

fn viewer() -> Taken {
    let names = read_file_names(&bytes("filedef.txt")).expect("it is text");
    read_axt(&bytes("viewer.axt"), &names).expect("it is a template")
}

#[test]
fn a_template_is_taken_over() {
    check("viewer.axt", &told(&viewer()));
}

#[test]
fn registry_files_are_taken_over() {
    for name in ["types.reg", "old.reg", "plain.reg"] {
        check(name, &told(&read_reg(&bytes(name)).expect("it is right")));
    }
}

#[test]
fn ini_files_are_taken_over_and_written() {
    let taken = read_ini(&bytes("app.ini"), Text::new("%DATA%/app.ini")).expect("text");
    check("app.ini", &told(&taken));
    check("app.ini.written", &print_ini(&taken.items.ini[0]));
}

/// `regedit` writes the same bytes of what it reads of this file.
#[test]
fn what_regedit_wrote_is_written_as_it_was() {
    let canonical = "Windows Registry Editor Version 5.00\r\n\r\n\
        [HKEY_LOCAL_MACHINE\\Software\\Maker]\r\n@=\"x\"\r\n\"Path\"=\"C:\\\\100%\"\r\n\
        \"N\"=dword:0000001f\r\n\"Gone\"=-\r\n\"E\"=hex(2):25,00,41,00,25,00,00,00\r\n\r\n\
        [-HKEY_LOCAL_MACHINE\\Software\\Maker\\Cache]\r\n";
    let marked = ["\u{feff}", canonical].concat();
    let bytes: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (written, remarks) = write_reg(&application(&read_reg(&bytes).expect("it is right")));
    assert_eq!(remarks, []);
    assert_eq!(String::from_utf16_lossy(&units(&written)), marked);
}

fn units(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect()
}

#[test]
fn what_a_registry_file_cannot_say_is_told() {
    let source = r"
application: A
id: 01890a5d-ac96-774b-bcce-b302099a8057
registry:
  - { key: HKLM\Software\A, rule: create_if_absent }
  - { key: '%ROOT%\A', values: [{ name: a, dword: 1 }] }
  - key: HKLM\Software\A
    view: 32
    values: [{ name: '%X%', dword: 1 }, { name: b, text: '5 %% x' }]
";
    let application = parse_application(source).application.expect("it is right");
    let (written, remarks) = write_reg(&application);
    let lines: Vec<usize> = remarks.iter().map(|remark| remark.line).collect();
    assert_eq!(lines, [1, 2, 3, 3, 4], "{remarks:?}");
    let text = String::from_utf16_lossy(&units(&written));
    assert!(text.contains("\"b\"=\"5 % x\"") && text.contains("\"%X%\"=dword"), "{text}");
}

#[test]
fn a_template_that_was_written_is_read_as_the_same() {
    let reg = read_reg(&bytes("types.reg")).expect("it is right");
    let (text, remarks) = print_axt(&application(&reg));
    assert_eq!(remarks.len(), 13, "{remarks:?}");
    let again = read_axt(text.as_bytes(), &FileNames::new()).expect("it is a template");
    assert_eq!(again.remarks, []);
    assert_eq!(again.name.as_deref(), Some("Taken"));
    let kept: Vec<_> =
        reg.items.registry.iter().filter(|item| again.items.registry.contains(item)).collect();
    assert_eq!(kept.len(), again.items.registry.len());
    assert_eq!(kept.len(), 4);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let axt = |bytes: &[u8]| read_axt(bytes, &FileNames::new()).map(|_| ());
    assert_eq!(axt(b"AOT\0\x01\x02"), Err(ReadError::Binary));
    assert_eq!(axt(b"nothing of the kind"), Err(ReadError::NoAxt));
    assert_eq!(read_reg(b"\0\x01").map(|_| ()), Err(ReadError::NoText));
    let Err(ReadError::Registry(problems)) = read_reg(b"REGEDIT4\n[HKXX\\a]\n\"a\"=1\n") else {
        panic!("it is no registry file");
    };
    assert_eq!(problems.len(), 2);
}

#[test]
fn items_are_put_into_a_file_and_the_rest_stays() {
    let source = "\
# ours
application: Viewer
id: 01890a5d-ac96-774b-bcce-b302099a8057
registry: # settings
    # the first
    - { key: 'HKLM\\Software\\Ours' } # with a remark

# then files
files:
- { create_folder: /x }
";
    let text = insert(source, &viewer()).expect("it is right");
    for line in source.lines() {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    let application = parse_application(&text).application.expect("it is right");
    assert_eq!(application.items.registry.len(), 1 + viewer().items.registry.len());
    assert_eq!(application.items.files.len(), 1 + viewer().items.files.len());
    assert_eq!(application.items.ini, viewer().items.ini);
    let flow = "application: A\nid: 01890a5d-ac96-774b-bcce-b302099a8057\nregistry: []\n";
    assert!(insert(flow, &viewer()).is_err());
    assert!(insert("application: A\n", &viewer()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_reg(&bytes);
        let _ = read_ini(&bytes, Text::new("x"));
        let _ = read_axt(&bytes, &FileNames::new());
        let _ = read_file_names(&bytes);
    }

    /// Whatever is taken over can be written as an application's file, and no line is lost: it is
    /// an item, or a remark tells it.
    #[test]
    fn changed_templates_are_taken_over(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0usize..9, prop::sample::select(vec![
                "", "[", "]", "=", "\r\n\r\n", "x", "%", "[Registry Value Create]\n",
                "Flag=Append\n",
            ])), 1..6),
    ) {
        let text = String::from_utf8_lossy(&bytes("viewer.axt")).into_owned();
        let mut letters: Vec<char> = text.chars().collect();
        for (at, gone, piece) in changes {
            let at = at.index(letters.len());
            let end = (at + gone).min(letters.len());
            letters.splice(at..end, piece.chars());
        }
        let text: String = letters.into_iter().collect();
        if let Ok(taken) = read_axt(text.as_bytes(), &FileNames::new()) {
            let printed = print_application(&application(&taken));
            let parsed = parse_application(&printed);
            let problems = parsed.problems.iter();
            let errors: Vec<String> = problems.map(|found| found.render("f")).collect();
            let is_macro = errors.iter().all(|error| error.contains("DH-X004"));
            prop_assert!(!parsed.has_errors() || is_macro, "{printed}\n{errors:?}");
        }
    }

    #[test]
    fn registry_files_come_back(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0usize..5, prop::sample::select(vec![
                "", "1", "\"", "\\\\", ",", "%", "[HKCU\\A]\n", "\"z\"=dword:1\n",
                "\"z\"=-\n", "é",
            ])), 0..5),
    ) {
        let text = String::from_utf16_lossy(&units(&bytes("types.reg")));
        let mut letters: Vec<char> = text.chars().skip(1).collect();
        for (at, gone, piece) in changes {
            let at = at.index(letters.len());
            let end = (at + gone).min(letters.len());
            letters.splice(at..end, piece.chars());
        }
        let text: String = letters.into_iter().collect();
        if let Ok(taken) = read_reg(text.as_bytes()) {
            let (once, remarks) = write_reg(&application(&taken));
            prop_assert_eq!(remarks, []);
            let again = read_reg(&once).map(|taken| write_reg(&application(&taken)).0);
            prop_assert_eq!(again, Ok(once));
        }
    }
}
