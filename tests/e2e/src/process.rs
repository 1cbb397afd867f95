//! A process of a test's own, ended by its id when it is dropped.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    log: PathBuf,
    is_over: bool,
}

impl Child {
    /// Starts it with both outputs appended to `log`.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let name = command.get_program().to_owned();
        let child = command.spawn().with_context(|| format!("cannot start {}", name.display()))?;
        Ok(Self { child, log: log.to_owned(), is_over: false })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for its end, which must be a success.
    pub fn finish(mut self) -> Result<()> {
        let status = self.child.wait()?;
        self.is_over = true;
        if !status.success() {
            bail!("it ended with {status}:\n{}", self.log());
        }
        Ok(())
    }

    /// Asks it to end and waits until it has.
    pub fn terminate(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status()?;
        if !asked.success() {
            bail!("process {id} is gone:\n{}", self.log());
        }
        let status = self.child.wait()?;
        self.is_over = true;
        if !status.success() {
            bail!("asked to end, it ended with {status}:\n{}", self.log());
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_over {
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }
}
