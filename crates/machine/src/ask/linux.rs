//! Questions on Linux, by the dialogue programs of its desktops.

use std::collections::BTreeMap;

use super::{Answer, Question};
use crate::identity::{self, Identity, LOGGED_ON_USER};
use crate::process::{Command, ExecuteEnd, ExecuteError, ExecuteSpec, Visibility, Waiting};

/// In the order they are tried.
const PROGRAMS: [fn(&Question) -> Dialogue; 3] = [zenity, kdialog, xmessage];

/// A program that shows a question, and what its exit codes mean.
struct Dialogue {
    words: Vec<String>,
    answer: fn(u32) -> Answer,
}

pub(super) async fn ask(question: &Question) -> Answer {
    let found = tokio::task::spawn_blocking(|| identity::resolve(LOGGED_ON_USER, "", None)).await;
    let Ok(Ok(user)) = found else { return Answer::NobodyThere };
    for program in PROGRAMS {
        if let Some(answer) = show(program(question), &user, question).await {
            return answer;
        }
    }
    Answer::NobodyThere
}

/// `None` where the program is not there.
async fn show(dialogue: Dialogue, user: &Identity, question: &Question) -> Option<Answer> {
    let spec = ExecuteSpec {
        command: Command::List(dialogue.words),
        folder: None,
        environment: BTreeMap::new(),
        visibility: Visibility::Default,
        waiting: Waiting::ForTheEnd,
        timeout: Some(question.timeout),
        effect: "question".to_owned(),
    };
    let never = std::future::pending();
    let mut said = Vec::new();
    let ended = crate::execute_as(&spec, Some(user), never, |_, bytes| {
        said.extend_from_slice(&bytes[..bytes.len().min(SAID_BYTES_MAX - said.len())]);
    });
    match ended.await {
        Ok(ExecuteEnd::Exited { code: NOT_FOUND }) => None,
        // By its exit code that is a No.
        Ok(ExecuteEnd::Exited { .. }) if has_no_display(&said) => Some(Answer::NobodyThere),
        Ok(ExecuteEnd::Exited { code }) => Some((dialogue.answer)(code)),
        Ok(_) => Some(Answer::None),
        Err(ExecuteError::NotFound { .. }) => None,
        Err(_) => Some(Answer::NobodyThere),
    }
}

/// Of shells and `runuser`: there is no such program.
const NOT_FOUND: u32 = 127;

const SAID_BYTES_MAX: usize = 4096;

fn has_no_display(said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said);
    said.contains("open display") || said.contains("connect to display")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn zenity(question: &Question) -> Dialogue {
    let Question { title, text, .. } = question;
    let mut words = words(&["zenity", "--question", "--no-markup", "--title", title]);
    words.extend(["--text".to_owned(), text.clone()]);
    Dialogue { words, answer: yes_no }
}

fn kdialog(question: &Question) -> Dialogue {
    let words = words(&["kdialog", "--title", &question.title, "--yesno", &question.text]);
    Dialogue { words, answer: yes_no }
}

fn yes_no(code: u32) -> Answer {
    match code {
        0 => Answer::Yes,
        1 => Answer::No,
        _ => Answer::NobodyThere,
    }
}

/// Its own code when it cannot be shown is 1, so the answers have others.
fn xmessage(question: &Question) -> Dialogue {
    let buttons = ["xmessage", "-center", "-buttons", "Yes:101,No:102", "-title"];
    let mut words = words(&buttons);
    words.extend([question.title.clone(), question.text.clone()]);
    let answer = |code| match code {
        101 => Answer::Yes,
        102 => Answer::No,
        0 => Answer::None,
        _ => Answer::NobodyThere,
    };
    Dialogue { words, answer }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn questions_are_put_into_words_of_their_own() {
        let question = Question {
            title: "Viewer".into(),
            text: "Install \"it\"? $HOME; <b>".into(),
            timeout: Duration::from_secs(1),
        };
        for program in PROGRAMS {
            let dialogue = program(&question);
            assert!(dialogue.words.contains(&question.text), "{:?}", dialogue.words);
            assert!(dialogue.words.contains(&question.title));
        }
        assert_eq!((xmessage(&question).answer)(101), Answer::Yes);
        assert_eq!((xmessage(&question).answer)(1), Answer::NobodyThere);
        assert!(has_no_display(b"Gtk-WARNING **: cannot open display: :7"));
        assert_eq!((zenity(&question).answer)(1), Answer::No);
    }
}
