//! Every activity of the target, through the local runner.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use model::Outcome;

use crate::local::{LocalResult, LocalRun, Progress, run};

struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    /// A path as a workflow names it, where it really is.
    fn path(&self, path: &str) -> std::path::PathBuf {
        let below = if cfg!(windows) { format!("C/{path}") } else { path.to_owned() };
        self.root.path().join(below)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into()).collect();
        names.sort();
        names
    }

    /// Runs activities one after the other, written as `kind: {…}` each; `@/` stands for the root.
    fn carry_out(&self, activities: &[&str]) -> LocalResult {
        let mut text =
            String::from("workflow: test\nstart: a0\nvariables: { where: x }\nactivities:\n");
        let at = if cfg!(windows) { "C:/" } else { "/" };
        for (number, activity) in activities.iter().enumerate() {
            let activity = activity.replace("@/", at);
            let next = number + 1;
            text.push_str(&format!("  a{number}: {{ {activity}, on: {{ ok: a{next} }} }}\n"));
        }
        text.push_str(&format!("  a{}: {{ success: {{}} }}\n", activities.len()));
        self.run(&text, std::future::pending())
    }

    fn run(&self, text: &str, abort: impl Future<Output = ()>) -> LocalResult {
        let parsed = format::parse_workflow(text);
        assert!(parsed.workflow.is_some(), "{:?}\n{text}", parsed.problems);
        let root = Some(self.root.path().to_owned());
        let what = LocalRun { workflow: parsed.workflow.unwrap(), variables: [].into(), root };
        runtime().block_on(run(what, abort, |_| {})).unwrap()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn output<'a>(result: &'a LocalResult, activity: &str, name: &str) -> &'a str {
    &result.outputs[&activity.parse().unwrap()][name]
}

fn assert_success(result: &LocalResult) {
    assert_eq!((result.outcome, result.reason.as_deref()), (Outcome::Success, None));
}

#[test]
fn files_are_copied_moved_renamed_and_deleted() {
    let machine = Machine::new();
    machine.write("in/one.txt", "1");
    machine.write("in/two.log", "2");
    machine.write("in/deep/three.txt", "3");
    let result = machine.carry_out(&[
        "create_folders: { folders: '@/out/a; @/out/b' }",
        "copy: { from: @/in, to: @/out/a, filter: '*.txt', recursive: true }",
        "move: { from: @/in, to: @/out/b, filter: two.* }",
        "rename: { current: @/out/b/two.log, new: 'zwei.{{ where }}' }",
        "delete_files: { folder: @/out/a, filter: '*.txt', recursive: true }",
        "delete_folders: { folders: [@/out/a], recursive: true }",
    ]);
    assert_success(&result);
    for (activity, name, expect) in
        [("a1", "files", "2"), ("a1", "skipped", "0"), ("a2", "files", "1"), ("a4", "files", "2")]
    {
        assert_eq!(output(&result, activity, name), expect, "{activity}.{name}");
    }
    assert_eq!(machine.names("in"), ["deep", "one.txt"]);
    assert_eq!(machine.names("out"), ["b"]);
    assert_eq!(machine.names("out/b"), ["zwei.x"]);
}

#[test]
fn what_is_there_is_skipped_and_no_file_is_an_event() {
    let machine = Machine::new();
    machine.write("in/one.txt", "new");
    machine.write("out/one.txt", "old");
    let result = machine.carry_out(&["copy: { from: @/in, to: @/out }"]);
    assert_success(&result);
    assert_eq!((output(&result, "a0", "files"), output(&result, "a0", "skipped")), ("0", "1"));
    assert_eq!(fs::read_to_string(machine.path("out/one.txt")).unwrap(), "old");

    let result = machine.carry_out(&["copy: { from: @/in, to: @/out, filter: '*.gif' }"]);
    assert_eq!(result.path[0].event, Some(workflow::Event::Error));
    assert!(result.path[0].note.as_deref().is_some_and(|note| note.contains("gif")));
    assert_eq!(result.outcome, Outcome::Failure);
}

#[test]
fn parameters_that_make_no_sense_are_said_before_anything_is_done() {
    let machine = Machine::new();
    for (activity, expect) in [
        ("copy: { from: relative, to: @/out }", "not absolute"),
        ("copy: { from: @/in, to: @/out, filter: a/b }", "is a path"),
        ("delete_files: { folder: '{{ activities.a0.nothing }}' }", "cannot be rendered"),
        ("create_folders: { folders: ' ; ' }", "is empty"),
        ("copy: { from: @/missing, to: @/out }", "does not exist"),
        ("upload: { from: x, to: @/out }", "needs a server"),
        ("download: { from: @/in, to: x }", "needs a server"),
        ("create_folders: { folders: x, on_server: true }", "needs a server"),
    ] {
        let at = if cfg!(windows) { "C:/" } else { "/" };
        let text = format!(
            "workflow: test\nstart: a0\nactivities:\n  a0: {{ {}, on: {{ ok: done }} }}\n  \
             done: {{ success: {{}} }}\n",
            activity.replace("@/", at)
        );
        let Some(workflow) = format::parse_workflow(&text).workflow else {
            panic!("{text}");
        };
        let root = Some(machine.root.path().to_owned());
        let what = LocalRun { workflow, variables: [].into(), root };
        let result = runtime().block_on(run(what, std::future::pending(), |_| {})).unwrap();
        let note = result.path[0].note.clone().unwrap_or_default();
        assert_eq!(result.outcome, Outcome::Failure, "{activity}");
        assert!(note.contains(expect), "{activity}: {note}");
    }
    assert!(!machine.path("out").exists());
}

#[cfg(unix)]
#[test]
fn commands_leave_their_outputs_to_those_after_them() {
    let machine = Machine::new();
    fs::create_dir_all(machine.path("job")).unwrap();
    let result = machine.carry_out(&[
        "execute: { command: \"printf 'one\\\\ntwo\\\\n\\\\n'; echo oh >&2\" }",
        "execute: { command: [sh, -c, 'test \"$1\" = \"$DESKHAND_A0_STDOUT\" && pwd', '-', \
         '{{ activities.a0.stdout }}'], folder: @/job }",
        "execute: { command: 'echo \"$DESKHAND_ROOT $COLOUR\"', environment: { COLOUR: red } }",
    ]);
    assert_success(&result);
    assert_eq!(output(&result, "a0", "stdout"), "one\ntwo");
    assert_eq!(output(&result, "a0", "stderr"), "oh");
    assert_eq!(output(&result, "a0", "exit_code"), "0");
    assert_eq!(output(&result, "a0", "truncated"), "false");
    assert!(output(&result, "a1", "stdout").ends_with("/job"));
    assert_eq!(output(&result, "a2", "stdout"), format!("{} red", machine.root.path().display()));
}

#[cfg(unix)]
#[test]
fn exit_codes_are_events_with_the_last_words_as_note() {
    let machine = Machine::new();
    let result = machine.carry_out(&["execute: { command: 'echo no such thing >&2; exit 7' }"]);
    assert_eq!(result.path[0].event, Some(workflow::Event::Error));
    assert_eq!(result.path[0].note.as_deref(), Some("no such thing"));
    let result = machine.carry_out(&["execute: { command: [/no/such/program] }"]);
    assert_eq!(result.path[0].event, Some(workflow::Event::Error));
    assert!(result.reason.is_some_and(|reason| reason.contains("was not found")));
}

#[cfg(unix)]
#[test]
fn much_output_is_cut_and_said_so() {
    let machine = Machine::new();
    let result = machine.carry_out(&["execute: { command: 'yes | head -c 5000000' }"]);
    assert_success(&result);
    assert_eq!(output(&result, "a0", "truncated"), "true");
    assert!(output(&result, "a0", "stdout").len() <= 64 << 10);
}

#[cfg(unix)]
#[test]
fn a_timeout_and_an_abort_end_the_whole_tree() {
    let machine = Machine::new();
    let text = "workflow: test\nstart: slow\nactivities:\n  \
        slow: { execute: { command: 'sleep 60 & sleep 60' }, timeout: 200ms, \
        on: { timeout: done } }\n  done: { success: {} }\n";
    let result = machine.run(text, std::future::pending());
    assert_success(&result);
    assert_eq!(result.path[0].event, Some(workflow::Event::Timeout));

    let text = "workflow: test\nstart: slow\nactivities:\n  \
        slow: { execute: { command: 'sleep 60 & sleep 60' }, on: { ok: done } }\n  \
        done: { success: {} }\n";
    let result = machine.run(text, std::future::ready(()));
    assert_eq!(result.outcome, Outcome::Aborted);
    assert_eq!(result.path[0].event, Some(workflow::Event::Interrupted));
}

#[cfg(unix)]
#[test]
fn progress_is_told_in_order() {
    let text = "workflow: test\nstart: say\nactivities:\n  \
        say: { execute: { command: 'echo hello', log: all }, on: { ok: done } }\n  \
        done: { success: {} }\n";
    let workflow = format::parse_workflow(text).workflow.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let what = LocalRun { workflow, variables: [].into(), root: None };
    let progress = move |progress| {
        tell.lock().unwrap().push(match progress {
            Progress::Began { activity } => format!("{activity} began"),
            Progress::Ended { activity, event, .. } => format!("{activity} {event}"),
            Progress::Output { bytes, .. } => String::from_utf8(bytes).unwrap(),
        });
    };
    let result = runtime().block_on(run(what, std::future::pending(), progress)).unwrap();
    assert_success(&result);
    let told = told.lock().unwrap();
    assert_eq!(told[..3], ["say began", "hello\n", "say ok"]);
}

#[test]
fn a_list_of_files_is_acted_on_again_after_a_death() {
    use machine::{CaseRule, Filter, Operation, Options, Spot};
    use tokio_util::sync::CancellationToken;

    let machine = Machine::new();
    machine.write("in/one.txt", "1");
    let spot = |path: &str| Spot::absolute(&machine.path(path).to_string_lossy(), None).unwrap();
    let operation = Operation::Copy(machine::Transfer {
        from: spot("in"),
        to: spot("out"),
        filter: Filter::parse("", CaseRule::OWN).unwrap(),
        options: Options::default(),
    });
    let plan = machine.root.path().join("1.1.plan");
    let carry_out = |operation: Operation| {
        let cancel = CancellationToken::new();
        runtime().block_on(super::files::run(operation, Some(plan.clone()), &cancel))
    };
    assert_eq!(carry_out(operation.clone()).outputs["files"], "1");
    assert!(Path::new(&plan).exists());
    machine.write("in/late.txt", "2");
    let again = carry_out(operation.clone());
    assert_eq!((&*again.outputs["files"], &*again.outputs["skipped"]), ("1", "0"));
    assert_eq!(machine.names("out"), ["one.txt"]);

    fs::write(&plan, b"damaged").unwrap();
    let report = carry_out(operation);
    assert!(report.note.is_some_and(|note| note.contains("is damaged")));
}

#[test]
fn impersonate_finds_the_user_and_governs_what_follows() {
    let machine = Machine::new();
    let (own, _) = machine::identity::own_user();
    let me = format!("impersonate: {{ user: '{own}' }}");
    let name = if cfg!(windows) { "execute: { command: echo %USERNAME% }" } else { WHO };
    let result = machine.carry_out(&[&me, name, "impersonate: {}", name]);
    assert_success(&result);
    assert_eq!(output(&result, "a0", "user"), own);
    assert!(output(&result, "a1", "stdout").starts_with(&own), "{result:?}");
    assert!(output(&result, "a2", "user") == own);
    if cfg!(target_os = "linux") {
        assert_eq!(output(&result, "a1", "stdout"), format!("{own}|{own}|"));
        assert!(output(&result, "a3", "stdout").ends_with("agent's"), "{result:?}");
    }
}

/// The last word is of the agent's own environment, which users do not have.
const WHO: &str =
    r#"execute: { command: 'echo "$(id -un)|$LOGNAME|${CARGO_MANIFEST_DIR:+agent''s}"' }"#;

#[test]
fn users_that_cannot_be_found_are_told() {
    let machine = Machine::new();
    for (user, expect) in [
        ("user: no-such-user-anywhere", "no-such-user-anywhere"),
        ("user: '{{ where }}', secret: theirs", "the secret `theirs` did not come with the run"),
        ("user: '-x'", "cannot be the name of a user"),
    ] {
        let result = machine.carry_out(&[&format!("impersonate: {{ {user} }}")]);
        let note = result.path[0].note.as_deref().unwrap_or_default();
        assert!(note.contains(expect), "{user}: {note}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_registry_is_not_on_this_system() {
    let machine = Machine::new();
    let result = machine.carry_out(&["registry: { script: '[HKLM\\Software\\Maker]?' }"]);
    let note = result.path[0].note.as_deref();
    assert_eq!(note, Some("the registry is a part of Windows; this is Linux"));
}

#[test]
fn a_run_without_an_agent_never_restarts_the_machine() {
    let machine = Machine::new();
    for method in ["restart", "shutdown"] {
        let result = machine.carry_out(&[&format!("shutdown: {{ method: {method} }}")]);
        let note = result.path[0].note.as_deref().unwrap_or_default();
        assert!(note.contains("an enrolled agent"), "{note}");
    }
}
