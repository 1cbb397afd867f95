//! One order being carried out: whoever is there is asked first where that is wished, then the
//! hands do it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use application::Part;
use application::keeper::{Ended, Order};
use machine::power::{Descent, Power, PowerWish};
use machine::{Answer, Question};
use model::ApplicationId;
use tokio_util::sync::CancellationToken;

use super::hands::{Came, Hands, HandsError, unasked};
use crate::application::{Answers, Document, Reason};
use crate::effect::sentence;

/// How long whoever was asked is waited for.
const ANSWER: Duration = Duration::from_secs(5 * 60);
/// Between the word that the machine restarts and its restart.
const NOTICE: Duration = Duration::from_secs(60);

pub(super) struct Doing {
    pub(super) hands: Hands,
    pub(super) power: Option<Arc<dyn Power>>,
    pub(super) document: Option<Arc<Document>>,
    pub(super) source: Option<PathBuf>,
    pub(super) asks: Asks,
}

/// What whoever is there is asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    Nothing,
    /// About files that want to be confirmed.
    Files,
    /// Whether it may be done at all; then about those files.
    Whole,
    /// They have said No not long ago.
    Declined,
}

impl Doing {
    pub(super) async fn carry_out(self, order: &Order) -> Ended {
        match order {
            Order::Restart { .. } => self.restart().await,
            Order::Uninstall { application, part } => {
                let (hands, id, part) = (self.hands, *application, part.clone());
                let done = blocking(move || hands.uninstall(id, &part, &CancellationToken::new()));
                match done.await {
                    Ok(done) => Ended::Uninstalled { restart: done.restart },
                    // Whoever took it away by hand has done what was to be done.
                    Err(HandsError::NotHere) => Ended::Uninstalled { restart: None },
                    Err(error) => Ended::Failed { why: error.in_words() },
                }
            }
            Order::Verify { application, part, repair } => {
                self.verify(*application, part.clone(), *repair).await
            }
            Order::Distribute { part, .. } => self.distribute(part.clone()).await,
        }
    }

    async fn distribute(self, part: Part) -> Ended {
        let Some((document, source)) = self.document.clone().zip(self.source.clone()) else {
            return Ended::Failed { why: "its files are not here".to_owned() };
        };
        let is_declined = match self.asks {
            Asks::Declined => true,
            Asks::Whole => !agreed(&offer(&document)).await,
            Asks::Files | Asks::Nothing => false,
        };
        if is_declined {
            return Ended::Declined;
        }
        let answers = match self.asks {
            Asks::Nothing => Ok(unasked()),
            _ => self.confirm(&document, &source, &part).await,
        };
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => return Ended::Failed { why: error.in_words() },
        };
        let hands = self.hands;
        let done = blocking(move || {
            let cancel = CancellationToken::new();
            hands.distribute(&document, &source, &part, (Reason::Asked, &answers), &cancel)
        });
        match done.await {
            Ok(Came::InPlace { version, restart, .. }) => Ended::InPlace { version, restart },
            Ok(Came::Unavailable(why)) => Ended::Unavailable { why },
            Err(error) => Ended::Failed { why: error.in_words() },
        }
    }

    /// Asks about each file that wants it; what nobody says No to is written.
    async fn confirm(
        &self,
        document: &Arc<Document>,
        source: &Path,
        part: &Part,
    ) -> Result<Answers, HandsError> {
        let (hands, of) = (self.hands.clone(), (document.clone(), source.to_owned(), part.clone()));
        let paths = blocking(move || hands.to_confirm(&of.0, &of.1, &of.2)).await?;
        let questions = paths.into_iter().map(|(path, question)| {
            let text = format!("{}\n\n{question}", document.application.name);
            let title = document.application.name.clone();
            (path, Question { title, text, timeout: ANSWER })
        });
        let confirmed = one_by_one(questions, machine::ask).await;
        Ok(Answers { confirmed, ..unasked() })
    }

    async fn verify(self, application: ApplicationId, part: Part, repair: bool) -> Ended {
        let Some(source) = self.source else {
            return Ended::Failed { why: "its files are not here".to_owned() };
        };
        let hands = self.hands;
        let done = blocking(move || {
            hands.verify(application, &part, &source, repair, &CancellationToken::new())
        });
        match done.await {
            Ok(found) => {
                for line in &found.differs {
                    let what = if found.remains { "differs" } else { "was put right" };
                    tracing::info!("{application}: {line} ({what})");
                }
                let remaining = if found.remains { found.differs.len() } else { 0 };
                let drift = u32::try_from(remaining).unwrap_or(u32::MAX);
                Ended::Verified { drift, restart: found.restart }
            }
            Err(error) => Ended::Failed { why: error.in_words() },
        }
    }

    async fn restart(self) -> Ended {
        let Some(power) = self.power else {
            return Ended::Failed { why: "this agent may not restart its machine".to_owned() };
        };
        let question = Question {
            title: "Restart".to_owned(),
            text: "Programs were installed that need a restart of this computer. Restart it now?"
                .to_owned(),
            timeout: ANSWER,
        };
        if self.asks == Asks::Whole && !agreed(&question).await {
            return Ended::Declined;
        }
        let wish = PowerWish { descent: Descent::Restart, message: None, force: false };
        power.announce(&wish, NOTICE);
        tokio::time::sleep(NOTICE).await;
        match power.go(&wish) {
            Ok(()) => Ended::Restarting,
            Err(error) => Ended::Failed { why: sentence(&error) },
        }
    }
}

/// All parts on record: an application may have taken the place of others.
pub(super) async fn places(hands: Hands) -> Option<BTreeSet<(ApplicationId, Part)>> {
    let (here, _) = blocking(move || hands.on_record()).await.ok()?;
    Some(here.into_iter().map(|one| (one.application, one.part)).collect())
}

fn offer(document: &Document) -> Question {
    let application = &document.application;
    let described = application.description.as_deref().map(|text| format!("\n\n{text}"));
    let text = format!(
        "{} is to be installed on this computer.{}\n\nInstall it now?",
        application.name,
        described.unwrap_or_default()
    );
    Question { title: application.name.clone(), text, timeout: ANSWER }
}

/// Only a no is a no: who does not answer does not keep a machine from what it should have.
async fn agreed(question: &Question) -> bool {
    machine::ask(question).await != Answer::No
}

/// Whoever leaves one question unanswered is not asked the others: each would be waited for.
async fn one_by_one(
    questions: impl Iterator<Item = (String, Question)>,
    ask: impl AsyncFn(&Question) -> Answer,
) -> BTreeMap<String, bool> {
    let mut confirmed = BTreeMap::new();
    for (path, question) in questions {
        match ask(&question).await {
            Answer::Yes => confirmed.insert(path, true),
            Answer::No => confirmed.insert(path, false),
            Answer::None | Answer::NobodyThere => break,
        };
    }
    confirmed
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HandsError> + Send + 'static,
) -> Result<T, HandsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(HandsError::Refused(vec![format!("the agent failed in this: {error}")])),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test]
    async fn whoever_has_gone_is_asked_no_more() {
        let question = |path: &str| {
            let (title, text) = (String::new(), path.to_owned());
            (path.to_owned(), Question { title, text, timeout: ANSWER })
        };
        for (gone, left) in [(Answer::None, 1), (Answer::NobodyThere, 1), (Answer::No, 0)] {
            let answers = RefCell::new(vec![Answer::Yes, gone, Answer::No, Answer::Yes]);
            let ask = async |_: &Question| answers.borrow_mut().pop().unwrap();
            let confirmed = one_by_one(["a", "b", "c", "d"].map(question).into_iter(), ask).await;
            assert_eq!(answers.borrow().len(), left);
            let mut expect = vec![("a".to_owned(), true), ("b".to_owned(), false)];
            if gone == Answer::No {
                expect.extend([("c".to_owned(), false), ("d".to_owned(), true)]);
            }
            assert_eq!(confirmed, expect.into_iter().collect());
        }
    }
}
