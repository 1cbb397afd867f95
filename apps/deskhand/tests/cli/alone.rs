//! Commands that need no server.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::{came, checkout, command, deskhand};

const BROKEN: &str = "workflow: Broken\nstart: a\nactivities:\n  a: { empty: {}, on: { ok: b } }\n";

#[test]
fn without_anything_it_says_what_can_be_done() {
    let came = deskhand::<&str>([]);
    assert_eq!((came.code, came.err.as_str()), (Some(0), ""));
    for word in ["deskhand demo", "deskhand run", "deskhand server run", "--help"] {
        assert!(came.out.contains(word), "{word} in {}", came.out);
    }
}

#[test]
fn wrong_usage_is_exit_code_2_on_standard_error() {
    for args in [
        &["nonsense"][..],
        &["deploy"],
        &["deploy", "x"],
        &["deploy", "x", "--to", "everybody", "--start", "tomorrow"],
        &["deploy", "x", "--to", "everybody", "--var", "novalue"],
        &["token", "create", "--uses", "0"],
        &["token", "create", "--valid", "soon"],
        &["server", "set"],
        &["workflow", "check"],
        &["explain", "nonsense"],
    ] {
        let came = deskhand(args);
        assert_eq!((came.code, came.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(came.err.starts_with("error"), "{args:?}: {}", came.err);
    }
}

#[test]
fn help_documents_the_exit_codes() {
    let came = deskhand(["--help"]);
    assert_eq!(came.code, Some(0));
    assert!(came.out.contains("Exit codes:") && came.out.contains("3  `run`: the workflow was"));
}

#[test]
fn every_command_has_help() {
    let mut waiting = vec![Vec::<String>::new()];
    while let Some(path) = waiting.pop() {
        let came = deskhand(path.iter().map(String::as_str).chain(["--help"]));
        assert_eq!(came.code, Some(0), "{path:?}");
        let commands = came.out.split_once("Commands:").map_or("", |(_, rest)| rest);
        let commands = commands.split("\n\n").next().unwrap();
        for line in commands.lines().filter(|line| line.starts_with("  ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            // Longer explanations go on further to the right.
            if !line.starts_with("   ") {
                assert!(words.len() > 1, "{path:?}: `{}` says nothing of itself", words[0]);
                waiting.push(path.iter().cloned().chain([words[0].to_owned()]).collect());
            }
        }
    }
}

#[test]
fn a_broken_workflow_is_shown_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.yaml");
    fs::write(&file, BROKEN).unwrap();
    let came = deskhand(["workflow", "check", file.to_str().unwrap()]);
    assert_eq!(came.code, Some(1));
    let place = format!("{}:4:29: error[DH-W001]", file.display());
    assert!(came.out.starts_with(&place), "{}", came.out);
    assert!(came.out.contains("  4 |   a: { empty: {}, on: { ok: b } }\n"), "{}", came.out);
    let caret = came.out.lines().find(|line| line.trim_end().ends_with('^')).unwrap();
    assert_eq!(caret.trim_end().len(), "  4 | ".len() + 29);
    assert!(came.err.contains("1 error"), "{}", came.err);

    let came = deskhand(["workflow", "check", "--json", file.to_str().unwrap()]);
    assert_eq!(came.code, Some(1));
    let all: Value = serde_json::from_str(&came.out).unwrap();
    let finding = &all[0]["findings"][0];
    assert_eq!(finding["code"], "DH-W001");
    assert_eq!((finding["line"].as_u64(), finding["column"].as_u64()), (Some(4), Some(29)));
    assert_eq!(finding["severity"], "error");
}

#[test]
fn workflows_come_through_standard_input() {
    let mut command = command(["workflow", "check", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(BROKEN.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("stdin:4:29: error"));
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let came = deskhand(["workflow", "check", "no-such-file.yaml"]);
    assert_eq!((came.code, came.out.as_str()), (Some(1), ""));
    assert!(came.err.contains("cannot read no-such-file.yaml"), "{}", came.err);
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("notepad.yaml");
    std::fs::write(&binary, b"workflow: x\n\xff\xfe").unwrap();
    let wrong = folder.path().join("wrong.yaml");
    std::fs::write(&wrong, "workflow: x\n").unwrap();
    let came = deskhand([
        "workflow".as_ref(),
        "check".as_ref(),
        binary.as_os_str(),
        "no-such-file.yaml".as_ref(),
        wrong.as_os_str(),
    ]);
    assert_eq!(came.code, Some(1));
    assert!(came.err.contains("notepad.yaml:2: this is not UTF-8 text"), "{}", came.err);
    assert!(came.err.contains("cannot read no-such-file.yaml"), "{}", came.err);
    assert!(came.out.contains("wrong.yaml:1:1: error[DH-F007]"), "{}", came.out);
}

#[test]
fn every_example_is_free_of_findings() {
    let examples = checkout().join("examples");
    let files = fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.push(examples.join("demo/workflow.yaml"));
    files.push(examples.join("mass-deploy/workflow.yaml"));
    assert!(files.len() >= 5);
    let words = ["workflow", "check"].map(std::path::PathBuf::from);
    let came = deskhand(words.iter().chain(&files));
    assert_eq!((came.code, came.out.as_str()), (Some(0), ""), "{}", came.err);
}

#[test]
fn the_schema_is_json() {
    let came = deskhand(["workflow", "schema"]);
    let schema: Value = serde_json::from_str(&came.out).unwrap();
    assert_eq!(schema["title"], "Deskhand workflow");
}

#[test]
fn keys_are_made_shown_and_installed_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let generate = ["keys", "generate", "--identity", "Example Corp", "--out", &at("keys")];
    let made = deskhand(generate);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let fingerprint = made.out.trim();
    assert_eq!(fingerprint.len(), 79);
    for (name, kind) in [("keypriv.key", "private"), ("keypub.key", "public")] {
        let came = deskhand(["keys", "show", &at(&format!("keys/{name}")), "--json"]);
        let shown: Value = serde_json::from_str(&came.out).unwrap();
        assert_eq!((&shown["kind"], &shown["identity"]), (&kind.into(), &"Example Corp".into()));
        assert_eq!(shown["fingerprint"], fingerprint);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(at("keys/keypriv.key")).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
    }
    assert!(!made.out.contains("BEGIN") && !made.err.contains("BEGIN"));

    let again = deskhand(generate);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("DH-C012") && again.err.contains("hint"), "{}", again.err);

    let data = at("data");
    let public = deskhand(["keys", "install", &at("keys/keypub.key"), "--data", &data]);
    assert!(public.code == Some(1) && public.err.contains("DH-C011"), "{}", public.err);
    let install = ["keys", "install", &at("keys/keypriv.key"), "--data", &data];
    assert_eq!(deskhand(install).code, Some(0));
    let kept = fs::read_to_string(at("data/keypriv.key")).unwrap();
    assert_eq!(kept, fs::read_to_string(at("keys/keypriv.key")).unwrap());
    assert_eq!(deskhand(install).code, Some(1));
}

#[test]
fn an_identity_must_be_one() {
    let came = deskhand(["keys", "generate", "--identity", "  "]);
    assert_eq!(came.code, Some(2));
    assert!(came.err.contains("Example Corp"), "{}", came.err);
}

#[test]
fn codes_are_explained_however_they_are_written() {
    let page = fs::read_to_string(checkout().join("docs/errors/DH-W001.md")).unwrap();
    for code in ["DH-W001", "dh-w001", "W001"] {
        assert_eq!(deskhand(["explain", code]).out, page);
    }
    let all = deskhand(["explain"]).out;
    let known = format::code::ALL.iter().chain(&workflow::code::ALL);
    known.for_each(|code| assert!(all.contains(code), "{code} has no page"));
}

#[test]
fn completions_are_made_for_shells() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let came = deskhand(["completions", shell]);
        assert!(came.code == Some(0) && came.out.contains("deployment"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut command = command(["workflow", "schema"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn without_a_server_the_way_to_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let came = came(command(["computer", "list", "--data", data]));
    assert_eq!((came.code, came.out.as_str()), (Some(1), ""));
    assert!(came.err.starts_with("error[DH-C001]: no server"), "{}", came.err);
    assert!(came.err.contains("deskhand server run"), "{}", came.err);
}
