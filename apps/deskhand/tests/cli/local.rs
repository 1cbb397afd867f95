//! `deskhand run` and `deskhand simulate`: workflows without a server.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::{came, checkout, command, deskhand};

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A workflow of these activities that begins with `a`, with a variable `word`.
    fn workflow(&self, activities: &str) -> String {
        let path = self.at("w.yaml");
        let head = "workflow: W\nstart: a\nvariables: { word: first }\nactivities:\n";
        fs::write(&path, format!("{head}{activities}  done: {{ success: {{}} }}\n")).unwrap();
        path
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn success_is_0_and_tells_path_and_outputs() {
    let files = Files::new();
    let workflow = files.workflow(
        "  a: { create_folders: { folders: /x/y }, on: { ok: b, error: f } }\n  \
         b: { execute: { command: 'printf \"%s\" {{ word | sh }}' }, on: { ok: done, error: f } }\n  \
         f: { failure: {} }\n",
    );
    let root = files.at("root");
    let came = deskhand(["run", &workflow, "--root", &root, "--var", "word=se cond", "--json"]);
    assert_eq!(came.code, Some(0), "{}", came.err);
    let result = json(&came.out);
    assert_eq!(result["outcome"], "success");
    assert_eq!(result["reason"], Value::Null);
    assert_eq!(result["unhandled"], Value::Array(Vec::new()));
    let path = result["path"].as_array().unwrap();
    let steps: Vec<_> = path.iter().map(|step| (&step["activity"], &step["event"])).collect();
    let expect = [("a", "ok"), ("b", "ok"), ("done", "ok")];
    assert_eq!(steps.len(), expect.len(), "{result:#}");
    for ((activity, event), (name, word)) in steps.into_iter().zip(expect) {
        assert_eq!((activity, event), (&name.into(), &word.into()));
    }
    assert!(path.iter().all(|step| step["begin"].as_i64() <= step["end"].as_i64()));
    assert_eq!(result["outputs"]["b"]["stdout"], "se cond");
    assert!(PathBuf::from(root).join("x/y").is_dir());
    assert!(came.err.contains("a: ok"), "{}", came.err);
}

#[test]
fn failure_is_1_with_the_reason() {
    let files = Files::new();
    let workflow = files.workflow(
        "  a: { execute: { command: exit 3 }, on: { exit 3: f, ok: done, error: done } }\n  \
         f: { failure: { message: 'ended with {{ activities.a.exit_code }}' } }\n",
    );
    let came = deskhand(["run", &workflow]);
    assert_eq!(came.code, Some(1));
    assert!(came.out.ends_with("failure: ended with 3\n"), "{}", came.out);
    assert!(came.out.contains("exit 3"), "{}", came.out);
}

#[test]
fn wrong_variables_are_2_and_wrong_files_1() {
    let files = Files::new();
    let workflow = files.workflow("  a: { jump: { to: done } }\n");
    let came = deskhand(["run", &workflow, "--var", "wrod=x"]);
    assert_eq!(came.code, Some(2));
    assert!(came.err.contains("`wrod`") && came.err.contains("its variables: word"));
    let workflow = files.workflow("  a: { jump: { to: nowhere } }\n");
    let came = deskhand(["run", &workflow, "--json"]);
    assert_eq!((came.code, came.out.as_str()), (Some(1), ""));
    assert!(came.err.contains("DH-W001"), "{}", came.err);
}

#[test]
fn a_run_without_a_server_says_how_an_application_is_distributed() {
    let files = Files::new();
    let workflow = files.workflow(
        "  a: { application: { application: Viewer, do: verify }, on: { ok: done, error: b } }\n  \
         b: { failure: {} }\n",
    );
    let came = deskhand(["run", &workflow, "--root", &files.at("root")]);
    assert_eq!(came.code, Some(1));
    assert!(came.out.contains("`deskhand app apply FILE`"), "{}", came.out);
}

#[cfg(unix)]
#[test]
fn an_aborted_run_is_3_and_leaves_nothing_running() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let files = Files::new();
    let workflow = files.workflow(
        "  a: { execute: { command: 'echo $$; exec sleep 600', log: all }, \
         on: { ok: done, error: done } }\n",
    );
    let mut command = command(["run", &workflow, "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let sleeper = lines.find_map(|line| {
        let line = line.unwrap();
        line.split_once("a | ").map(|(_, id)| id.trim().to_owned())
    });
    let asked = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(asked.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(json(&String::from_utf8(output.stdout).unwrap())["outcome"], "aborted");
    let state = fs::read_to_string(format!("/proc/{}/stat", sleeper.unwrap()));
    assert!(state.is_err() || state.unwrap().contains(") Z "), "the command still runs");
}

#[test]
fn simulations_are_the_same_for_the_same_seed() {
    let file = checkout().join("examples/install-with-retry.yaml");
    let file = file.to_str().unwrap();
    let told = |seed: &str| {
        let words = ["simulate", file, "--fleet", "20", "--seed", seed, "--faults", "heavy"];
        let came = deskhand(words.into_iter().chain(["--json", "--events"]));
        assert_eq!(came.code, Some(0), "{}", came.err);
        came.out
    };
    let first = told("7");
    assert_eq!(first, told("7"));
    assert_ne!(first, told("8"));
    let first = json(&first);
    let ended: u64 =
        first["outcomes"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(ended + first["unfinished"].as_u64().unwrap(), 20);
    assert_eq!(first["runs"].as_array().unwrap().len(), 20);
    assert!(!first["events"].as_array().unwrap().is_empty());

    let came = deskhand(["simulate", file, "--fleet", "20", "--seed", "7"]);
    for word in ["OUTCOME", "success", "FROM", "upload"] {
        assert!(came.out.contains(word), "{word} in {}", came.out);
    }
}

#[test]
fn broken_workflows_are_not_simulated() {
    let files = Files::new();
    let workflow = files.workflow("  a: { jump: { to: nowhere } }\n");
    let came = came(command(["simulate", &workflow]));
    assert_eq!((came.code, came.out.as_str()), (Some(1), ""));
    assert_eq!(deskhand(["simulate", &workflow, "--faults", "some"]).code, Some(2));
    assert_eq!(deskhand(["simulate", &workflow, "--fleet", "0"]).code, Some(2));
}
