//! Which applications of a set come first: those that others need (AP-18).

use std::collections::BTreeSet;

use application::{Application, Dependency};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub at: usize,
    pub reason: Reason,
    /// The first one can be distributed without.
    pub may_fail: bool,
    /// What it cannot be distributed without.
    pub needs: Vec<ApplicationId>,
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

/// The first of the offered, after those of the others that it needs and that are not here. What
/// needs something that nobody offers is left out where the first can be distributed without.
pub fn in_order(offered: &[Offered<'_>], records: &[Record]) -> Result<Vec<Member>, SetError> {
    let mut walk = Walk { offered, records, done: BTreeSet::new(), way: Vec::new(), order: vec![] };
    let Some(first) = offered.first() else { return Ok(Vec::new()) };
    walk.visit(first)?;
    let needed = walk.needed(first);
    let mut members = Vec::new();
    let mut lacking: BTreeSet<ApplicationId> = BTreeSet::new();
    for one in &walk.order {
        let id = one.application.id;
        let may_fail = !needed.contains(&id);
        let without =
            |need: &&Dependency| lacking.contains(&need.application) || !walk.is_known(need);
        match needs(one.application).find(without) {
            Some(_) if may_fail => drop(lacking.insert(id)),
            Some(need) => {
                let (by, id) = (one.application.name.clone(), need.application);
                return Err(SetError::Missing { by, id, name: need.name.clone() });
            }
            None => members.push(Member {
                at: one.at,
                reason: if one.at == first.at { Reason::Asked } else { Reason::Needed },
                may_fail,
                needs: needs(one.application).map(|need| need.application).collect(),
            }),
        }
    }
    Ok(members)
}

/// What an application cannot do without.
fn needs(application: &Application) -> impl Iterator<Item = &Dependency> {
    application.dependencies.iter().filter(|need| !need.continue_if_it_fails)
}

struct Walk<'w> {
    offered: &'w [Offered<'w>],
    records: &'w [Record],
    done: BTreeSet<ApplicationId>,
    /// From the first one to the one being looked at.
    way: Vec<&'w Application>,
    order: Vec<&'w Offered<'w>>,
}

impl<'w> Walk<'w> {
    fn visit(&mut self, one: &'w Offered<'w>) -> Result<(), SetError> {
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
        for need in &application.dependencies {
            if let Some(found) = self.offer(need.application) {
                self.visit(found)?;
            }
        }
        self.way.pop();
        self.order.push(one);
        Ok(())
    }

    /// The first one, and all that it cannot be distributed without.
    fn needed(&self, first: &'w Offered<'w>) -> BTreeSet<ApplicationId> {
        let mut needed = BTreeSet::new();
        let mut open = vec![first];
        while let Some(one) = open.pop() {
            if needed.insert(one.application.id) {
                let needs = needs(one.application);
                open.extend(needs.filter_map(|need| self.offer(need.application)));
            }
        }
        needed
    }

    fn offer(&self, id: ApplicationId) -> Option<&'w Offered<'w>> {
        self.offered.iter().find(|one| one.application.id == id)
    }

    fn is_known(&self, need: &Dependency) -> bool {
        self.offer(need.application).is_some() || self.is_here(need.application)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: char) -> String {
        format!("01890a5d-ac96-774b-bcce-b302099a80{:02x}", u32::from(letter))
    }

    /// `a: b c?`: a needs b, and c where that can be had.
    fn application(line: &str) -> Application {
        let (name, needs) = line.split_once(':').unwrap();
        let needs = needs.split_whitespace().map(|need| {
            let letter = need.chars().next().unwrap();
            let may_fail = need.ends_with('?');
            format!("{{ application: {}, continue_if_it_fails: {may_fail} }}", id(letter))
        });
        let needs: Vec<String> = needs.collect();
        let letter = name.chars().next().unwrap();
        let text = format!(
            "application: {name}\nid: {}\nversion: 1\ndependencies: [ {} ]\n",
            id(letter),
            needs.join(", ")
        );
        let parsed = format::parse_application(&text);
        parsed.application.unwrap_or_else(|| panic!("{:?}", parsed.problems))
    }

    /// Names in their order; with `?` those that the first can be distributed without.
    fn order(lines: &[&str]) -> String {
        let all: Vec<Application> = lines.iter().map(|line| application(line)).collect();
        let offered = all.iter().enumerate().map(|(at, application)| Offered { application, at });
        match in_order(&offered.collect::<Vec<_>>(), &[]) {
            Ok(members) => {
                let told = members.iter().map(|member| {
                    let mark = if member.may_fail { "?" } else { "" };
                    format!("{}{mark}", all[member.at].name)
                });
                told.collect::<Vec<_>>().join(" ")
            }
            Err(SetError::Missing { by, .. }) => format!("{by} lacks"),
            Err(SetError::Cycle { name, .. }) => format!("{name} by itself"),
        }
    }

    #[test]
    fn what_is_needed_comes_first() {
        for (lines, expect) in [
            (&["a: b c", "b: c", "c:"][..], "c b a"),
            (&["a: b? c", "b:", "c: b"][..], "b c a"),
            (&["a: b?", "b: c", "c:"][..], "c? b? a"),
            (&["a: b? c", "b: c", "c:"][..], "c b? a"),
            (&["a: b", "b: a"][..], "a by itself"),
            (&["a: b c", "b:"][..], "a lacks"),
            (&["a: c?", "b:"][..], "a"),
            // What lacks something is not distributed without.
            (&["a: b?", "b: c"][..], "a"),
            (&["a: b? d?", "b: c", "d: b"][..], "a"),
            (&["a: b? d", "b: c", "d: b"][..], "b lacks"),
        ] {
            assert_eq!(order(lines), expect, "{lines:?}");
        }
    }
}
