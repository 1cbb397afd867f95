//! Shutdown: the machine restarts, or is made ready to be switched off.
//!
//! The plan file says for which boot of the machine it was. A restart is over when the machine has
//! another one; until then it is ordered again by each life of the agent. A machine that is to be
//! switched off goes down only after its run was handed back, by [`power_off`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use machine::power::{Descent, Power, PowerError, PowerWish};
use model::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use workflow::{Event, Report};

use super::{interrupted, sentence};
use crate::clock::now;
use crate::state::write_durable;

/// How long a machine may take to go down. Services may take their time to stop.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What a Shutdown asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descending {
    pub(crate) wish: PowerWish,
    pub(crate) delay: Span,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the machine's power is not in these hands: an enrolled agent restarts it")]
    NoPower,
    #[error("which boot of the machine this is cannot be learned")]
    Boot(#[source] io::Error),
    #[error("{} cannot be {what}", .path.display())]
    Plan { path: PathBuf, what: &'static str, source: io::Error },
    #[error("{} is damaged", .path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error(transparent)]
    Power(#[from] PowerError),
    #[error(
        "the machine was told to go down {} minutes ago and is still on",
        PATIENCE.as_secs() / 60
    )]
    StillOn,
    #[error("the agent failed in this activity: {0}")]
    Agent(String),
}

/// What is kept, so that the next life knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Prepared {
    boot: String,
    due_ms: i64,
    powers_off: bool,
    message: Option<String>,
    force: bool,
}

impl Prepared {
    fn wish(&self) -> PowerWish {
        PowerWish {
            descent: if self.powers_off { Descent::PowerOff } else { Descent::Restart },
            message: self.message.clone(),
            force: self.force,
        }
    }
}

/// The power, for calls that may block.
type Held = Arc<dyn Power>;

pub(super) async fn run(
    power: Option<&Held>,
    descending: Descending,
    plan: Option<PathBuf>,
    cancel: &CancellationToken,
) -> Report {
    match try_run(power, descending, plan, cancel).await {
        Ok(report) => report,
        Err(error) => Report::error(sentence(&error)),
    }
}

async fn try_run(
    power: Option<&Held>,
    Descending { wish, delay }: Descending,
    plan: Option<PathBuf>,
    cancel: &CancellationToken,
) -> Result<Report, Failure> {
    let (Some(power), Some(path)) = (power, plan) else { return Err(Failure::NoPower) };
    let boot = boot_id(power).await?;
    let due = match read(&path)? {
        Some(prepared) if prepared.boot != boot => return Ok(Report::of(Event::Ok)),
        Some(prepared) => Timestamp::from_millis(prepared.due_ms),
        None => {
            let due = now() + delay;
            keep(&path, &wish, boot, due)?;
            due
        }
    };
    // Never more than was asked for, however the clock was set meanwhile.
    let left = due.since(now()).as_duration().min(delay.as_duration());
    if !left.is_zero() || wish.message.is_some() {
        let told = wish.clone();
        blocking(power, move |power| power.announce(&told, left)).await?;
    }
    tokio::select! {
        () = tokio::time::sleep(left) => {}
        () = cancel.cancelled() => {
            blocking(power, move |power| power.call_off(&wish)).await?;
            return Ok(interrupted());
        }
    }
    if wish.descent == Descent::PowerOff {
        return Ok(Report::of(Event::Ok));
    }
    go(power, wish).await?;
    // The system ends this agent; the next one finds another boot.
    tokio::select! {
        () = tokio::time::sleep(PATIENCE) => Err(Failure::StillOn),
        () = cancel.cancelled() => Ok(interrupted()),
    }
}

/// Switches the machine off as a Shutdown prepared it. Returns when the machine is on: it was
/// started anew since, or nothing was prepared. An error says why it stays on.
pub(super) async fn power_off(power: Option<&Held>, path: &Path) -> Result<(), Failure> {
    let Some(prepared) = read(path)? else { return Ok(()) };
    let power = power.ok_or(Failure::NoPower)?;
    if prepared.boot != boot_id(power).await? {
        return Ok(());
    }
    go(power, prepared.wish()).await?;
    tokio::time::sleep(PATIENCE).await;
    Err(Failure::StillOn)
}

async fn go(power: &Held, wish: PowerWish) -> Result<(), Failure> {
    tracing::info!("the machine goes down now ({:?})", wish.descent);
    Ok(blocking(power, move |power| power.go(&wish)).await??)
}

async fn boot_id(power: &Held) -> Result<String, Failure> {
    blocking(power, |power| power.boot_id()).await?.map_err(Failure::Boot)
}

async fn blocking<T: Send + 'static>(
    power: &Held,
    call: impl FnOnce(&dyn Power) -> T + Send + 'static,
) -> Result<T, Failure> {
    let power = power.clone();
    let done = tokio::task::spawn_blocking(move || call(&*power)).await;
    done.map_err(|error| Failure::Agent(error.to_string()))
}

fn read(path: &Path) -> Result<Option<Prepared>, Failure> {
    let damaged = |source| Failure::Damaged { path: path.to_owned(), source };
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(damaged),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Failure::Plan { path: path.to_owned(), what: "read", source }),
    }
}

fn keep(path: &Path, wish: &PowerWish, boot: String, due: Timestamp) -> Result<(), Failure> {
    let prepared = Prepared {
        boot,
        due_ms: due.as_millis(),
        powers_off: wish.descent == Descent::PowerOff,
        message: wish.message.clone(),
        force: wish.force,
    };
    let bytes = serde_json::to_vec(&prepared)
        .map_err(|source| Failure::Damaged { path: path.to_owned(), source })?;
    write_durable(path, &bytes).map_err(|source| Failure::Plan {
        path: path.to_owned(),
        what: "written",
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A power that only writes down what it is asked.
    #[derive(Debug, Default)]
    struct Recorder {
        boot: Mutex<u32>,
        asked: Mutex<Vec<String>>,
        refuses: bool,
        gone: tokio::sync::Notify,
    }

    impl Recorder {
        fn note(&self, text: String) {
            self.asked.lock().unwrap().push(text);
        }

        fn asked(&self) -> Vec<String> {
            std::mem::take(&mut *self.asked.lock().unwrap())
        }
    }

    impl Power for Recorder {
        fn boot_id(&self) -> io::Result<String> {
            Ok(self.boot.lock().unwrap().to_string())
        }

        fn announce(&self, wish: &PowerWish, after: Duration) {
            let seconds = after.as_secs_f64().ceil();
            self.note(format!("announce {:?} {seconds}", wish.message));
        }

        fn call_off(&self, _wish: &PowerWish) {
            self.note("call off".into());
        }

        fn go(&self, wish: &PowerWish) -> Result<(), PowerError> {
            if self.refuses {
                return Err(PowerError::Refused { why: "apt is at work".into() });
            }
            self.note(format!("go {:?} force={}", wish.descent, wish.force));
            self.gone.notify_one();
            Ok(())
        }
    }

    struct Scene {
        power: Arc<Recorder>,
        folder: tempfile::TempDir,
    }

    impl Scene {
        fn new(power: Recorder) -> Self {
            Self { power: Arc::new(power), folder: tempfile::tempdir().unwrap() }
        }

        fn plan(&self) -> PathBuf {
            self.folder.path().join("1.1.plan")
        }

        async fn run(&self, what: Descending, cancel: &CancellationToken) -> Report {
            let power: Held = self.power.clone();
            run(Some(&power), what, Some(self.plan()), cancel).await
        }

        /// Until the machine was told to go down; then the agent dies.
        async fn run_until_gone(&self, what: Descending) {
            let cancel = CancellationToken::new();
            tokio::select! {
                report = self.run(what, &cancel) => panic!("{report:?}"),
                () = self.power.gone.notified() => {}
            }
        }
    }

    fn wish(descent: Descent, delay_ms: u64) -> Descending {
        let wish = PowerWish { descent, message: Some("Updates".into()), force: true };
        Descending { wish, delay: Span::from_millis(delay_ms) }
    }

    #[tokio::test]
    async fn a_restart_is_over_when_the_machine_has_another_boot() {
        let scene = Scene::new(Recorder::default());
        scene.run_until_gone(wish(Descent::Restart, 1)).await;
        let first = scene.power.asked();
        assert_eq!(first.last().unwrap(), "go Restart force=true");
        assert!(first[0].starts_with("announce Some(\"Updates\")"), "{first:?}");
        // The agent died and the machine did not: it is told again.
        scene.run_until_gone(wish(Descent::Restart, 1)).await;
        assert_eq!(scene.power.asked().last().unwrap(), "go Restart force=true");
        *scene.power.boot.lock().unwrap() += 1;
        let report = scene.run(wish(Descent::Restart, 1), &CancellationToken::new()).await;
        assert_eq!((report.event, report.note), (Event::Ok, None));
        assert_eq!(scene.power.asked(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_cancelled_restart_is_called_off() {
        let scene = Scene::new(Recorder::default());
        let cancel = CancellationToken::new();
        cancel.cancel();
        let report = scene.run(wish(Descent::Restart, 60_000), &cancel).await;
        assert_eq!(report.event, Event::Interrupted);
        assert_eq!(scene.power.asked(), ["announce Some(\"Updates\") 60", "call off"]);
    }

    #[tokio::test]
    async fn a_machine_is_switched_off_only_when_it_is_asked_for_that() {
        let scene = Scene::new(Recorder::default());
        let power: Held = scene.power.clone();
        assert!(power_off(Some(&power), &scene.plan()).await.is_ok(), "nothing is prepared");
        let cancel = CancellationToken::new();
        let report = scene.run(wish(Descent::PowerOff, 0), &cancel).await;
        assert_eq!(report.event, Event::Ok);
        assert!(!scene.power.asked().iter().any(|asked| asked.starts_with("go")));
        let path = scene.plan();
        tokio::select! {
            done = power_off(Some(&power), &path) => panic!("{done:?}"),
            () = scene.power.gone.notified() => {}
        }
        assert_eq!(scene.power.asked(), ["go PowerOff force=true"]);
        *scene.power.boot.lock().unwrap() += 1;
        assert!(power_off(Some(&power), &path).await.is_ok());
        assert_eq!(scene.power.asked(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_fails_is_told() {
        let scene = Scene::new(Recorder { refuses: true, ..Recorder::default() });
        let cancel = CancellationToken::new();
        let told = scene.run(wish(Descent::Restart, 0), &cancel).await.note.unwrap();
        assert!(told.contains("apt is at work") && told.contains("`force`"), "{told}");
        let none = run(None, wish(Descent::Restart, 0), Some(scene.plan()), &cancel).await;
        assert!(none.note.unwrap().contains("enrolled agent"));
        std::fs::write(scene.plan(), b"{").unwrap();
        let told = scene.run(wish(Descent::Restart, 0), &cancel).await.note.unwrap();
        assert!(told.contains("damaged"), "{told}");
    }
}
