//! The switch in every order of events, and the supervisor with programs that behave badly.

use super::switch::Start;
use super::*;

fn staged(update: &str, version: &str) -> Staged {
    let digest = blake3::hash(version.as_bytes()).to_string();
    Staged { update: update.into(), version: version.into(), digest, within_ms: 1_000 }
}

fn is_current(start: &Start, of: &Staged) -> bool {
    matches!(start, Start::Current { place, .. } if *place == of.place())
}

#[test]
fn what_came_back_is_used_and_what_did_not_is_given_up() {
    let mut switch = Switch::default();
    assert_eq!(switch.begin("1"), Start::Installed);
    let (two, three) = (staged("a", "2"), staged("b", "3"));
    switch.stage(two.clone());
    assert_eq!(switch.begin("1"), Start::Trial(two.clone()));
    switch.confirm("1");
    assert!(is_current(&switch.begin("1"), &two));
    switch.stage(three.clone());
    assert_eq!(switch.begin("1"), Start::Trial(three.clone()));
    switch.fail("it hung".into());
    assert!(is_current(&switch.begin("1"), &two));
    let last = switch.last.clone().unwrap();
    assert_eq!((last.update.as_str(), last.failed.as_deref()), ("b", Some("it hung")));
    assert!(switch.needs(&two.place()) && !switch.needs(&three.place()));
}

#[test]
fn a_trial_cut_short_by_the_machine_is_begun_again_but_not_for_ever() {
    let mut switch = Switch::default();
    let two = staged("a", "2");
    switch.stage(two.clone());
    for _ in 0..3 {
        assert_eq!(switch.begin("1"), Start::Trial(two.clone()));
    }
    assert_eq!(switch.begin("1"), Start::Installed);
    assert!(switch.last.is_some_and(|last| last.failed.is_some()));
}

#[test]
fn a_version_that_a_package_brought_counts_more() {
    let mut switch = Switch::default();
    switch.stage(staged("a", "2"));
    switch.begin("1");
    switch.confirm("1");
    assert!(matches!(switch.begin("1"), Start::Current { .. }));
    assert_eq!(switch.begin("3"), Start::Installed);
    assert_eq!(switch.begin("1"), Start::Installed);
}

#[test]
fn it_is_all_on_disk() {
    let state = tempfile::tempdir().unwrap();
    let mut switch = Switch::load(state.path());
    switch.stage(staged("a", "2"));
    switch.begin("1");
    switch.store(state.path()).unwrap();
    assert_eq!(Switch::load(state.path()), switch);
    std::fs::write(folder(state.path()).join("switch.json"), "{").unwrap();
    assert_eq!(Switch::load(state.path()), Switch::default());
}

#[cfg(unix)]
mod supervised {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::state::StateFolder;

    /// The installed program: says that it ran, and waits for the end of its input.
    const INSTALLED: &str = "#!/bin/sh\necho installed >> \"$3/log\"\ncat > /dev/null\n";

    fn script(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Lays a program ready as the agent does.
    fn stage(state: &Path, text: &str, within_ms: u64) -> Staged {
        let digest = blake3::hash(text.as_bytes()).to_string();
        let staged = Staged { update: "u".into(), version: "2".into(), digest, within_ms };
        script(&program(state, &staged.place()), text);
        let bytes = serde_json::to_vec(&staged).unwrap();
        std::fs::write(folder(state).join("staged.json"), bytes).unwrap();
        staged
    }

    fn log(state: &Path) -> String {
        std::fs::read_to_string(state.join("log")).unwrap_or_default()
    }

    /// A program cannot be started while another thread that was about to start one still has it
    /// open for writing.
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    /// Supervises until the log is as expected.
    async fn until(state: &Path, expect: &str) {
        let installed = state.join("installed");
        script(&installed, INSTALLED);
        let what = Supervised {
            folder: StateFolder::at(state),
            installed,
            version: "1".into(),
            log: None,
            arguments: ["run", "--state"]
                .map(Into::into)
                .into_iter()
                .chain([state.into()])
                .collect(),
        };
        let seen = async {
            while log(state) != expect {
                tokio::task::yield_now().await;
            }
        };
        let limit = Duration::from_secs(20);
        let done = tokio::time::timeout(limit, supervise(&what, seen, || {})).await;
        let done = done.unwrap_or_else(|_| panic!("expected {expect:?}, not {:?}", log(state)));
        done.unwrap();
    }

    #[tokio::test]
    async fn a_version_that_exits_is_given_up() {
        let _one = ONE.lock().await;
        let state = tempfile::tempdir().unwrap();
        stage(state.path(), "#!/bin/sh\necho broken >> \"$3/log\"\nexit 7\n", 60_000);
        until(state.path(), "broken\ninstalled\n").await;
        let why = Switch::load(state.path()).last.unwrap().failed.unwrap();
        assert!(why.contains("exit status: 7"), "{why}");
    }

    #[tokio::test]
    async fn a_version_that_hangs_is_given_up() {
        let _one = ONE.lock().await;
        let state = tempfile::tempdir().unwrap();
        stage(state.path(), "#!/bin/sh\necho hangs >> \"$3/log\"\ncat > /dev/null\n", 300);
        until(state.path(), "hangs\ninstalled\n").await;
        let why = Switch::load(state.path()).last.unwrap().failed.unwrap();
        assert!(why.contains("did not come back within"), "{why}");
    }

    #[tokio::test]
    async fn a_version_that_is_no_program_is_given_up() {
        let _one = ONE.lock().await;
        let state = tempfile::tempdir().unwrap();
        let staged = stage(state.path(), "#!/bin/sh\n", 60_000);
        std::fs::write(program(state.path(), &staged.place()), "#!/bin/sh\n#").unwrap();
        until(state.path(), "installed\n").await;
        let why = Switch::load(state.path()).last.unwrap().failed.unwrap();
        assert!(why.contains("damaged"), "{why}");
    }

    #[tokio::test]
    async fn a_version_that_cannot_be_started_is_given_up() {
        let _one = ONE.lock().await;
        let state = tempfile::tempdir().unwrap();
        stage(state.path(), "\x7fELF and nothing more", 60_000);
        until(state.path(), "installed\n").await;
        assert!(Switch::load(state.path()).last.unwrap().failed.is_some());
    }

    #[tokio::test]
    async fn a_version_that_comes_back_stays() {
        let _one = ONE.lock().await;
        let state = tempfile::tempdir().unwrap();
        let text = "#!/bin/sh\necho new >> \"$3/log\"\nprintf u > \"$3/versions/confirmed\"\n\
                    cat > /dev/null\n";
        stage(state.path(), text, 60_000);
        let confirmed = async {
            while Switch::load(state.path()).last.is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = until(state.path(), "never") => {}
            () = confirmed => {}
        }
        assert_eq!(Switch::load(state.path()).last.unwrap().failed, None);
        until(state.path(), "new\nnew\n").await;
    }

    #[tokio::test]
    async fn an_agent_without_its_supervisor_is_ended_by_the_next_one() {
        let _one = ONE.lock().await;
        let state = tempfile::tempdir().unwrap();
        // Hears nothing, and outlives whoever started it.
        let text = "#!/bin/sh\necho deaf >> \"$3/log\"\nexec sleep 1000\n";
        let left = state.path().join("left");
        script(&left, text);
        let mark = blake3::hash(state.path().as_os_str().as_encoded_bytes()).to_hex();
        let mut orphan = std::process::Command::new(&left)
            .args(["run", "--state"])
            .arg(state.path())
            .env("DESKHAND_EFFECT", format!("agent.{}", &mark[..16]))
            .spawn()
            .unwrap();
        until(state.path(), "deaf\ninstalled\n").await;
        assert!(!orphan.wait().unwrap().success());
    }
}
