//! The machine that Wine pretends, as these tests use it: one at a time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use agent::application::{
    Answers, Considered, Document, Done, Driver, Event, Failure, Order, Place, Provide, Reason,
    Step, StepError, What,
};
use application::Part;
use machine::survey::FolderSource;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

static ALONE: Mutex<()> = Mutex::new(());

/// A driver with a folder of its own, on the one machine.
pub struct Machine {
    pub driver: Driver,
    /// Whose part it works on.
    pub part: Part,
    folder: TempDir,
    source: PathBuf,
    _runtime: Runtime,
    _alone: MutexGuard<'static, ()>,
}

impl Machine {
    /// Applications take their files from `source`.
    pub fn new(source: &Path) -> Self {
        Self::with_state_in(tempfile::tempdir().unwrap(), source)
    }

    /// With its state in a folder of a disk that matters.
    pub fn with_state_in(folder: TempDir, source: &Path) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = Runtime::new().unwrap();
        let place = Place::of(None, Some(&folder.path().join("applications"))).unwrap();
        let driver = Driver::open(place, runtime.handle().clone()).unwrap();
        let (part, source) = (Part::Machine, source.to_owned());
        Self { driver, part, folder, source, _runtime: runtime, _alone: alone }
    }

    /// Where nothing of the driver lies.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What distributing a document would do.
    pub fn consider(&self, text: &str) -> Step {
        match self.considered(text).unwrap() {
            Considered::Step(step) => *step,
            other => panic!("{other:?}"),
        }
    }

    pub fn considered(&self, text: &str) -> Result<Considered, StepError> {
        let parsed = format::parse_application(text);
        let application = parsed.application.unwrap_or_else(|| panic!("{:?}", parsed.problems));
        let document = Document { text: text.to_owned(), application };
        let digests = self.driver.digests();
        let order = Order {
            document: &document,
            source: &FolderSource::new(&self.source, &*digests),
            part: &self.part,
            reason: Reason::Asked,
            force: false,
            answers: &Answers::default(),
        };
        self.driver.consider(&order)
    }

    pub fn distribute(&mut self, text: &str) -> Result<Done, Failure> {
        let step = self.consider(text);
        self.carry_out(&step)
    }

    /// What differs from the only record.
    pub fn verify(&self) -> Step {
        let digests = self.driver.digests();
        let source = FolderSource::new(&self.source, &*digests);
        let step = self.driver.verify(&self.driver.records()[0], &source).unwrap();
        assert_eq!(step.what, What::Verify);
        step
    }

    /// Takes away what the only record is about.
    pub fn uninstall(&mut self) -> Done {
        let step = self.driver.uninstall(&self.driver.records()[0], false).unwrap();
        let done = self.carry_out(&step).unwrap();
        assert!(self.driver.records().is_empty());
        done
    }

    pub fn carry_out(&mut self, step: &Step) -> Result<Done, Failure> {
        let digests = self.driver.digests();
        let source = FolderSource::new(&self.source.clone(), &*digests);
        self.carry_out_from(step, &source)
    }

    pub fn carry_out_from(&mut self, step: &Step, source: &dyn Provide) -> Result<Done, Failure> {
        assert!(!step.is_refused(), "{:?}", step.plan.findings);
        let mut tell = |event: Event| match event {
            Event::Output { bytes, .. } => print!("{}", String::from_utf8_lossy(&bytes)),
            event => println!("{event:?}"),
        };
        self.driver.carry_out(step, source, &mut tell, &CancellationToken::new())
    }
}

/// What `reg` says; nothing where it says that there is no such thing.
pub fn reg(words: &[&str]) -> Option<String> {
    let output = Command::new("reg").args(words).output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A value's type and data, in `reg`'s words.
pub fn value(key: &str, name: &str) -> Option<String> {
    let told = match name {
        "" => reg(&["query", key, "/ve"])?,
        name => reg(&["query", key, "/v", name])?,
    };
    let line = told.lines().find_map(|line| line.split_once("    REG_"))?;
    let (kind, data) = line.1.split_once("    ").unwrap_or((line.1, ""));
    Some(format!("{kind} {}", data.trim_end()))
}

/// Of a path of the system that Wine runs on.
pub fn outside(variable: &str) -> PathBuf {
    let path = std::env::var(variable);
    let path = path.unwrap_or_else(|_| panic!("{variable} is not set: `cargo xtask windows`"));
    PathBuf::from(format!("Z:{}", path.replace('/', "\\")))
}
