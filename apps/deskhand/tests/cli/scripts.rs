//! Scripts through `deskhand run`: the worker process, its limits, what it asks for.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{came, checkout, command, deskhand};

struct Ran {
    result: Value,
    /// What people saw, with the log.
    seen: String,
}

impl Ran {
    /// Event and note of the first activity.
    fn first(&self) -> (&str, &str) {
        let event = self.result["path"][0]["event"].as_str().unwrap();
        let line = self.seen.lines().find_map(|line| line.split_once(&format!("a: {event} (")));
        (event, line.map(|(_, note)| note.strip_suffix(')').unwrap()).unwrap_or_default())
    }
}

/// A workflow whose first activity is a script; `more` stands beside `code`.
fn workflow(code: &str, more: &str, rest: &str) -> String {
    let code: String = code.lines().map(|line| format!("        {line}\n")).collect();
    format!(
        "workflow: W\nstart: a\nvariables: {{ word: first }}\nactivities:\n  a:\n    script:\n\
         {more}      code: |\n{code}    on: {{ ok: done, office: b, timeout: late, error: failed }}\n\
         {rest}  b: {{ execute: {{ command: \"echo {{{{ word | sh }}}}\" }}, on: {{ ok: done, error: failed }} }}\n  \
         late: {{ failure: {{ message: late }} }}\n  failed: {{ failure: {{}} }}\n  \
         done: {{ success: {{}} }}\n"
    )
}

fn run_file(text: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.yaml");
    fs::write(&file, text).unwrap();
    let root = folder.path().join("root");
    let words =
        ["run".as_ref(), file.as_os_str(), "--json".as_ref(), "--root".as_ref(), root.as_os_str()];
    let came = deskhand(words);
    let result = serde_json::from_str(&came.out);
    let result = result.unwrap_or_else(|error| panic!("{error}: {}{}", came.out, came.err));
    Ran { result, seen: came.err }
}

fn run(code: &str) -> Ran {
    run_file(&workflow(code, "", ""))
}

#[test]
fn a_script_gives_an_event_a_result_and_variables() {
    let ran = run("context.set('word', context.get('word') + ' and second');\n\
        print('facts', facts().os, agent.present);\n\
        return { event: 'office', result: 42 };");
    assert_eq!(ran.result["outcome"], "success", "{}", ran.seen);
    assert_eq!(ran.first(), ("office", ""));
    assert_eq!(ran.result["outputs"]["a"]["result"], "42");
    assert_eq!(ran.result["outputs"]["b"]["stdout"], "first and second");
    assert!(ran.seen.contains(&format!("a | facts {} true", std::env::consts::OS)), "{}", ran.seen);
}

#[cfg(unix)]
#[test]
fn activities_are_carried_out_as_in_the_workflow() {
    let ran = run("await create_folders({ folders: ['/in', '/out'] });\n\
        await execute({ command: 'echo \"{{ word }} $DESKHAND_ROOT\" > \"$DESKHAND_ROOT/in/a.txt\"', timeout: '1m' });\n\
        const { outputs } = await copy({ from: '/in', to: '/out' });\n\
        print('copied', outputs.files);\n\
        await rename({ current: '/out/a.txt', new: 'b.txt' });\n\
        const all = await execute({ command: ['sh', '-c', 'cat \"$DESKHAND_ROOT/out/b.txt\"; echo seen >&2'], log: 'all' });\n\
        print(all.outputs.stdout.split(' ').slice(0, 3).join(' '));\n\
        const none = await copy({ from: '/in', to: '/out', filter: '*.gif' }, { check: false });\n\
        const late = await execute({ command: 'sleep 600', timeout: '100ms' }, { check: false });\n\
        await delete_folders({ folders: '/out', recursive: true });\n\
        print(none.event, late.event);\n\
        await wait({ duration: '10ms' });\n\
        await copy({ from: '/out', to: '/in' })");
    assert!(ran.seen.contains("a | copied 1"), "{}", ran.seen);
    assert!(ran.seen.contains("a | {{ word }}"), "{}", ran.seen);
    assert!(ran.seen.contains("a | seen"), "{}", ran.seen);
    assert!(ran.seen.contains("a | no_file timeout"), "{}", ran.seen);
    let (event, note) = ran.first();
    assert_eq!(event, "error");
    assert!(note.starts_with("ActivityError: `copy` ended with `error`"), "{note}");
    assert!(note.ends_with("(line 13, column 5)") || note.contains("(line 13, "), "{note}");
    assert!(ran.seen.contains("at script:13:"), "{}", ran.seen);
}

#[test]
fn what_a_script_cannot_have_is_said() {
    for (code, words) in [
        ("await message({ subject: 'x' })", "carried out by the server"),
        ("await message({ to: 'x' })", "`message` lacks `subject`"),
        ("await download({ from: '/a', to: 'b' })", "needs a server"),
        ("await shutdown({ method: 'restart' })", "would cut the script off"),
        ("await copy({ from: '/a', to: '/b', on_server: true })", "carried out by the server"),
        ("await copy({ form: '/a', to: '/b' })", "did you mean `from`?"),
        ("await copy({ from: 'a', to: '/b' })", "`a`"),
        ("await upload({ from: 'a', to: '/b' })", "needs a server"),
        ("await depot.text('a')", "no depot without a server"),
        ("await sleep('soon')", "soon"),
        ("return 'exit 3'", "not for scripts to say"),
        ("return 'two words'", "is not an event"),
    ] {
        let ran = run(code);
        let (event, note) = ran.first();
        assert!(event == "error" && note.contains(words), "{code}: {event} {note}");
    }
    if !cfg!(windows) {
        let ran = run("await wmi('SELECT * FROM Win32_BIOS')");
        assert!(ran.first().1.contains("WMI is a part of Windows"), "{:?}", ran.first());
    }
}

#[test]
fn limits_end_a_script_and_are_told() {
    let caught = "for (;;) { try { for (;;) {} } catch {} }";
    let ran = run_file(&workflow(caught, "", "").replace("    on:", "    timeout: 300ms\n    on:"));
    assert_eq!(ran.first().0, "timeout", "{}", ran.seen);
    assert_eq!(ran.result["reason"], "late");
    let waiting = "try { await sleep('1h') } catch {}\nprint('never')";
    let ran =
        run_file(&workflow(waiting, "", "").replace("    on:", "    timeout: 300ms\n    on:"));
    assert_eq!(ran.first().0, "timeout", "{}", ran.seen);
    assert!(!ran.seen.contains("never"), "{}", ran.seen);
    let hungry = "const all = [];\nfor (;;) all.push(new Uint8Array(100000));";
    let ran = run_file(&workflow(hungry, "      memory: 16\n", ""));
    assert!(ran.first().1.contains("more than its 16 MB of memory"), "{:?}", ran.first());
    let busy = "for (;;) { try { print('x') } catch {} }";
    let ran = run_file(&workflow(busy, "      operations: 20\n", ""));
    assert!(ran.first().1.contains("more than its 20 operations"), "{:?}", ran.first());
    assert_eq!(ran.seen.matches("a | x").count(), 20, "{}", ran.seen);
}

#[test]
fn a_script_that_does_not_compile_is_refused_before_anything_begins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.yaml");
    fs::write(&file, workflow("print(1);\nif (2 {", "", "")).unwrap();
    for words in [&["workflow", "check"][..], &["run"]] {
        let words = words.iter().map(PathBuf::from).chain([file.clone()]);
        let came = deskhand(words);
        assert_eq!(came.code, Some(1));
        let said = came.out + &came.err;
        assert!(said.contains("w.yaml:9:15: error[DH-F016]"), "{said}");
        assert!(said.contains("line 2, column 7 of it"), "{said}");
    }
}

#[test]
fn the_types_are_printed_for_editors() {
    let came = deskhand(["workflow", "script-types"]);
    assert_eq!(came.code, Some(0));
    for words in ["declare function execute(", "declare function exit(", "class ActivityError"] {
        assert!(came.out.contains(words), "{words}");
    }
    let guide = fs::read_to_string(checkout().join("docs/guide/scripts.md")).unwrap();
    for line in came.out.lines() {
        let declared = line.strip_prefix("declare function ");
        let Some((name, _)) = declared.and_then(|rest| rest.split_once('(')) else { continue };
        assert!(guide.contains(&format!("`{name}(")), "the guide does not speak of {name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_has_nothing_but_its_pipes_and_ends_with_the_run() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.yaml");
    let code = "execute({ command: 'echo $$; exec sleep 600', log: 'all' });\nawait sleep('10m')";
    fs::write(&file, workflow(code, "      memory: 16\n", "")).unwrap();
    let words = ["run".as_ref(), file.as_os_str(), "--json".as_ref()];
    let mut command = command(words);
    command.env("DESKHAND_HIDDEN", "secret");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let sleeper: u32 =
        lines.find_map(|line| line.unwrap().split_once("a | ")?.1.trim().parse().ok()).unwrap();
    let worker = workers_of(child.id()).pop().expect("a worker");
    let read = |name: &str| fs::read(format!("/proc/{worker}/{name}")).unwrap();
    let environment = String::from_utf8(read("environ")).unwrap();
    assert!(!environment.contains("secret") && environment.contains("DESKHAND_EFFECT="));
    let limits = String::from_utf8(read("limits")).unwrap();
    for (limit, most) in [("Max open files", 3), ("Max file size", 0), ("Max core file size", 0)] {
        let line = limits.lines().find(|line| line.starts_with(limit)).unwrap();
        let hard: u64 = line[limit.len()..].split_whitespace().nth(1).unwrap().parse().unwrap();
        assert_eq!(hard, most, "{line}");
    }
    let open = fs::read_dir(format!("/proc/{worker}/fd")).unwrap().count();
    assert_eq!(open, 3);
    let asked = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(asked.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    for ended in [worker, sleeper] {
        let state = fs::read_to_string(format!("/proc/{ended}/stat"));
        assert!(state.is_err() || state.unwrap().contains(") Z "), "{ended} still runs");
    }
}

#[cfg(target_os = "linux")]
fn workers_of(parent: u32) -> Vec<u32> {
    let is_worker = |folder: &Path| {
        let words = fs::read(folder.join("cmdline")).unwrap_or_default();
        let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
        let above = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        words.ends_with(b"script-worker\0") && above == Some(&parent.to_string())
    };
    let all = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let number = |path: PathBuf| path.file_name()?.to_str()?.parse().ok();
    all.filter(|path| is_worker(path)).filter_map(number).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_dies_is_an_error() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.yaml");
    fs::write(&file, workflow("print('here');\nawait sleep('10m')", "", "")).unwrap();
    let words = ["run".as_ref(), file.as_os_str(), "--json".as_ref()];
    let mut command = command(words);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains("a | here")).unwrap();
    let worker = workers_of(child.id()).pop().expect("a worker");
    let asked = std::process::Command::new("kill").args(["-9", &worker.to_string()]).status();
    assert!(asked.unwrap().success());
    let ended = lines.find(|line| line.contains("a: error")).unwrap();
    assert!(ended.contains("the script's worker died (it was killed"), "{ended}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn the_example_with_a_script_runs() {
    let file = checkout().join("examples/free-space-by-script.yaml");
    let words = ["run".as_ref(), file.as_os_str(), "--json".as_ref()];
    let came = came(command(words));
    let result: Value = serde_json::from_str(&came.out).unwrap();
    assert_eq!(result["outcome"], "success", "{}", came.err);
    assert!(came.err.contains("look | "), "{}", came.err);
}
