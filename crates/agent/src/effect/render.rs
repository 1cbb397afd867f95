//! From an activity and what templates may speak of to something the machine can do.

use std::collections::BTreeMap;
use std::path::Path;

use machine::power::{Descent, PowerWish};
use machine::{
    CaseRule, ExecuteSpec, Filter, FilterError, Operation, Options, Spot, SpotError, Visibility,
    Waiting,
};
use wire::content::Wish;
use workflow::{
    ApplicationAction, Command, Context, EffectId, Execute, FileMove, FolderList, Impersonate,
    Kind, Logging, RenderError, RunAs, Shutdown, ShutdownMethod, Template,
};

use super::shutdown::Descending;
use crate::transfer::{Download, Upload};

/// Environment variables made of outputs are cut here; programs that need more read files.
const VARIABLE_BYTES_MAX: usize = 16 << 10;
/// All of them together: systems refuse to start a program whose environment is too large.
const VARIABLES_BYTES_MAX: usize = 256 << 10;

/// Something to be done, nothing in it left to be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    Execute {
        spec: ExecuteSpec,
        log: Logging,
    },
    Files(Operation),
    Upload(Upload),
    Download(Download),
    /// The user to be found; none for the agent itself.
    Impersonate(Option<RunAs>),
    Registry {
        script: String,
    },
    Shutdown(Descending),
    /// By name.
    Application(String, ApplicationAction),
    /// It is the server's.
    Elsewhere,
    NotYet(String),
}

/// Parameters that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TaskError {
    #[error("a parameter cannot be rendered: {0}")]
    Render(#[from] RenderError),
    #[error(transparent)]
    Path(#[from] SpotError),
    #[error(transparent)]
    Filter(#[from] FilterError),
}

struct Renderer<'a> {
    context: &'a Context,
    root: Option<&'a Path>,
}

/// Renders every parameter; what cannot be known or makes no path is an error here, before anything
/// was done.
pub(crate) fn render(
    effect: EffectId,
    kind: &Kind,
    context: &Context,
    root: Option<&Path>,
) -> Result<Task, TaskError> {
    let with = Renderer { context, root };
    Ok(match kind {
        Kind::Execute(execute) => {
            Task::Execute { spec: with.execute(effect, execute)?, log: execute.log }
        }
        Kind::Upload { transfer, from_targets } => Task::Upload(Upload {
            from: with.text(&transfer.from)?,
            to: with.spot(&transfer.to)?,
            filter: with.filter(&transfer.filter)?,
            recursive: transfer.recursive,
            replace: transfer.replace,
            force: transfer.force,
            resume: transfer.resume,
            from_targets: *from_targets,
        }),
        Kind::Download(transfer) => Task::Download(Download {
            from: with.spot(&transfer.from)?,
            filter: with.filter(&transfer.filter)?,
            recursive: transfer.recursive,
            wish: with.wish(effect, transfer)?,
        }),
        Kind::Move(files) if !files.on_server => {
            Task::Files(Operation::Move(with.transfer(files)?))
        }
        Kind::Copy(files) if !files.on_server => {
            Task::Files(Operation::Copy(with.transfer(files)?))
        }
        Kind::Rename(rename) if !rename.on_server => Task::Files(Operation::Rename {
            current: with.spot(&rename.current)?,
            new: with.text(&rename.new)?,
            replace: rename.replace,
            force: rename.force,
        }),
        Kind::DeleteFiles { folder, filter, recursive, force, on_server: false } => {
            Task::Files(Operation::DeleteFiles {
                folder: with.spot(folder)?,
                filter: with.filter(filter)?,
                recursive: *recursive,
                force: *force,
            })
        }
        Kind::CreateFolders { folders, on_server: false } => {
            Task::Files(Operation::CreateFolders { folders: with.folders(folders)? })
        }
        Kind::DeleteFolders { folders, recursive, force, on_server: false } => {
            Task::Files(Operation::DeleteFolders {
                folders: with.folders(folders)?,
                recursive: *recursive,
                force: *force,
            })
        }
        Kind::Impersonate(impersonate) => Task::Impersonate(with.user(impersonate)?),
        Kind::Shutdown(shutdown) => Task::Shutdown(with.shutdown(shutdown)?),
        Kind::Registry { script } => Task::Registry { script: with.text(script)? },
        Kind::Application(one) => Task::Application(with.text(&one.application)?, one.action),
        Kind::NotYet { name } => Task::NotYet(name.clone()),
        _ => Task::Elsewhere,
    })
}

impl Renderer<'_> {
    fn text(&self, template: &Template) -> Result<String, RenderError> {
        template.render(self.context)
    }

    /// Where a script wants a download; that of an activity the server knows.
    fn wish(
        &self,
        effect: EffectId,
        transfer: &workflow::Transfer,
    ) -> Result<Option<Wish>, RenderError> {
        if effect.part == 0 {
            return Ok(None);
        }
        let to = self.text(&transfer.to)?;
        let workflow::Transfer { replace, force, resume, .. } = *transfer;
        Ok(Some(Wish { to, replace, force, resume }))
    }

    fn spot(&self, template: &Template) -> Result<Spot, TaskError> {
        Ok(Spot::absolute(self.text(template)?.trim(), self.root)?)
    }

    fn filter(&self, template: &Template) -> Result<Filter, TaskError> {
        Ok(Filter::parse(&self.text(template)?, CaseRule::OWN)?)
    }

    fn folders(&self, list: &FolderList) -> Result<Vec<Spot>, TaskError> {
        let texts: Vec<String> = match list {
            FolderList::Joined(template) => {
                self.text(template)?.split(';').map(|text| text.trim().to_owned()).collect()
            }
            FolderList::Each(templates) => {
                templates.iter().map(|template| self.text(template)).collect::<Result<_, _>>()?
            }
        };
        let named = texts.iter().filter(|text| !text.is_empty());
        let spots =
            named.map(|text| Spot::absolute(text, self.root)).collect::<Result<Vec<_>, _>>()?;
        if spots.is_empty() { Err(SpotError::Empty.into()) } else { Ok(spots) }
    }

    fn user(&self, impersonate: &Impersonate) -> Result<Option<RunAs>, RenderError> {
        let Some(user) = &impersonate.user else { return Ok(None) };
        let user = self.text(user)?.trim().to_owned();
        let domain = impersonate.domain.as_ref().map(|domain| self.text(domain)).transpose()?;
        let domain = domain.unwrap_or_default().trim().to_owned();
        Ok(Some(RunAs { user, domain, secret: impersonate.secret.clone() }))
    }

    fn shutdown(&self, shutdown: &Shutdown) -> Result<Descending, RenderError> {
        let message = shutdown.message.as_ref().map(|message| self.text(message)).transpose()?;
        let descent = match shutdown.method {
            ShutdownMethod::Restart => Descent::Restart,
            ShutdownMethod::PowerOff => Descent::PowerOff,
        };
        let message = message.filter(|message| !message.trim().is_empty());
        let wish = PowerWish { descent, message, force: shutdown.force };
        Ok(Descending { wish, delay: shutdown.delay })
    }

    fn transfer(&self, files: &FileMove) -> Result<machine::Transfer, TaskError> {
        Ok(machine::Transfer {
            from: self.spot(&files.from)?,
            to: self.spot(&files.to)?,
            filter: self.filter(&files.filter)?,
            options: Options {
                recursive: files.recursive,
                replace: files.replace,
                force: files.force,
            },
        })
    }

    fn execute(&self, effect: EffectId, execute: &Execute) -> Result<ExecuteSpec, TaskError> {
        let command = match &execute.command {
            Command::Shell(template) => machine::Command::Shell(self.text(template)?),
            Command::List(words) => machine::Command::List(
                words.iter().map(|word| self.text(word)).collect::<Result<_, _>>()?,
            ),
        };
        let folder = match &execute.folder {
            Some(template) => Some(self.spot(template)?.path()),
            None => None,
        };
        let mut environment = outputs(self.context);
        if let Some(root) = self.root {
            environment.insert("DESKHAND_ROOT".into(), root.to_string_lossy().into_owned());
        }
        for (name, template) in &execute.environment {
            environment.insert(name.clone(), self.text(template)?);
        }
        Ok(ExecuteSpec {
            command,
            folder,
            environment,
            visibility: match execute.visibility {
                workflow::Visibility::Default => Visibility::Default,
                workflow::Visibility::Shown => Visibility::Shown,
                workflow::Visibility::Hidden => Visibility::Hidden,
            },
            waiting: if execute.synchronous { Waiting::ForTheEnd } else { Waiting::ForTheStart },
            timeout: None,
            effect: effect.to_string(),
        })
    }
}

/// Outputs as environment variables: without zeros, which no environment can hold, and cut where
/// they would keep a program from starting.
fn outputs(context: &Context) -> BTreeMap<String, String> {
    let mut room = VARIABLES_BYTES_MAX;
    let mut kept = BTreeMap::new();
    for (name, mut value) in context.environment() {
        value.retain(|c| c != '\0');
        value.truncate(value.floor_char_boundary(VARIABLE_BYTES_MAX));
        let size = name.len() + value.len() + 2;
        if size <= room {
            room -= size;
            kept.insert(name, value);
        }
    }
    kept
}
