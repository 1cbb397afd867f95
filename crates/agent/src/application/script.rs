//! Distribution scripts (AP-08): a file for an engine, its output passed on, its end judged.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{
    Command, ExecuteEnd, ExecuteError, ExecuteSpec, Identity, Stream, Visibility, Waiting,
};
use tokio_util::sync::CancellationToken;

use crate::clock::random;

/// Of a script that names no time: one that asks somebody would wait for ever.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Of what a script says last, what is repeated when it fails.
const LINE_CHARS_MAX: usize = 300;

/// A script with its macros expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) text: String,
    /// Program and switches; the system's own shell when none.
    pub(super) engine: Option<String>,
    /// With its dot.
    pub(super) extension: Option<String>,
    pub(super) timeout: Duration,
    pub(super) environment: BTreeMap<String, String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("its file cannot be written")]
    File(#[source] io::Error),
    #[error("its engine cannot be started")]
    Engine(#[source] ExecuteError),
    #[error("it ended with exit code {code}{}", said(.last))]
    Exit { code: u32, last: Option<String> },
    #[error("it did not end within {} s and was ended; does it ask somebody?", .timeout.as_secs())]
    TimedOut { timeout: Duration },
    #[error("it was interrupted")]
    Interrupted,
}

fn said(last: &Option<String>) -> String {
    last.as_ref().map(|last| format!(": {last}")).unwrap_or_default()
}

/// Runs it to its end. Nobody is asked anything: its input is empty, its windows are not shown.
pub(super) async fn run(
    script: &Script,
    identity: Option<&Identity>,
    cancel: &CancellationToken,
    output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<(), ScriptError> {
    let folder = Folder::make(identity).map_err(ScriptError::File)?;
    let file = folder.path.join(format!("script{}", extension(script)));
    let written = write(&file, script).and_then(|()| folder.hand_over(&file, identity));
    written.map_err(ScriptError::File)?;
    let mut words = engine(script);
    words.push(file.to_string_lossy().into_owned());
    let spec = ExecuteSpec {
        command: Command::List(words),
        folder: None,
        environment: script.environment.clone(),
        visibility: Visibility::Hidden,
        waiting: Waiting::ForTheEnd,
        timeout: Some(script.timeout),
        effect: folder.name.clone(),
    };
    execute(&spec, identity, cancel, output).await.map(drop)
}

/// Runs a program to its end; any exit code but 0 is a failure.
pub(super) async fn execute(
    spec: &ExecuteSpec,
    identity: Option<&Identity>,
    cancel: &CancellationToken,
    output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<u32, ScriptError> {
    let mut last = LastLine::default();
    let ended = machine::execute_as(spec, identity, cancel.cancelled(), |stream, bytes| {
        last.push(bytes);
        output(stream, bytes);
    })
    .await;
    match ended.map_err(ScriptError::Engine)? {
        ExecuteEnd::Exited { code: 0 } | ExecuteEnd::Started => Ok(0),
        ExecuteEnd::Exited { code } => Err(ScriptError::Exit { code, last: last.text() }),
        ExecuteEnd::TimedOut => {
            Err(ScriptError::TimedOut { timeout: spec.timeout.unwrap_or_default() })
        }
        ExecuteEnd::Cancelled => Err(ScriptError::Interrupted),
    }
}

fn extension(script: &Script) -> &str {
    let own = if cfg!(windows) { ".bat" } else { ".sh" };
    let fallback = if script.engine.is_none() { own } else { "" };
    script.extension.as_deref().unwrap_or(fallback)
}

/// Program and switches before the file.
fn engine(script: &Script) -> Vec<String> {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
    match &script.engine {
        Some(engine) => split(engine),
        // Its lines are not told before they are carried out: the last word is the script's own.
        None if cfg!(windows) => words(&["cmd.exe", "/d", "/q", "/c"]),
        // It says itself who reads it.
        None if script.text.starts_with("#!") => Vec::new(),
        None => words(&["/bin/sh"]),
    }
}

/// Words between blanks; what stands between quotation marks is one word.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' if !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// As the engine reads it: Windows' programs want their own line ends and a word about letters.
fn write(file: &Path, script: &Script) -> io::Result<()> {
    let mut text = script.text.clone();
    if cfg!(windows) {
        text = text.replace("\r\n", "\n").replace('\n', "\r\n");
        let name = extension(script).to_lowercase();
        match name.as_str() {
            ".bat" | ".cmd" if !text.is_ascii() => text.insert_str(0, "@chcp 65001 >nul\r\n"),
            ".ps1" => text.insert(0, '\u{feff}'),
            _ => {}
        }
    }
    std::fs::write(file, text)
}

/// A folder of one script's own, for those alone who run it.
struct Folder {
    path: PathBuf,
    name: String,
}

impl Folder {
    fn make(identity: Option<&Identity>) -> io::Result<Self> {
        let name = format!("deskhand-{}", hex::encode(random::<8>().map_err(io::Error::other)?));
        let path = base(identity)?.join(&name);
        std::fs::create_dir(&path)?;
        let folder = Self { path, name };
        if identity.is_none() || cfg!(unix) {
            machine::protect_folder(&folder.path)?;
        }
        Ok(folder)
    }

    /// Whoever runs the script may read it. The folder last: before that nobody else can put
    /// anything in the file's place. On Windows what is in their own folder is theirs.
    fn hand_over(&self, file: &Path, identity: Option<&Identity>) -> io::Result<()> {
        #[cfg(unix)]
        for path in [file, &self.path] {
            use std::os::unix::fs::{PermissionsExt, chown};
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o700))?;
            if let Some(identity) = identity {
                chown(path, Some(identity.uid()), None)?;
            }
        }
        let _ = (file, identity);
        Ok(())
    }
}

fn base(identity: Option<&Identity>) -> io::Result<PathBuf> {
    match identity {
        Some(identity) if cfg!(windows) => {
            let account =
                machine::account::find(identity.user(), None).map_err(io::Error::other)?;
            Ok(PathBuf::from(account.home).join("AppData").join("Local").join("Temp"))
        }
        _ => Ok(std::env::temp_dir()),
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!("{} is left over: {error}", self.path.display());
        }
    }
}

/// The last line that is not empty, of all that was written.
#[derive(Default)]
struct LastLine {
    tail: VecDeque<u8>,
}

impl LastLine {
    fn push(&mut self, bytes: &[u8]) {
        self.tail.extend(bytes);
        let over = self.tail.len().saturating_sub(4 * LINE_CHARS_MAX);
        self.tail.drain(..over);
    }

    fn text(&mut self) -> Option<String> {
        let text = machine::decode_output(self.tail.make_contiguous());
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(line.chars().take(LINE_CHARS_MAX).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        Script {
            text: text.to_owned(),
            engine: None,
            extension: None,
            timeout: Duration::from_secs(20),
            environment: BTreeMap::from([("GIVEN".to_owned(), "this".to_owned())]),
        }
    }

    async fn output(script: &Script) -> (Result<(), ScriptError>, String) {
        let mut all = Vec::new();
        let cancel = CancellationToken::new();
        let ended = run(script, None, &cancel, &mut |_, bytes| all.extend_from_slice(bytes)).await;
        (ended, String::from_utf8(all).unwrap())
    }

    #[test]
    fn engines_are_split_at_blanks_outside_quotation_marks() {
        for (line, expect) in [
            ("cmd.exe /c", vec!["cmd.exe", "/c"]),
            ("  /bin/sh  ", vec!["/bin/sh"]),
            (r#""C:\Program Files\x.exe" -File"#, vec![r"C:\Program Files\x.exe", "-File"]),
            (r#"x "" y"#, vec!["x", "", "y"]),
            ("", vec![]),
        ] {
            assert_eq!(split(line), expect, "{line}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn scripts_run_with_their_engine() {
        let (ended, said) = output(&script("echo hello $GIVEN; echo there >&2")).await;
        ended.unwrap();
        // Two pipes: which of them is read first is chance.
        let mut lines: Vec<&str> = said.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["hello this", "there"]);
        let with_engine = Script {
            engine: Some("/bin/sh -x".into()),
            extension: Some(".ext".into()),
            ..script("echo \"$0\" | grep -o 'script.ext'")
        };
        let (ended, said) = output(&with_engine).await;
        ended.unwrap();
        assert!(said.contains("script.ext\n"), "{said}");
        let (ended, said) = output(&script("#!/bin/cat\nmyself\n")).await;
        ended.unwrap();
        assert_eq!(said, "#!/bin/cat\nmyself\n");
    }

    /// A user who had the folder before the script is in it could put a link there.
    #[cfg(unix)]
    #[test]
    fn a_users_script_is_theirs_once_it_is_whole() {
        use std::os::unix::fs::MetadataExt;
        if !machine::identity::is_system() {
            eprintln!("skipped: only root runs scripts as others");
            return;
        }
        let nobody = machine::identity::resolve("nobody", "", None).unwrap();
        let folder = Folder::make(Some(&nobody)).unwrap();
        let of = |path: &Path| std::fs::metadata(path).map(|found| (found.uid(), found.mode()));
        assert_eq!(of(&folder.path).unwrap(), (0, 0o40_700));
        let file = folder.path.join("script.sh");
        write(&file, &script("true")).unwrap();
        folder.hand_over(&file, Some(&nobody)).unwrap();
        assert_eq!(of(&file).unwrap(), (nobody.uid(), 0o100_700));
        assert_eq!(of(&folder.path).unwrap(), (nobody.uid(), 0o40_700));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn failures_say_why() {
        let (ended, _) = output(&script("echo no room >&2\necho\nexit 7")).await;
        assert_eq!(ended.unwrap_err().to_string(), "it ended with exit code 7: no room");
        let missing = Script { engine: Some("/no/such/engine -q".into()), ..script("x") };
        let error = output(&missing).await.0.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("`/no/such/engine` was not found"), "{cause}");
        let asks = Script { timeout: Duration::from_millis(300), ..script("while :; do :; done") };
        let error = output(&asks).await.0.unwrap_err();
        assert!(matches!(error, ScriptError::TimedOut { .. }), "{error}");
        let (ended, said) = output(&script("read line && echo never")).await;
        assert!(ended.is_err() && said.is_empty(), "there is nobody to answer: {said}");
    }
}
