//! Acting as a user, with a real user made for the test. Only root can make one; others see it
//! skipped, with the reason.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::process::{Command as Program, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use machine::identity::{IdentityError, own_user, resolve};
use machine::{
    Command, ExecuteEnd, ExecuteError, ExecuteSpec, Identity, Stream, Visibility, Waiting,
    decode_output, execute_as,
};

const PASSWORD: &str = "Correct-horse 7 \"battery\"";

/// A user of this machine for as long as this lives.
struct User {
    name: String,
    home: tempfile::TempDir,
}

impl User {
    /// In the group `games` besides its own.
    fn make() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
        if !is_root {
            println!("skipped: only root can make the user that this test needs");
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dhtest{}n{number}", std::process::id());
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap().to_owned();
        let words =
            ["-M", "-d", &path, "-s", "/bin/sh", "-G", "games", "-U", "-K", "UID_MIN=20000"];
        match Program::new("useradd").args(words).arg(&name).output() {
            Ok(output) if output.status.success() => {}
            other => {
                println!("skipped: useradd does not make a user: {other:?}");
                return None;
            }
        }
        let user = Self { name, home };
        let own = Program::new("chown").arg(&user.name).arg(path).status().unwrap();
        assert!(own.success());
        Some(user)
    }

    fn give_password(&self) {
        let mut program = Program::new("chpasswd").stdin(Stdio::piped()).spawn().unwrap();
        let line = format!("{}:{PASSWORD}\n", self.name);
        std::io::Write::write_all(&mut program.stdin.take().unwrap(), line.as_bytes()).unwrap();
        assert!(program.wait().unwrap().success());
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = Program::new("userdel").args(["-f", &self.name]).output();
    }
}

fn spec(command: Command) -> ExecuteSpec {
    ExecuteSpec {
        command,
        folder: None,
        environment: BTreeMap::from([("EXTRA".to_owned(), "given".to_owned())]),
        visibility: Visibility::Default,
        waiting: Waiting::ForTheEnd,
        timeout: Some(Duration::from_secs(60)),
        effect: format!("identity-{}-{:?}", std::process::id(), std::thread::current().id()),
    }
}

fn shell(text: &str) -> ExecuteSpec {
    spec(Command::Shell(text.to_owned()))
}

async fn run(
    spec: &ExecuteSpec,
    identity: &Identity,
) -> (Result<ExecuteEnd, ExecuteError>, String) {
    let mut out = Vec::new();
    let ended = execute_as(spec, Some(identity), std::future::pending(), |stream, bytes| {
        if stream == Stream::Stdout {
            out.extend_from_slice(bytes);
        }
    });
    (ended.await, decode_output(&out))
}

#[tokio::test]
async fn a_command_has_the_users_ids_groups_environment_and_home() {
    let Some(user) = User::make() else { return };
    let identity = resolve(&user.name, "", None).unwrap();
    assert_eq!((identity.user(), identity.domain()), (user.name.as_str(), ""));
    let text = "id -un; id -gn; id -nG; echo \"$HOME|$USER|$LOGNAME|$SHELL|$PATH|$EXTRA|$CARGO\"; \
                pwd; test ! -r /etc/shadow && echo unprivileged; \
                echo mine > file && stat -c %U file; exit 7";
    let (ended, out) = run(&shell(text), &identity).await;
    assert_eq!(ended.unwrap(), ExecuteEnd::Exited { code: 7 }, "{out}");
    let lines: Vec<&str> = out.lines().collect();
    let home = user.home.path().to_str().unwrap();
    let name = user.name.as_str();
    let environment = format!("{home}|{name}|{name}|/bin/sh|/usr/local/bin:/usr/bin:/bin|given|");
    assert_eq!(lines[0..2], [name, name]);
    let mut groups: Vec<&str> = lines[2].split(' ').collect();
    groups.sort_unstable();
    assert_eq!(groups, [name, "games"]);
    assert_eq!(lines[3..], [environment.as_str(), home, "unprivileged", name]);
}

#[tokio::test]
async fn what_cannot_start_is_told_as_for_the_agent_itself() {
    let Some(user) = User::make() else { return };
    let identity = resolve(&user.name, "", None).unwrap();
    let list = |words: &[&str]| spec(Command::List(words.iter().map(|w| (*w).into()).collect()));
    let (ended, _) = run(&list(&["no-such-program-anywhere"]), &identity).await;
    assert!(matches!(ended.unwrap_err(), ExecuteError::NotFound { .. }));
    let (ended, _) = run(&list(&["/etc/passwd"]), &identity).await;
    assert!(matches!(ended.unwrap_err(), ExecuteError::NotExecutable { .. }));
    let (ended, out) = run(&list(&["printf", "[%s]", "-u", "$HOME", "a b"]), &identity).await;
    assert_eq!(ended.unwrap(), ExecuteEnd::Exited { code: 0 });
    assert_eq!(out, "[-u][$HOME][a b]");
}

#[tokio::test]
async fn a_cancel_ends_everything_the_user_started() {
    let Some(user) = User::make() else { return };
    let identity = resolve(&user.name, "", None).unwrap();
    let command = shell("setsid sleep 987 & sleep 987 & echo ready; wait");
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut noise = Vec::new();
    let ended = execute_as(
        &command,
        Some(&identity),
        async {
            heard.recv().await;
        },
        |stream, bytes| match stream {
            Stream::Stdout => drop(said.send(())),
            Stream::Stderr => noise.extend_from_slice(bytes),
        },
    );
    assert_eq!(ended.await.unwrap(), ExecuteEnd::Cancelled);
    let noise = decode_output(&noise);
    assert!(!noise.contains("Session terminated"), "who opened the session speaks: {noise}");
    assert_eq!(processes_of(&user), Vec::<String>::new());
}

/// The names of a user's processes; what has ended and waits to be collected does not count.
fn processes_of(user: &User) -> Vec<String> {
    let uid = std::fs::metadata(user.home.path()).unwrap().uid();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let status = all.filter_map(|entry| std::fs::read_to_string(entry.path().join("status")).ok());
    let field = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_ascii_whitespace().next().unwrap_or_default().to_owned()
    };
    let is_theirs = |status: &String| {
        field(status, "Uid:") == uid.to_string() && field(status, "State:") != "Z"
    };
    status.filter(is_theirs).map(|status| field(&status, "Name:")).collect()
}

#[test]
fn passwords_are_verified() {
    let Some(user) = User::make() else { return };
    user.give_password();
    match resolve(&user.name, "", Some(PASSWORD.as_bytes())) {
        Ok(identity) => assert_eq!(identity.user(), user.name),
        Err(error @ IdentityError::NoVerifier { .. }) => return println!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    }
    let error = resolve(&user.name, "", Some(b"wrong")).unwrap_err();
    assert!(matches!(error, IdentityError::WrongPassword { .. }), "{error}");
    assert!(!error.to_string().contains("wrong\""), "{error}");
    let expired = Program::new("chage").args(["-E", "1", &user.name]).status().unwrap();
    assert!(expired.success());
    let error = resolve(&user.name, "", Some(PASSWORD.as_bytes())).unwrap_err();
    assert!(matches!(error, IdentityError::NotAllowed { .. }), "{error}");
}

#[tokio::test]
async fn an_agent_can_act_as_its_own_user() {
    let (user, _) = own_user();
    let identity = resolve(&user, "", None).unwrap();
    let (ended, out) = run(&shell("id -un"), &identity).await;
    assert_eq!(ended.unwrap(), ExecuteEnd::Exited { code: 0 });
    assert_eq!(out.trim(), user);
}
