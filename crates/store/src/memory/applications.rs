//! Applications in memory: their laws and how they are listed.

use std::collections::BTreeMap;

use model::{ApplicationId, ComputerId};

use super::State;
use crate::rows::{Application, ApplicationState, Assigned, Association, WantedHead, WantedSet};
use crate::store::{Page, StateFilter, StateKey};
use crate::write::{FIRST, name_key};
use crate::{Refusal, Write};

impl State {
    /// Whatever is not about applications was carried out before.
    pub(super) fn apply_to_applications(&mut self, write: Write) -> Result<(), Refusal> {
        match write {
            Write::PutApplication(row) => self.put_application(row)?,
            Write::RemoveApplication(id) => self.remove_application(id)?,
            Write::PutAssociation(row) => self.put_association(row)?,
            Write::RemoveAssociation { application, to } => {
                self.remove_association(application, to)?;
            }
            Write::PutWantedSet(row) => self.put_wanted_set(row)?,
            Write::WantedSetTaken { computer, serial } => self.take_wanted_set(computer, serial),
            Write::SignWantedSets { serial, envelope } => self.sign_wanted_sets(serial, &envelope),
            Write::PutApplicationState(row) => self.put_application_state(row)?,
            Write::RemoveApplicationState { computer, application, user } => {
                self.states.remove(&(computer, application, user));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn revisions_of(
        &self,
        id: ApplicationId,
    ) -> impl DoubleEndedIterator<Item = &Application> {
        self.applications.range((id, 0)..=(id, u64::MAX)).map(|(_, row)| row)
    }

    pub(super) fn latest_applications(&self) -> Vec<Application> {
        let latest: BTreeMap<_, _> = self.applications.values().map(|row| (row.id, row)).collect();
        let mut all: Vec<_> = latest.into_values().cloned().collect();
        all.sort_by_cached_key(|row| name_key(&row.name));
        all
    }

    pub(super) fn sorted_associations(&self) -> Vec<Association> {
        let mut all: Vec<_> = self.associations.values().cloned().collect();
        all.sort_by_cached_key(|row| (row.application, row.to.kind(), row.to.name()));
        all
    }

    pub(super) fn wanted_heads(&self) -> Vec<WantedHead> {
        let head = |row: &WantedSet| {
            let WantedSet { computer, serial, taken, .. } = *row;
            WantedHead { computer, serial, leaf: row.leaf.clone(), taken }
        };
        self.wanted_sets.values().map(head).collect()
    }

    pub(super) fn application_states(
        &self,
        filter: &StateFilter,
        page: &Page<StateKey>,
    ) -> Vec<ApplicationState> {
        let is_meant = |row: &&ApplicationState| {
            filter.computer.is_none_or(|computer| row.computer == computer)
                && filter.application.is_none_or(|application| row.application == application)
        };
        let rows = self.states.range(..).filter(|(key, _)| Some(*key) > page.after.as_ref());
        let rows = rows.map(|(_, row)| row).filter(is_meant);
        rows.take(page.limit as usize).cloned().collect()
    }

    fn put_application(&mut self, row: Application) -> Result<(), Refusal> {
        let last = self.revisions_of(row.id).next_back().map(|last| last.revision);
        let (expected, got) = (last.map_or(FIRST, |last| last + 1), row.revision);
        if got != expected {
            return Err(Refusal::PublicationGap { name: row.name, expected, got });
        }
        let key = name_key(&row.name);
        let latest = self.latest_applications();
        let mut others = latest.iter().filter(|other| other.id != row.id);
        if let Some(other) = others.find(|other| name_key(&other.name) == key) {
            return Err(Refusal::NameTaken { name: row.name, by: other.id.to_string() });
        }
        self.applications.put((row.id, got), row);
        Ok(())
    }

    fn remove_application(&mut self, id: ApplicationId) -> Result<(), Refusal> {
        let revisions: Vec<u64> = self.revisions_of(id).map(|row| row.revision).collect();
        if revisions.is_empty() {
            return Err(Refusal::NoApplication(id));
        }
        if self.associations.values().any(|row| row.application == id) {
            return Err(Refusal::ApplicationInUse(id));
        }
        for revision in revisions {
            self.applications.remove(&(id, revision));
        }
        Ok(())
    }

    fn put_association(&mut self, row: Association) -> Result<(), Refusal> {
        let id = row.application;
        if self.revisions_of(id).next().is_none() {
            return Err(Refusal::NoApplication(id));
        }
        self.associations.put((id, row.to.clone()), row);
        Ok(())
    }

    fn remove_association(
        &mut self,
        application: ApplicationId,
        to: Assigned,
    ) -> Result<(), Refusal> {
        let (kind, name, key) = (to.kind(), to.name(), (application, to));
        if self.associations.get(&key).is_none() {
            return Err(Refusal::NoAssociation { application, kind, name });
        }
        self.associations.remove(&key);
        Ok(())
    }

    fn put_wanted_set(&mut self, row: WantedSet) -> Result<(), Refusal> {
        let computer = row.computer;
        if self.computers.get(&computer).is_none() {
            return Err(Refusal::NoComputer(computer));
        }
        let held = self.wanted_sets.get(&computer).map_or(0, |held| held.serial);
        if row.serial <= held {
            return Err(Refusal::SerialWentBack { computer, held, got: row.serial });
        }
        self.wanted_sets.put(computer, row);
        Ok(())
    }

    fn take_wanted_set(&mut self, computer: ComputerId, serial: u64) {
        if let Some(row) = self.wanted_sets.get(&computer).cloned() {
            self.wanted_sets.put(computer, WantedSet { taken: serial, ..row });
        }
    }

    fn sign_wanted_sets(&mut self, serial: u64, envelope: &[u8]) {
        let of_it: Vec<WantedSet> =
            self.wanted_sets.values().filter(|row| row.serial == serial).cloned().collect();
        for row in of_it {
            self.wanted_sets.put(row.computer, WantedSet { envelope: envelope.to_vec(), ..row });
        }
    }

    fn put_application_state(&mut self, row: ApplicationState) -> Result<(), Refusal> {
        if self.computers.get(&row.computer).is_none() {
            return Err(Refusal::NoComputer(row.computer));
        }
        let key = (row.computer, row.application, row.user.clone());
        if self.states.get(&key).is_none_or(|held| held.at <= row.at) {
            self.states.put(key, row);
        }
        Ok(())
    }

    /// What goes with a computer.
    pub(super) fn forget_applications_of(&mut self, computer: ComputerId) {
        self.wanted_sets.remove(&computer);
        let keys: Vec<StateKey> = self
            .states
            .range(..)
            .map(|(key, _)| key.clone())
            .filter(|key| key.0 == computer)
            .collect();
        for key in keys {
            self.states.remove(&key);
        }
    }
}
