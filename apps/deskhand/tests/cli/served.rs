//! Commands that ask a server, against a real one; some with a real agent.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::{Came, came, command};

/// A running server in a folder of its own, with its agents; all are ended when it is dropped.
struct Served {
    folder: tempfile::TempDir,
    server: Child,
    agents: Vec<Child>,
}

/// Where the agent program is: it is built before tests are run.
fn agent_program() -> PathBuf {
    let folder = std::env::var_os("DESKHAND_BIN_DIR").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_BIN_EXE_deskhand")).parent().unwrap().to_owned();
    let name = format!("deskhand-agent{}", std::env::consts::EXE_SUFFIX);
    let path = folder.unwrap_or_else(beside).join(name);
    assert!(path.is_file(), "build it first: cargo build -p deskhand-agent");
    path
}

impl Served {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut run = command(["server", "run", "--name", "tested"]);
        run.args(["--agent-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0", "--data"]);
        let mut server =
            run.arg(folder.path().join("data")).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let said = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("started on")));
        assert!(said.is_some(), "the server ended");
        // It goes on logging, and must not wait for a reader.
        thread::spawn(move || lines.for_each(drop));
        Self { folder, server, agents: Vec::new() }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn ask(&self, args: &[&str]) -> Came {
        let mut command = command(args);
        command.env("DESKHAND_DATA", self.data());
        came(command)
    }

    /// What a command prints that succeeds.
    fn done(&self, args: &[&str]) -> String {
        let came = self.ask(args);
        assert_eq!(came.code, Some(0), "{args:?}: {}", came.err);
        came.out
    }

    fn json(&self, args: &[&str]) -> Value {
        let out = self.done(&[args, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}: {out}"))
    }

    fn agent(&mut self, name: &str) {
        let token = self.done(&["token", "create"]);
        let at = |what: &str| self.folder.path().join(name).join(what);
        let mut enroll = Command::new(agent_program());
        enroll.args(["enroll", "--name", name, "--token", token.trim(), "--state"]);
        let enrolled = enroll.arg(at("state")).output().unwrap();
        assert!(enrolled.status.success(), "{}", String::from_utf8_lossy(&enrolled.stderr));
        let mut run = Command::new(agent_program());
        run.arg("run").arg("--state").arg(at("state")).arg("--root").arg(at("root"));
        let run = run.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.agents.push(run);
    }

    fn workflow(&self, name: &str, activities: &str) -> String {
        let path = self.folder.path().join(format!("{name}.yaml"));
        let head = format!("workflow: {name}\nstart: a\nactivities:\n");
        let tail = "  done: { success: {} }\n  failed: { failure: { message: no luck } }\n";
        fs::write(&path, format!("{head}{activities}{tail}")).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        for child in self.agents.iter_mut().chain([&mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn listings_begin_empty_and_take_json() {
    let served = Served::new();
    for what in ["token", "agent", "computer", "group", "workflow", "deployment"] {
        let came = served.ask(&[what, "list"]);
        assert_eq!((came.code, came.out.as_str()), (Some(0), ""), "{what}");
        assert!(came.err.contains("deskhand "), "{what} says what to do: {}", came.err);
        assert_eq!(served.json(&[what, "list"]), Value::Array(Vec::new()), "{what}");
    }
    assert!(served.json(&["events"]).as_array().is_some_and(|events| !events.is_empty()));
    assert_eq!(served.json(&["server", "status"])["name"], "tested");
    let set = served.json(&["server", "set", "--max-targets", "7"]);
    assert_eq!(set["max_targets"], 7);
}

#[test]
fn the_token_lets_one_in_and_nothing_else_does() {
    let served = Served::new();
    let runtime: Value =
        serde_json::from_slice(&fs::read(served.data().join("server.json")).unwrap()).unwrap();
    let address = runtime["api"].as_str().unwrap();
    let token = served.data().join("admin.token");
    let ask = |name: &str, value: &str| {
        let mut command = command(["computer", "list", "--server", address]);
        came_of(command.env(name, value))
    };
    assert_eq!(ask("DESKHAND_TOKEN_FILE", token.to_str().unwrap()).code, Some(0));
    assert_eq!(ask("DESKHAND_TOKEN", &fs::read_to_string(&token).unwrap()).code, Some(0));
    let wrong = ask("DESKHAND_TOKEN", "wrong");
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(1), ""));
    assert!(wrong.err.starts_with("error[DH-C006]"), "{}", wrong.err);
    let missing = ask("DESKHAND_TOKEN_FILE", "no-such-file");
    assert!(missing.err.starts_with("error[DH-C002]"), "{}", missing.err);
}

fn came_of(command: &mut Command) -> Came {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Came { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn computers_and_groups_are_kept() {
    let served = Served::new();
    served.done(&["group", "add", "offices"]);
    served.done(&["group", "add", "north", "--group", "offices"]);
    served.done(&["computer", "add", "pc-1", "--group", "north", "--fact", "room=12"]);
    served.done(&["computer", "add", "pc-2"]);
    let tree = served.done(&["group", "show", "offices"]);
    assert_eq!(tree, "offices/ (0)\n  north/ (1)\n    pc-1\n");
    assert!(served.done(&["computer", "list", "--group", "offices"]).contains("pc-1  "));
    assert_eq!(served.json(&["computer", "show", "pc-1"])["facts"]["room"], "12");
    served.done(&["group", "add-member", "north", "pc-2"]);
    served.done(&["group", "remove-member", "north", "pc-1"]);
    served.done(&["computer", "set", "pc-1", "--rename", "front-desk"]);
    let came = served.ask(&["group", "remove-member", "north", "front-desk"]);
    assert!(came.code == Some(1) && came.err.contains("DH-C013"), "{}", came.err);
    served.done(&["group", "remove", "offices"]);
    assert_eq!(served.done(&["group", "show", "north"]), "north/ (1)\n  pc-2\n");
    served.done(&["computer", "remove", "pc-2"]);
    let came = served.ask(&["computer", "show", "pc-2"]);
    assert_eq!((came.code, came.out.as_str()), (Some(1), ""));
    assert!(came.err.contains("there is no computer `pc-2`"), "{}", came.err);
}

#[test]
fn workflows_are_kept_as_they_were_written() {
    let served = Served::new();
    let file = served.workflow("Kept", "  a: { jump: { to: done } }\n");
    let broken = served.workflow("Broken", "  a: { jump: { to: nowhere } }\n");
    let came = served.ask(&["workflow", "apply", &file, &broken]);
    assert_eq!(came.code, Some(1));
    assert!(came.err.contains("Broken.yaml:4:20: error[DH-W001]"), "{}", came.err);
    assert_eq!(served.json(&["workflow", "list"]), Value::Array(Vec::new()), "all or none");
    // The unreachable `failed` is a warning only.
    served.done(&["workflow", "apply", &file]);
    assert_eq!(served.done(&["workflow", "export", "Kept"]), fs::read_to_string(&file).unwrap());
    assert!(served.done(&["workflow", "show", "Kept"]).contains("-> done"));
    assert!(served.done(&["workflow", "list"]).contains("Kept"));
}

#[test]
fn tokens_are_shown_once_and_revoked() {
    let served = Served::new();
    let made = served.json(&["token", "create", "--uses", "3", "--valid", "2h", "--note", "lab"]);
    let text = made["text"].as_str().unwrap();
    assert!(text.starts_with("dh1."));
    let listed = served.done(&["token", "list"]);
    assert!(listed.contains("lab") && !listed.contains(text), "{listed}");
    served.done(&["token", "revoke", made["token"]["id"].as_str().unwrap()]);
    assert!(served.done(&["token", "list"]).contains("revoked"));
}

#[test]
fn deploying_to_nobody_says_what_to_do() {
    let served = Served::new();
    let file = served.workflow("Any", "  a: { empty: {}, on: { ok: [done, failed] } }\n");
    let came = served.ask(&["deploy", &file, "--to", "everybody"]);
    assert_eq!((came.code, came.out.as_str()), (Some(1), ""));
    assert!(came.err.contains("deskhand token create"), "{}", came.err);
    let came = served.ask(&["deploy", "No such workflow", "--to", "everybody"]);
    assert!(came.err.contains("there is no workflow `No such workflow`"), "{}", came.err);
}

#[test]
fn a_second_server_keeps_out_of_the_folder() {
    let served = Served::new();
    let mut second = command(["server", "run", "--agent-listen", "127.0.0.1:0"]);
    second.args(["--api-listen", "127.0.0.1:0", "--data"]).arg(served.data());
    let came = came(second);
    assert_eq!(came.code, Some(1));
    assert!(came.err.contains("another deskhand server uses"), "{}", came.err);
}

#[cfg(unix)]
#[test]
fn sigterm_stops_the_server_cleanly() {
    let mut served = Served::new();
    let id = served.server.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(served.server.wait().unwrap().code(), Some(0));
    assert!(!served.data().join("server.json").exists());
    let came = served.ask(&["computer", "list"]);
    assert!(came.err.starts_with("error[DH-C001]"), "{}", came.err);
}

#[test]
fn a_deployment_is_followed_shown_logged_and_tried_again() {
    let mut served = Served::new();
    served.agent("pc-1");
    let file = served.workflow(
        "Once more",
        "  a: { execute: { command: 'echo to $DESKHAND_ROOT; test -e here', folder: /, log: all }, \
         on: { ok: done, error: failed } }\n",
    );
    let came = served.ask(&["deploy", &file, "--to", "everybody", "--follow", "--json"]);
    assert_eq!(came.code, Some(1), "{}", came.err);
    let result: Value = serde_json::from_str(&came.out).unwrap();
    assert_eq!(result["targets"], 1);
    assert_eq!((&result["succeeded"], &result["failed"]), (&0.into(), &1.into()));
    assert_eq!(result["runs"][0]["computer"], "pc-1");
    assert_eq!(result["runs"][0]["outcome"], "failure");
    assert_eq!(result["runs"][0]["reason"], "no luck");
    assert_eq!(result["runs"][0]["path"][0]["event"], "error");
    assert_eq!(result["runs"][0]["path"][1]["activity"], "failed");
    let id = result["deployment"].as_str().unwrap();

    let shown = served.done(&["deployment", "show", &id[..13], "--computer", "pc-1"]);
    assert!(shown.contains("1 target: 1 failure") && shown.contains("no luck"), "{shown}");
    assert!(shown.contains("a         error"), "{shown}");
    let log = served.done(&["deployment", "log", "last"]);
    assert!(log.starts_with("a | to /") && log.contains("root"), "{log}");
    let came = served.ask(&["deployment", "show", id, "--computer", "pc-9"]);
    assert!(came.code == Some(1) && came.err.contains("pc-9"), "{}", came.err);

    fs::write(served.folder.path().join("pc-1/root/here"), "").unwrap();
    let came = served.ask(&["deployment", "retry", "last", "--which", "not_begun", "--follow"]);
    assert_eq!(came.code, Some(1), "nobody has not begun: {}", came.err);
    let came = served.ask(&["deployment", "retry", "last", "--which", "failed", "--follow"]);
    assert_eq!(came.code, Some(0), "{}", came.err);
    assert!(came.out.contains("pc-1      success"), "{}", came.out);
    assert!(came.err.contains("1 target: 1 success"), "{}", came.err);
    let all = served.json(&["deployment", "list"]);
    assert_eq!(all.as_array().unwrap().len(), 2);
}

#[test]
fn orders_reach_a_run() {
    let mut served = Served::new();
    served.agent("pc-1");
    let file = served.workflow(
        "Long",
        "  a: { execute: { command: sleep 600 }, on: { ok: done, error: failed } }\n",
    );
    let later = served.done(&["deploy", &file, "--computer", "pc-1", "--start", "+1d"]);
    let shown = served.done(&["deployment", "show", later.trim()]);
    assert!(shown.contains("pending") && shown.contains("next try in 23 h"), "{shown}");
    served.done(&["deployment", "abort", later.trim()]);
    assert!(served.done(&["deployment", "show", later.trim()]).contains("not begun"));

    let id = served.done(&["deploy", &file, "--computer", "pc-1"]);
    served.done(&["deployment", "suspend", id.trim()]);
    assert_eq!(served.json(&["deployment", "show", "last"])["deployment"]["status"], "suspended");
    served.done(&["deployment", "resume", "last"]);
    served.done(&["deployment", "abort", "last"]);
    let came = served.ask(&["deployment", "show", "last", "--follow", "--json"]);
    assert_eq!(came.code, Some(1), "{}", came.err);
    let result: Value = serde_json::from_str(&came.out).unwrap();
    assert_eq!((&result["other"], &result["succeeded"]), (&1.into(), &0.into()), "{result:#}");
}

#[test]
fn the_demonstration_shows_all_of_it_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = command(["demo", "--agents", "3", "--json"]);
    demo.env("TMPDIR", temporary.path()).env("DESKHAND_AGENT", agent_program());
    let came = came(demo);
    assert_eq!(came.code, Some(0), "{}", came.err);
    let result: Value = serde_json::from_str(&came.out).unwrap();
    assert_eq!((&result["targets"], &result["succeeded"]), (&3.into(), &3.into()));
    assert!(result["seconds"].as_f64().unwrap() > 0.0);
    assert!(came.err.contains("pc-1.txt  pc-2.txt  pc-3.txt"), "{}", came.err);
    assert!(came.err.contains("computer: pc-1"), "{}", came.err);
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "something was left");
}

#[test]
fn a_demonstration_without_agents_says_why_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    for (program, code) in [("no-such-program", "DH-C015"), ("/bin/false", "DH-C016")] {
        let mut demo = command(["demo"]);
        demo.env("TMPDIR", temporary.path()).env("DESKHAND_AGENT", program);
        let came = came(demo);
        assert_eq!((came.code, came.out.as_str()), (Some(1), ""));
        assert!(came.err.contains(code) && came.err.contains("hint"), "{}", came.err);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }
}
