//! Executions: exits, output, whole trees.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use machine::{
    Command, ExecuteEnd, ExecuteError, ExecuteSpec, Stream, Visibility, Waiting, decode_output,
    execute,
};

fn spec(command: Command) -> ExecuteSpec {
    ExecuteSpec {
        command,
        folder: None,
        environment: BTreeMap::new(),
        visibility: Visibility::Default,
        waiting: Waiting::ForTheEnd,
        timeout: Some(Duration::from_secs(60)),
        effect: format!("test-{:?}", std::thread::current().id()),
    }
}

fn shell(linux: &str, windows: &str) -> ExecuteSpec {
    spec(Command::Shell(if cfg!(windows) { windows } else { linux }.to_owned()))
}

fn list(words: &[&str]) -> ExecuteSpec {
    spec(Command::List(words.iter().map(|word| (*word).to_owned()).collect()))
}

async fn run(spec: &ExecuteSpec) -> (Result<ExecuteEnd, ExecuteError>, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ended = execute(spec, std::future::pending(), |stream, bytes| match stream {
        Stream::Stdout => out.extend_from_slice(bytes),
        Stream::Stderr => err.extend_from_slice(bytes),
    })
    .await;
    (ended, decode_output(&out).replace("\r\n", "\n"), decode_output(&err).replace("\r\n", "\n"))
}

#[tokio::test]
async fn a_command_has_output_and_an_exit_code() {
    let both = shell("echo out; echo err >&2; exit 3", "echo out&& echo err>&2&& exit 3");
    let (ended, out, err) = run(&both).await;
    assert_eq!(ended.unwrap(), ExecuteEnd::Exited { code: 3 });
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));
}

#[tokio::test]
async fn exit_codes_have_32_bits_on_windows_and_signals_are_codes_on_linux() {
    let (ended, ..) = run(&shell("kill -9 $$", "exit -1073741819")).await;
    let expect = if cfg!(windows) { 0xc000_0005 } else { 137 };
    assert_eq!(ended.unwrap(), ExecuteEnd::Exited { code: expect });
}

#[tokio::test]
async fn environment_and_folder_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec =
        shell("echo \"$GREETING $DESKHAND_EFFECT\"; pwd", "echo %GREETING% %DESKHAND_EFFECT%& cd");
    spec.environment.insert("GREETING".into(), "grüß dich".into());
    spec.folder = Some(folder.path().canonicalize().unwrap());
    if cfg!(windows) {
        spec.environment.insert("GREETING".into(), "hello you".into());
        spec.folder = Some(folder.path().into());
    }
    spec.effect = "effect-7".into();
    let (ended, out, _) = run(&spec).await;
    assert_eq!(ended.unwrap(), ExecuteEnd::Exited { code: 0 });
    let expect = if cfg!(windows) { "hello you effect-7" } else { "grüß dich effect-7" };
    assert!(out.starts_with(expect), "{out}");
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    assert!(out.trim_end().ends_with(name), "{out}");
}

#[tokio::test]
async fn a_list_never_meets_a_shell() {
    let words = ["$HOME", "a b", "\"quoted\"", "*", "%PATH%", "back\\", ""];
    let program = if cfg!(windows) { "echo-arguments.exe" } else { "printf" };
    if cfg!(windows) {
        // Windows has no program that only prints its arguments; `command_line` tests the quoting.
        return;
    }
    let mut all = vec![program, "[%s]"];
    all.extend(words);
    let (ended, out, _) = run(&list(&all)).await;
    assert_eq!(ended.unwrap(), ExecuteEnd::Exited { code: 0 });
    assert_eq!(out, "[$HOME][a b][\"quoted\"][*][%PATH%][back\\][]");
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let (ended, ..) = run(&list(&["no-such-program-anywhere"])).await;
    let error = ended.unwrap_err();
    assert!(matches!(error, ExecuteError::NotFound { .. }), "{error}");
    assert!(error.to_string().contains("PATH"), "{error}");
    let mut spec = shell("true", "exit 0");
    spec.folder = Some(std::env::temp_dir().join("no-such-folder-anywhere"));
    assert!(matches!(run(&spec).await.0.unwrap_err(), ExecuteError::FolderMissing { .. }));
    assert!(matches!(run(&list(&[])).await.0.unwrap_err(), ExecuteError::Empty));
    let mut spec = shell("true", "exit 0");
    spec.environment.insert("A=B".into(), String::new());
    assert!(matches!(run(&spec).await.0.unwrap_err(), ExecuteError::Environment { .. }));
}

#[tokio::test]
async fn large_output_comes_whole() {
    let linux =
        "i=0; while [ $i -lt 50 ]; do head -c 100000 /dev/zero | tr '\\0' x; i=$((i+1)); done";
    let windows = "for /l %i in (1,1,2000) do @echo 0123456789012345678901234567890123456789";
    let mut count = 0;
    let spec = shell(linux, windows);
    let ended = execute(&spec, std::future::pending(), |_, bytes| count += bytes.len());
    assert_eq!(ended.await.unwrap(), ExecuteEnd::Exited { code: 0 });
    assert_eq!(count, if cfg!(windows) { 2000 * 42 } else { 5_000_000 });
}

#[tokio::test]
async fn timeout_ends_the_whole_tree() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("witness");
    let mut spec = shell(
        "trap '' TERM; (setsid sh -c 'trap \"\" TERM; sleep 8; echo late > witness' &) ; sleep 30",
        "ping -n 9 127.0.0.1 >nul & echo late> witness",
    );
    spec.folder = Some(folder.path().into());
    spec.timeout = Some(Duration::from_millis(300));
    let begun = Instant::now();
    let (ended, ..) = run(&spec).await;
    assert_eq!(ended.unwrap(), ExecuteEnd::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert!(!witness.exists());
    #[cfg(target_os = "linux")]
    assert_eq!(machine::end_marked(&spec.effect).await.unwrap(), 0);
}

#[tokio::test]
async fn cancel_ends_it_politely() {
    let mut spec = shell(
        "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done",
        "echo up& ping -n 30 127.0.0.1",
    );
    spec.timeout = None;
    let up = tokio::sync::Notify::new();
    let mut out = Vec::new();
    let ended = execute(&spec, up.notified(), |stream, bytes| {
        if stream == Stream::Stdout {
            out.extend_from_slice(bytes);
        }
        up.notify_one();
    });
    assert_eq!(ended.await.unwrap(), ExecuteEnd::Cancelled);
    if !cfg!(windows) {
        assert_eq!(decode_output(&out), "up\nbye\n");
    }
}

#[tokio::test]
async fn without_waiting_it_only_has_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = shell(
        "echo ${DESKHAND_EFFECT-none} > made.part; mv made.part made; exec sleep 1",
        "echo none> made",
    );
    spec.folder = Some(folder.path().into());
    spec.waiting = Waiting::ForTheStart;
    let (ended, ..) = run(&spec).await;
    assert_eq!(ended.unwrap(), ExecuteEnd::Started);
    let made = folder.path().join("made");
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while std::fs::read_to_string(&made).unwrap_or_default().trim() != "none" {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap();
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    #[tokio::test]
    async fn a_daemon_does_not_hold_an_execution_up() {
        let begun = Instant::now();
        let mut spec = shell("echo begun; setsid sleep 20 & echo $!", "");
        spec.effect = "daemon-holder".into();
        let (ended, out, _) = run(&spec).await;
        assert_eq!(ended.unwrap(), ExecuteEnd::Exited { code: 0 });
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(out.starts_with("begun\n"));
        // It is left alone, and found by its mark once it has to go.
        assert_eq!(machine::end_marked("daemon-holde").await.unwrap(), 0);
        assert_eq!(machine::end_marked("daemon-holder").await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_child_without_the_mark_is_found_through_its_parent() {
        let mut spec = shell("env -i setsid sleep 47 & echo $!; wait", "");
        let up = tokio::sync::Notify::new();
        let mut out = Vec::new();
        spec.timeout = None;
        spec.effect = "bare-child".into();
        let ended = execute(&spec, up.notified(), |_, bytes| {
            out.extend_from_slice(bytes);
            up.notify_one();
        });
        assert_eq!(ended.await.unwrap(), ExecuteEnd::Cancelled);
        let pid = decode_output(&out);
        let state =
            std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z"), "{state}");
    }

    #[tokio::test]
    async fn what_is_no_program_is_told_apart() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        std::fs::write(&file, "\x7fELF nonsense").unwrap();
        let words = [file.to_str().unwrap()];
        assert!(matches!(
            run(&list(&words)).await.0.unwrap_err(),
            ExecuteError::NotExecutable { .. }
        ));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = run(&list(&words)).await.0.unwrap_err();
        assert!(matches!(error, ExecuteError::NoProgram { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_relative_program_is_looked_for_in_the_folder() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("setup.sh");
        std::fs::write(&file, "#!/bin/sh\necho \"$1\"\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut spec = list(&["./setup.sh", "--host x"]);
        spec.folder = Some(folder.path().into());
        assert_eq!(run(&spec).await.1, "--host x\n");
    }
}

#[cfg(windows)]
mod windows {
    use super::*;

    #[tokio::test]
    async fn batch_files_get_what_is_safe_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("show.bat");
        std::fs::write(&file, "@echo off\r\necho [%~1]\r\n").unwrap();
        let file = file.to_str().unwrap();
        let (ended, out, _) = run(&list(&[file, "a b"])).await;
        assert_eq!(ended.unwrap(), ExecuteEnd::Exited { code: 0 });
        assert_eq!(out, "[a b]\n");
        for word in ["\"&echo caught", "%PATH%", "a\nb"] {
            let error = run(&list(&[file, word])).await.0.unwrap_err();
            assert!(matches!(error, ExecuteError::BatchArgument { .. }), "{error}");
        }
    }
}
