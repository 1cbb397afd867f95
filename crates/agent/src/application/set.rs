//! Which applications of a set come first: those that others need (AP-18).

use std::collections::BTreeSet;

use application::Application;
use model::ApplicationId;

use super::records::{Reason, Record};

/// An application that can be distributed here.
#[derive(Debug, Clone, Copy)]
pub struct Offered<'a> {
    pub application: &'a Application,
    /// Its place in the list that it comes from.
    pub at: usize,
}

/// One application of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub at: usize,
    pub reason: Reason,
    /// Those that need it may be distributed without.
    pub may_fail: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    #[error(
        "`{by}` needs {}, which is neither here nor offered; name its file with `--with`",
        named(.name.as_deref(), .id)
    )]
    Missing { by: String, id: ApplicationId, name: Option<String> },
    #[error("`{name}` needs itself, by way of {way}")]
    Cycle { name: String, way: String },
}

fn named(name: Option<&str>, id: &ApplicationId) -> String {
    name.map_or_else(|| format!("the application {id}"), |name| format!("`{name}` ({id})"))
}

/// The first of the offered, after those of the others that it needs and that are not here.
pub fn in_order(offered: &[Offered<'_>], records: &[Record]) -> Result<Vec<Member>, SetError> {
    let mut walk = Walk { offered, records, done: BTreeSet::new(), way: Vec::new(), order: vec![] };
    if let Some(first) = offered.first() {
        walk.visit(first, Reason::Asked, false)?;
    }
    Ok(walk.order)
}

struct Walk<'w> {
    offered: &'w [Offered<'w>],
    records: &'w [Record],
    done: BTreeSet<ApplicationId>,
    /// From the first one to the one being looked at.
    way: Vec<&'w Application>,
    order: Vec<Member>,
}

impl<'w> Walk<'w> {
    fn visit(
        &mut self,
        one: &'w Offered<'w>,
        reason: Reason,
        may_fail: bool,
    ) -> Result<(), SetError> {
        let application = one.application;
        if self.way.iter().any(|above| above.id == application.id) {
            let names: Vec<&str> = self.way.iter().skip(1).map(|one| one.name.as_str()).collect();
            let (name, way) = (application.name.clone(), names.join(", "));
            return Err(SetError::Cycle { name, way });
        }
        if !self.done.insert(application.id) {
            return Ok(());
        }
        self.way.push(application);
        for needed in &application.dependencies {
            let may_fail = may_fail || needed.continue_if_it_fails;
            let found = self.offered.iter().find(|one| one.application.id == needed.application);
            match found {
                Some(found) => self.visit(found, Reason::Needed, may_fail)?,
                None if self.is_here(needed.application) || may_fail => {}
                None => {
                    return Err(SetError::Missing {
                        by: application.name.clone(),
                        id: needed.application,
                        name: needed.name.clone(),
                    });
                }
            }
        }
        self.way.pop();
        self.order.push(Member { at: one.at, reason, may_fail });
        Ok(())
    }

    fn is_here(&self, id: ApplicationId) -> bool {
        self.records.iter().any(|record| record.id() == id)
    }
}

/// Names of the applications that are here and need this one.
pub(super) fn needed_by(id: ApplicationId, records: &[Record]) -> Vec<String> {
    let needs = |record: &&Record| {
        let application = record.application();
        record.id() != id
            && application
                .is_some_and(|one| one.dependencies.iter().any(|needed| needed.application == id))
    };
    let mut names: Vec<String> =
        records.iter().filter(needs).map(|record| record.installed.name.clone()).collect();
    names.dedup();
    names
}
