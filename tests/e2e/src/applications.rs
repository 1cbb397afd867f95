//! Applications of a fleet: published, and asked how they stand.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{Fleet, until};

impl Fleet {
    /// What a command prints, which has to succeed.
    pub fn print_of(&self, args: &[&str]) -> Result<String> {
        let output = self.run(args)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{args:?}: {errors}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub fn publish(&self, name: &str, text: &str) -> Result<String> {
        let file = self.workflow(name, text)?;
        self.print_of(&["app", "publish", &file.to_string_lossy()])
    }

    /// The states of an application, once they are as asked for.
    pub fn until_state(
        &self,
        app: &str,
        mut is_so: impl FnMut(&[Value]) -> bool,
    ) -> Result<Vec<Value>> {
        let mut last = Value::Null;
        let found = until("the application to stand so", || {
            last = self.json(["app", "state", "--app", app, "--json"]).ok()?;
            let states = last.as_array()?;
            is_so(states).then(|| states.clone())
        });
        found.with_context(|| format!("{last:#}\n{}", self.logs()))
    }
}
