//! Making a plan: the items of a document, one after the other, on the ground that the earlier
//! ones left.
//!
//! Owns the order and what all groups share; what an item means is said by the module of its group.
//! Groups go in the order of the document: shortcuts, registry, files, INI, text. An item that
//! cannot be planned is a finding, and the others are planned all the same.

use std::collections::BTreeMap;

use model::registry::{Key, Root};

use super::ground::{Ground, GroundError};
use super::settle::Claim;
use super::{
    Finding, Given, Group, ItemPlace, Occasion, Outcome, Part, Plan, Planned, Question, Severity,
    Thing, Wish,
};
use crate::conflict::{self, Holders, Identity};
use crate::macros::{MacroError, Macros};
use crate::{Handling, Source, Survey, SurveyError, Text};

/// What becomes of a machine, or of one user's part of it, if an application is distributed.
pub fn plan(wish: &Wish<'_>, survey: &dyn Survey, source: &dyn Source) -> Plan {
    let mut planner = Planner::new(wish, survey, source);
    planner.plan_kind();
    planner.plan_shortcuts();
    planner.plan_launch();
    planner.plan_registry();
    planner.plan_files();
    planner.plan_ini();
    planner.plan_text();
    planner.finish()
}

pub(super) struct Planner<'p> {
    pub wish: Wish<'p>,
    pub macros: Macros<'p>,
    pub ground: Ground<'p>,
    pub items: Vec<Planned>,
    pub findings: Vec<Finding>,
    pub questions: Vec<Question>,
    pub reboot: Vec<String>,
    /// The item that is being planned, which what is claimed meanwhile comes of.
    pub item: Option<usize>,
    pub claims: Vec<(Group, Option<ItemPlace>, Claim)>,
    /// What this application's record says, by what it is about.
    pub recorded: BTreeMap<Identity, &'p Thing>,
    /// What other applications that stay answer for.
    pub others: Holders<'p>,
}

/// Why an item cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<MacroError> for Refusal {
    fn from(error: MacroError) -> Self {
        Self::new("DH-P001", error.to_string())
    }
}

impl From<SurveyError> for Refusal {
    fn from(error: SurveyError) -> Self {
        Self::new("DH-P005", error.to_string())
    }
}

impl From<GroundError> for Refusal {
    fn from(error: GroundError) -> Self {
        let code = match &error {
            GroundError::Survey(_) => "DH-P005",
            GroundError::Large { .. } => "DH-P010",
            _ => "DH-P003",
        };
        Self::new(code, error.to_string())
    }
}

/// What an item comes to.
pub struct Act {
    pub target: String,
    pub rule: &'static str,
    pub outcome: Outcome,
    pub changes: Vec<usize>,
}

impl<'p> Planner<'p> {
    pub fn new(wish: &Wish<'p>, survey: &'p dyn Survey, source: &'p dyn Source) -> Self {
        let family = survey.family();
        let owns = wish.installed.into_iter().flat_map(|record| &record.owns);
        let recorded = owns.map(|owned| (Identity::of(family, &owned.thing), &owned.thing));
        Self {
            recorded: recorded.collect(),
            others: Holders::new(family, conflict::beside(wish)),
            wish: *wish,
            macros: Macros::new(wish.application, wish.given, survey),
            ground: Ground::new(survey, source),
            items: Vec::new(),
            findings: Vec::new(),
            questions: Vec::new(),
            reboot: Vec::new(),
            item: None,
            claims: Vec::new(),
        }
    }

    pub fn given(&self) -> &'p Given {
        self.wish.given
    }

    pub fn expand(&self, text: &Text) -> Result<String, Refusal> {
        Ok(self.macros.expand(text)?)
    }

    /// Whether an item is looked at: by the occasion, and by whose part it belongs to.
    pub fn wants(&self, handling: Handling, is_of_user: bool) -> bool {
        let always = handling.distribute_always || self.wish.application.options.distribute_always;
        let now = always || self.wish.occasion != Occasion::Again;
        let of_user = is_of_user || handling.track_per_user;
        now && of_user == matches!(self.wish.part, Part::User(_))
    }

    pub fn names_user<'t>(&self, texts: impl IntoIterator<Item = &'t Text>) -> bool {
        texts.into_iter().any(|text| self.macros.belongs_to_user(text))
    }

    /// By its root, as far as that can be told.
    pub fn is_key_of_user(&self, key: &Text) -> bool {
        let expanded = self.macros.expand(key).unwrap_or_else(|_| key.as_str().to_owned());
        let root = expanded.split('\\').next().and_then(Root::by_name);
        root == Some(Root::CurrentUser) || self.macros.belongs_to_user(key)
    }

    pub fn put(&mut self, group: Group, place: ItemPlace, act: Act) {
        let Act { target, rule, outcome, changes } = act;
        self.items.push(Planned { group, place, target, rule, outcome, changes });
    }

    pub fn refuse(&mut self, group: Group, place: ItemPlace, refusal: Refusal) {
        self.find(Severity::Error, group, place, refusal);
    }

    pub fn warn(&mut self, group: Group, place: ItemPlace, refusal: Refusal) {
        self.find(Severity::Warning, group, place, refusal);
    }

    fn find(&mut self, severity: Severity, group: Group, place: ItemPlace, refusal: Refusal) {
        let Refusal { code, message } = refusal;
        let (group, place) = (Some(group), Some(place));
        self.findings.push(Finding { severity, code, group, place, message });
    }

    pub fn claim(&mut self, group: Group, claim: Claim) {
        self.claims.push((group, self.item.map(|item| (item, None)), claim));
    }

    pub fn claim_folders(&mut self, group: Group, folders: Vec<String>) {
        folders.into_iter().for_each(|path| self.claim(group, Claim::Folder { path }));
    }

    pub fn claim_keys(&mut self, group: Group, keys: Vec<Key>) {
        keys.into_iter().for_each(|key| self.claim(group, Claim::Key { key }));
    }
}
