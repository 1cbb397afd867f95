//! Offers of new versions: who released them is checked, the program fetched, verified and laid
//! ready.
//!
//! Nothing is fetched that the release keys have not signed for this platform, and nothing older
//! than what was taken before. Decides no trial; that is the supervisor's.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use trust::{Refusal, Release, ReleaseFile, Signed, TrustDocument};
use wire::{FromAgent, Update, UpdateNews, UpdateState};

use super::{Ended, Staged, Switch, folder, place, platform, program};
use crate::clock::now;
use crate::dial::Dialer;
use crate::driver::Input;
use crate::state::write_durable;
use crate::transfer::fetch_release;

/// A trial shorter than this would end before a machine under load has connected.
const WITHIN_MS_MIN: u64 = 1_000;

/// Why an offer is not taken.
#[derive(Debug, thiserror::Error)]
enum Declined {
    #[error("this agent runs without its supervisor (`run --supervise`) and cannot change itself")]
    Unsupervised,
    #[error("the release is not to be trusted: {0}")]
    NotTrusted(#[from] Refusal),
    #[error("the release has no program for {0}")]
    Platform(String),
    #[error("the release is older than one that this machine has taken; sign it anew to go back")]
    Old,
}

/// The agent's part in updates, kept by its driver.
pub(crate) struct Updates {
    state: PathBuf,
    is_supervised: bool,
    dialer: Arc<Dialer>,
    inputs: mpsc::Sender<Input>,
    /// The trial that this process is, until it was confirmed.
    trial: Option<Staged>,
    last: Option<Ended>,
    current: Option<String>,
    fetching: Option<(String, JoinHandle<()>)>,
    staged: Option<Staged>,
}

impl Updates {
    pub(crate) fn open(
        state: &Path,
        is_supervised: bool,
        dialer: Arc<Dialer>,
        inputs: mpsc::Sender<Input>,
    ) -> Self {
        let switch = Switch::load(state);
        Self {
            state: state.to_owned(),
            is_supervised,
            dialer,
            inputs,
            trial: switch.on_trial().filter(|_| is_supervised).cloned(),
            current: switch.current_digest().map(str::to_owned),
            last: switch.last,
            fetching: None,
            staged: None,
        }
    }

    /// A version lies ready: at the next moment when nothing would be interrupted the agent ends.
    pub(crate) fn is_ready(&self) -> bool {
        self.staged.is_some()
    }

    /// A server has welcomed this agent; the news it is to be told.
    pub(crate) fn linked(&mut self) -> Option<FromAgent> {
        if let Some(trial) = self.trial.take() {
            let path = folder(&self.state).join("confirmed");
            if let Err(error) = write_durable(&path, trial.update.as_bytes()) {
                tracing::error!("{} cannot be written: {error}", path.display());
                self.trial = Some(trial);
                return None;
            }
            tracing::info!("version {} is back", trial.version);
            self.current = Some(trial.digest);
            let (update, version) = (trial.update, trial.version);
            self.last = Some(Ended { update, version, failed: None });
        }
        self.news()
    }

    fn news(&self) -> Option<FromAgent> {
        if let Some(staged) = &self.staged {
            return Some(said(&staged.update, UpdateState::Staged, ""));
        }
        self.last.as_ref().map(|ended| match &ended.failed {
            None => said(&ended.update, UpdateState::Done, ""),
            Some(why) => said(&ended.update, UpdateState::FellBack, why),
        })
    }

    /// An offer; the answer, where it is known already.
    pub(crate) fn hear(&mut self, offer: &Update, trust: &TrustDocument) -> Option<FromAgent> {
        let is_known = |update: Option<&str>| update == Some(offer.id.as_str());
        if is_known(self.last.as_ref().map(|ended| ended.update.as_str()))
            || is_known(self.staged.as_ref().map(|staged| staged.update.as_str()))
        {
            return self.news();
        }
        if is_known(self.fetching.as_ref().map(|(update, _)| update.as_str())) {
            return None;
        }
        match self.consider(offer, trust) {
            Ok((_, _, file)) if self.current == Some(file.digest.to_string()) => {
                Some(said(&offer.id, UpdateState::Done, "it was in use already"))
            }
            Ok((version, made_at, file)) => {
                self.fetch(offer, version, made_at, file);
                None
            }
            Err(declined) => {
                let why = declined.to_string();
                tracing::warn!("a new version is not taken: {why}");
                Some(said(&offer.id, UpdateState::Refused, &why))
            }
        }
    }

    fn consider(
        &self,
        offer: &Update,
        trust: &TrustDocument,
    ) -> Result<(String, Timestamp, ReleaseFile), Declined> {
        if !self.is_supervised {
            return Err(Declined::Unsupervised);
        }
        let signed = Signed::decode(&offer.release).map_err(Refusal::from)?;
        let release = Release::verify(&signed, trust, now())?;
        if release.made_at() < newest(&self.state) {
            return Err(Declined::Old);
        }
        let platform = platform();
        match release.files().get(&platform) {
            Some(file) => Ok((release.version().to_owned(), release.made_at(), *file)),
            None => Err(Declined::Platform(platform)),
        }
    }

    fn fetch(&mut self, offer: &Update, version: String, made_at: Timestamp, file: ReleaseFile) {
        if let Some((_, former)) = self.fetching.take() {
            former.abort();
        }
        let staged = Staged {
            update: offer.id.clone(),
            version,
            digest: file.digest.to_string(),
            within_ms: offer.within.as_millis().max(WITHIN_MS_MIN),
        };
        tracing::info!("fetching version {}", staged.version);
        let (state, dialer, inputs) =
            (self.state.clone(), self.dialer.clone(), self.inputs.clone());
        let task = tokio::spawn(async move {
            let laid = lay_ready(&state, dialer, &staged, made_at, file).await;
            let result = laid.map(|()| staged.clone()).map_err(|error| error.to_string());
            // Without a driver the agent is ending, and the offer comes again.
            let _ending = inputs.send(Input::Staged { update: staged.update, result }).await;
        });
        self.fetching = Some((offer.id.clone(), task));
    }

    /// What became of fetching; the news of it.
    pub(crate) fn staged(
        &mut self,
        update: &str,
        result: Result<Staged, String>,
    ) -> Option<FromAgent> {
        self.fetching.take_if(|(fetched, _)| fetched == update)?;
        match result {
            Ok(staged) => {
                tracing::info!("version {} lies ready for its trial", staged.version);
                self.staged = Some(staged);
                self.news()
            }
            Err(why) => {
                tracing::error!("a new version cannot be fetched: {why}");
                Some(said(update, UpdateState::Refused, &why))
            }
        }
    }
}

fn said(update: &str, state: UpdateState, reason: &str) -> FromAgent {
    FromAgent::Update(UpdateNews { id: update.to_owned(), state, reason: reason.to_owned() })
}

/// When the newest release that was taken here was made.
fn newest(state: &Path) -> Timestamp {
    let text = std::fs::read_to_string(folder(state).join("newest")).unwrap_or_default();
    text.trim().parse().map_or(Timestamp::EPOCH, Timestamp::from_millis)
}

/// Fetches and verifies the program; durable when it returns.
async fn lay_ready(
    state: &Path,
    dialer: Arc<Dialer>,
    staged: &Staged,
    made_at: Timestamp,
    file: ReleaseFile,
) -> io::Result<()> {
    let to = program(state, &place(&staged.version, &staged.digest));
    let in_folder = folder(state);
    tokio::fs::create_dir_all(to.parent().unwrap_or(&in_folder)).await?;
    fetch_release(dialer, file, &to).await?;
    write_durable(&in_folder.join("newest"), made_at.as_millis().to_string().as_bytes())?;
    let bytes = serde_json::to_vec_pretty(staged).unwrap_or_default();
    write_durable(&in_folder.join("staged.json"), &bytes)
}
