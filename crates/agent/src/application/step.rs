//! One step: everything that distributing, repairing or uninstalling one part of an application
//! will do, as a value.
//!
//! Making a step reads the machine and changes nothing. Texts are expanded by then and nothing in
//! it is left to be chosen; carrying it out fails where the machine is no longer what it was.

use std::collections::BTreeMap;
use std::time::Duration;

use application::encoding::{CodePage, Convention};
use application::macros::{MacroError, Macros};
use application::{
    Application, Finding, Given, Leave, Occasion, Part, Plan, ProcessEnd, Reboot, Rights, Severity,
    Survey, Text, Unconfirmed, Wish,
};
use model::ApplicationId;

use super::driver::{Driver, SurveyPartError};
use super::packages::{self, PackageError, PackageStep};
use super::provide::Provide;
use super::records::{Reason, Record};
use super::script::{self, Script};
use super::set;
use crate::clock::{civil_now, now};

/// A document and the text that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub text: String,
    pub application: Application,
}

impl Document {
    /// Findings about an item begin with its line.
    fn located(&self, mut plan: Plan) -> Plan {
        if plan.findings.iter().all(|finding| finding.place.is_none()) {
            return plan;
        }
        let parsed = format::parse_application(&self.text);
        for finding in &mut plan.findings {
            let line = finding.group.zip(finding.place);
            if let Some(line) = line.and_then(|(group, place)| parsed.line(group, place)) {
                finding.message = format!("line {line}: {}", finding.message);
            }
        }
        plan
    }
}

/// What people or a policy say to what a document leaves open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// To prompted macros, by their names.
    pub macros: BTreeMap<String, String>,
    /// To files that are confirmed one by one, by their paths.
    pub confirmed: BTreeMap<String, bool>,
    /// All files that nobody was asked about are written.
    pub confirm_all: bool,
}

/// What shall be here.
#[derive(Clone, Copy)]
pub struct Order<'o> {
    pub document: &'o Document,
    pub source: &'o dyn Provide,
    pub part: &'o Part,
    pub reason: Reason,
    /// All of it anew, whatever version is here.
    pub force: bool,
    pub answers: &'o Answers,
}

/// What came of looking at an order.
#[derive(Debug)]
pub enum Considered {
    Step(Box<Step>),
    /// A later version is here.
    LeftAlone {
        installed: u16,
    },
    /// Rules that do not hold, in words.
    Unavailable {
        why: Vec<String>,
    },
    /// It is not here any more.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Distribute,
    /// Only what is distributed each time: this version is here.
    Again,
    /// What is on record is looked at, and put right where it differs.
    Verify,
    Uninstall,
}

/// What will be done, item by item.
#[derive(Debug)]
pub struct Step {
    pub what: What,
    pub name: String,
    /// The version that is here.
    pub installed: Option<u16>,
    pub plan: Plan,
    pub packages: Vec<PackageStep>,
    pub reboot: Reboot,
    pub prompt_reboot: bool,
    pub(super) ends: Vec<Ending>,
    pub(super) before: Option<Script>,
    pub(super) after: Option<Script>,
    /// Whose rights scripts run with; the system's when none.
    pub(super) run_as: Option<String>,
    /// As it will be, or was.
    pub(super) record: Record,
}

/// A program that is ended first, with its macros expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    Process(String),
    Service(String),
}

/// Why there is no step.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Part(#[from] SurveyPartError),
    #[error("a macro in {place} stands for nothing")]
    Macro { place: &'static str, source: MacroError },
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("`{name}` is needed by {}; uninstall those first, or say `--force`", .by.join(", "))]
    Needed { name: String, by: Vec<String> },
    #[error("`{name}` may not be uninstalled: its document says so (`uninstall: allowed`)")]
    NotAllowed { name: String },
    #[error(
        "the document of `{name}` on record is not understood by this version of the program; \
         distribute the application again first"
    )]
    Document { name: String },
}

impl StepError {
    /// Of `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Part(_) | Self::Package(_) => "DH-U004",
            Self::Macro { .. } => "DH-P001",
            Self::Needed { .. } | Self::NotAllowed { .. } => "DH-U006",
            Self::Document { .. } => "DH-U005",
        }
    }
}

impl Step {
    /// Nothing on the machine will be touched, but perhaps the record.
    pub fn changes_nothing(&self) -> bool {
        !self.is_a_change() && self.before.is_none() && self.after.is_none()
    }

    /// Something is not as it should be, whatever scripts do besides.
    pub(super) fn is_a_change(&self) -> bool {
        let idle = self.packages.iter().all(PackageStep::is_in_place);
        !self.plan.changes.is_empty() || !idle
    }

    /// Something in it forbids that it is carried out.
    pub fn is_refused(&self) -> bool {
        self.plan.is_refused()
    }

    /// Programs and scripts around the changes, each in words.
    pub fn around(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for end in &self.ends {
            all.push(match end {
                Ending::Process(name) => format!("end process {name}"),
                Ending::Service(name) => format!("stop service {name}"),
            });
        }
        let script = |which: &str, script: &Option<Script>| {
            let engine = script.as_ref()?.engine.as_deref().unwrap_or("the system's shell");
            Some(format!("run the script {which} with {engine}"))
        };
        all.extend(script("before", &self.before));
        all.extend(script("after", &self.after));
        all
    }

    pub fn id(&self) -> ApplicationId {
        self.record.id()
    }

    pub fn part(&self) -> &Part {
        &self.plan.part
    }
}

impl Driver {
    /// What has to be done for an order; changes nothing.
    pub fn consider(&self, order: &Order<'_>) -> Result<Considered, StepError> {
        let application = &order.document.application;
        let here = self.record(application.id, order.part);
        let installed = here.map(|record| record.installed.version);
        let what = match installed {
            _ if order.force => What::Distribute,
            Some(installed) if installed > application.version => {
                return Ok(Considered::LeftAlone { installed });
            }
            Some(installed) if installed == application.version => What::Again,
            _ => What::Distribute,
        };
        self.must_have_home(order.part)?;
        let survey = self.survey(order.part)?;
        let given = self.given(order.source, here, order.answers);
        let macros = Macros::new(application, &given, &survey);
        if let Some(availability) = &application.availability {
            let why = self.unavailable(availability, &macros, &survey);
            if !why.is_empty() {
                return Ok(Considered::Unavailable { why });
            }
        }
        let step = self.step(order, what, here, (&survey, &given, &macros))?;
        Ok(Considered::Step(Box::new(step)))
    }

    fn step(
        &self,
        order: &Order<'_>,
        what: What,
        here: Option<&Record>,
        (survey, given, macros): (&dyn Survey, &Given, &Macros<'_>),
    ) -> Result<Step, StepError> {
        let application = &order.document.application;
        let others = self.others(application.id, order.part);
        let wish = Wish {
            application,
            part: order.part,
            occasion: if what == What::Again { Occasion::Again } else { Occasion::Distribute },
            installed: here.map(|record| &record.installed),
            others: &others,
            given,
        };
        let mut plan = order.document.located(application::plan(&wish, survey, order.source));
        if what == What::Again && here.is_some_and(|here| here.document != order.document.text) {
            plan.findings.push(unraised(application));
        }
        let is_whole = what == What::Distribute || application.options.distribute_always;
        let acts = is_whole && acts_for(application, order.part);
        let packages = if acts {
            packages::plan(self, application, order.source, macros)?
        } else {
            Vec::new()
        };
        let ends = if acts { endings(&application.end, macros)? } else { Vec::new() };
        let script = |text, place| match acts {
            true => scripted(application, order.part, text, macros, place),
            false => Ok(None),
        };
        let record = Record {
            installed: application::Installed {
                application: application.id,
                name: application.name.clone(),
                version: application.version,
                part: order.part.clone(),
                at: now(),
                answers: plan.answers.clone(),
                owns: Vec::new(),
            },
            document: order.document.text.clone(),
            source: order.source.folder().map(|folder| folder.to_string_lossy().into_owned()),
            reason: here.map_or(order.reason, |here| earlier(here.reason, order.reason)),
            packages: here.map(|here| here.packages.clone()).unwrap_or_default(),
        };
        Ok(Step {
            what,
            name: application.name.clone(),
            installed: here.map(|here| here.installed.version),
            packages,
            reboot: application.options.reboot,
            prompt_reboot: application.options.asks_before_restart(),
            ends,
            before: script(&application.scripts.before, "the script before")?,
            after: script(&application.scripts.after, "the script after")?,
            run_as: run_as(application, order.part),
            record,
            plan,
        })
    }

    /// What differs from what is on record, with the changes that would put it right.
    pub fn verify(&self, record: &Record, source: &dyn Provide) -> Result<Step, StepError> {
        let document = self.document(record)?;
        let part = &record.installed.part;
        let survey = self.survey(part)?;
        let given = self.given(source, Some(record), &Answers::default());
        let macros = Macros::new(&document.application, &given, &survey);
        let others = self.others(record.id(), part);
        let wish = Wish {
            application: &document.application,
            part,
            occasion: Occasion::Verify,
            installed: Some(&record.installed),
            others: &others,
            given: &given,
        };
        let plan = document.located(application::plan(&wish, &survey, source));
        let packages = if acts_for(&document.application, part) {
            packages::plan(self, &document.application, source, &macros)?
        } else {
            Vec::new()
        };
        Ok(self.plain(What::Verify, &document.application, record, plan, packages))
    }

    /// What uninstalling one part will do. With `force` also where the document or another
    /// application forbids it.
    pub fn uninstall(&self, record: &Record, force: bool) -> Result<Step, StepError> {
        let name = || record.installed.name.clone();
        let part = &record.installed.part;
        let document = self.document(record)?;
        let application = &document.application;
        if !force {
            let by = set::needed_by(record.id(), &self.records);
            if !by.is_empty() && *part == Part::Machine {
                return Err(StepError::Needed { name: name(), by });
            }
            if !application.uninstall.allowed {
                return Err(StepError::NotAllowed { name: name() });
            }
        }
        let survey = self.survey(part)?;
        let given =
            Given { source_path: record.source.clone(), ..self.given_nothing(Some(record)) };
        let macros = Macros::new(application, &given, &survey);
        let others = self.others(record.id(), part);
        let how = &application.uninstall;
        let leave = Leave { record: &record.installed, others: &others, how, given: &given };
        let plan = application::uninstall(&leave, &survey);
        let acts = acts_for(application, part);
        let script = |text, place| match acts {
            true => scripted(application, part, text, &macros, place),
            false => Ok(None),
        };
        let scripts = &application.scripts;
        let (before, after) = (
            script(&scripts.before_uninstall, "the script before uninstalling")?,
            script(&scripts.after_uninstall, "the script after uninstalling")?,
        );
        let ends = if acts { endings(&application.uninstall.end, &macros)? } else { Vec::new() };
        let packages = packages::removal(self, record, application, &macros)?;
        let step = self.plain(What::Uninstall, application, record, plan, packages);
        Ok(Step { ends, before, after, run_as: run_as(application, part), ..step })
    }

    fn plain(
        &self,
        what: What,
        application: &Application,
        record: &Record,
        plan: Plan,
        packages: Vec<PackageStep>,
    ) -> Step {
        Step {
            what,
            name: record.installed.name.clone(),
            installed: Some(record.installed.version),
            plan,
            packages,
            reboot: application.options.reboot,
            prompt_reboot: application.options.asks_before_restart(),
            ends: Vec::new(),
            before: None,
            after: None,
            run_as: None,
            record: record.clone(),
        }
    }

    fn document(&self, record: &Record) -> Result<Document, StepError> {
        let unknown = || StepError::Document { name: record.installed.name.clone() };
        let application = record.application().ok_or_else(unknown)?;
        Ok(Document { text: record.document.clone(), application })
    }

    fn given(&self, source: &dyn Provide, here: Option<&Record>, answers: &Answers) -> Given {
        let mut given = self.given_nothing(here);
        given.answers.extend(answers.macros.clone());
        given.confirmed = answers.confirmed.clone();
        if answers.confirm_all {
            given.unconfirmed = Unconfirmed::Copy;
        }
        given.source_path = source.folder().map(|folder| folder.to_string_lossy().into_owned());
        given
    }

    fn given_nothing(&self, here: Option<&Record>) -> Given {
        let answers = here.map(|here| here.installed.answers.iter().cloned().collect());
        Given {
            answers: answers.unwrap_or_default(),
            confirmed: BTreeMap::new(),
            unconfirmed: Unconfirmed::Skip,
            attributes: BTreeMap::new(),
            source_path: None,
            now: civil_now(),
            convention: convention(),
            launcher: self.place.launcher().cloned(),
            kept_bytes_max: self.kept_bytes_max,
        }
    }
}

/// How texts of this machine are written that do not say it themselves.
fn convention() -> Convention {
    let Some(number) = machine::ansi_code_page() else { return Convention::LINUX };
    let code_page = CodePage::by_number(number);
    Convention::windows(code_page.unwrap_or(CodePage::WINDOWS_1252))
}

/// Whether scripts, packages and the ending of programs belong to this part.
fn acts_for(application: &Application, part: &Part) -> bool {
    (*part == Part::Machine) == (application.options.rights == Rights::System)
}

fn run_as(application: &Application, part: &Part) -> Option<String> {
    match (application.options.rights, part) {
        (Rights::User, Part::User(name)) => Some(name.clone()),
        _ => None,
    }
}

/// Whoever asked for it once wants it to stay.
fn earlier(here: Reason, now: Reason) -> Reason {
    if here == Reason::Asked { here } else { now }
}

fn unraised(application: &Application) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: "DH-P020",
        group: None,
        place: None,
        message: format!(
            "the document has changed since version {} of it was distributed; raise its version \
             to distribute what is new in it",
            application.version
        ),
    }
}

fn endings(ends: &[ProcessEnd], macros: &Macros<'_>) -> Result<Vec<Ending>, StepError> {
    let expand = |text: &Text| {
        let failed = |source| StepError::Macro { place: "what is ended first", source };
        macros.expand(text).map_err(failed)
    };
    ends.iter()
        .map(|end| match end {
            ProcessEnd::Process(name) => Ok(Ending::Process(expand(name)?)),
            ProcessEnd::Service(name) => Ok(Ending::Service(expand(name)?)),
        })
        .collect()
}

fn scripted(
    application: &Application,
    part: &Part,
    script: &Option<application::DistributionScript>,
    macros: &Macros<'_>,
    place: &'static str,
) -> Result<Option<Script>, StepError> {
    let Some(script) = script else { return Ok(None) };
    let expand =
        |text: &Text| macros.expand(text).map_err(|source| StepError::Macro { place, source });
    let user = match part {
        Part::Machine => String::new(),
        Part::User(name) => name.clone(),
    };
    let timeout = script.timeout.map(|span| Duration::from_millis(span.as_millis()));
    Ok(Some(Script {
        text: expand(&script.text)?,
        engine: script.engine.as_ref().map(expand).transpose()?,
        extension: script.extension.clone(),
        timeout: timeout.unwrap_or(script::TIMEOUT),
        environment: BTreeMap::from([
            ("DESKHAND_APPLICATION".to_owned(), application.name.clone()),
            ("DESKHAND_VERSION".to_owned(), application.version.to_string()),
            ("DESKHAND_USER".to_owned(), user),
        ]),
    }))
}
