//! What was edited in files: values of INI files, lines of text files.

use std::collections::BTreeMap;

use model::Digest;

use super::{Leaving, Outcome, Refusal, Undone, changed, left, place, words};
use crate::Node;
use crate::encoding::Lines;
use crate::ini::IniText;
use crate::plan::ground::Written;
use crate::plan::{Prior, TextDone, Thing};

impl Leaving<'_> {
    /// File by file, for each is written once.
    pub fn undo_ini(&mut self) {
        let family = self.ground.family;
        let mut files: BTreeMap<String, (&str, Vec<usize>)> = BTreeMap::new();
        for (at, owned) in self.things() {
            if let Thing::Ini { path, .. }
            | Thing::IniSection { path, .. }
            | Thing::IniFile { path, .. } = &owned.thing
            {
                let id = place::folded(family, path).into_owned();
                files.entry(id).or_insert((path, Vec::new())).1.push(at);
            }
        }
        for (path, places) in files.into_values() {
            if let Err(refusal) = self.undo_ini_file(path, &places)
                && let Some(first) = places.first()
            {
                self.put(*first, Err(refusal));
            }
        }
    }

    fn undo_ini_file(&mut self, path: &str, places: &[usize]) -> Result<(), Refusal> {
        let owns = &self.leave.record.owns;
        let Some(bytes) = self.ground.read(path)? else {
            for at in places {
                self.put(*at, Ok((left("the file is not there any more"), Vec::new())));
            }
            return Ok(());
        };
        let whole = places.iter().find_map(|at| match &owns[*at].thing {
            Thing::IniFile { prior, ours, .. } => Some((*at, prior, *ours)),
            _ => None,
        });
        let is_ours = match whole {
            Some((_, _, ours)) => self.ground.digest(path)? == ours,
            None => false,
        };
        let is_wanted = |thing: &Thing| match thing {
            Thing::Ini { .. } => !self.holders.of(thing).is_empty(),
            _ => false,
        };
        // One that was made goes once nothing is in it, whoever wrote there.
        if let Some((_, prior, _)) = whole
            && is_ours
            && *prior != Prior::Absent
            && !places.iter().any(|at| is_wanted(&owns[*at].thing))
        {
            return self.put_ini_back(path, prior, places);
        }
        let made_file = whole.filter(|(_, prior, _)| **prior == Prior::Absent).map(|(at, ..)| at);
        self.undo_settings(path, &bytes, places, made_file)
    }

    fn put_ini_back(&mut self, path: &str, prior: &Prior, places: &[usize]) -> Result<(), Refusal> {
        let undone = match self.ground.node(path)? {
            Some(node) if *prior != Prior::Same => self.put_prior_back(path, &node, prior)?,
            _ => (Outcome::InPlace, Vec::new()),
        };
        for at in places {
            let outcome = match (&self.leave.record.owns[*at].thing, &undone.0) {
                (Thing::Ini { prior, ours, .. }, Outcome::Changed { .. }) if prior != ours => {
                    changed(words::values(ours), words::values(prior))
                }
                (Thing::Ini { .. }, _) => Outcome::InPlace,
                (_, outcome) => outcome.clone(),
            };
            let is_changed = matches!(outcome, Outcome::Changed { .. });
            let changes = if is_changed { undone.1.clone() } else { Vec::new() };
            self.put(*at, Ok((outcome, changes)));
        }
        Ok(())
    }

    fn undo_settings(
        &mut self,
        path: &str,
        bytes: &[u8],
        places: &[usize],
        made_file: Option<usize>,
    ) -> Result<(), Refusal> {
        let owns = &self.leave.record.owns;
        let mut text = IniText::parse(bytes, self.leave.given.convention);
        let mut outcomes = Vec::new();
        for at in places {
            if let thing @ Thing::Ini { .. } = &owns[*at].thing {
                outcomes.push((*at, self.undo_setting(thing, &mut text)?));
            }
        }
        for at in places {
            if let Thing::IniSection { section, .. } = &owns[*at].thing {
                let outcome = match text.remove_empty_section(section) {
                    true => changed("an empty section", words::ABSENT),
                    false if text.has_section(section) => left("something is in it"),
                    false => Outcome::InPlace,
                };
                outcomes.push((*at, outcome));
            }
        }
        let left_over = text.to_bytes();
        let is_empty = left_over.iter().all(u8::is_ascii_whitespace);
        let changes = match made_file {
            Some(at) if is_empty => {
                outcomes.push((at, changed("an INI file", words::ABSENT)));
                self.ground.remove(path)?.changes
            }
            made => {
                outcomes.extend(made.map(|at| (at, left("something is in it"))));
                match left_over == bytes {
                    true => Vec::new(),
                    false => self.ground.write(path, Written::bytes(left_over))?.changes,
                }
            }
        };
        for (at, outcome) in outcomes {
            let is_changed = matches!(outcome, Outcome::Changed { .. });
            let changes = if is_changed { changes.clone() } else { Vec::new() };
            self.put(at, Ok((outcome, changes)));
        }
        Ok(())
    }

    fn undo_setting(&self, thing: &Thing, text: &mut IniText) -> Result<Outcome, Refusal> {
        let Thing::Ini { section, name, prior, ours, path, above } = thing else {
            return Ok(Outcome::InPlace);
        };
        let same =
            |other: &Thing| matches!(other, Thing::Ini { ours: theirs, .. } if theirs == ours);
        if let Some(kept) = self.holder(thing, same) {
            return Ok(kept);
        }
        let now = text.values(section, name);
        if now == *prior {
            return Ok(Outcome::InPlace);
        }
        let back = match now == *ours {
            true => Some(prior.clone()),
            false => without(&now, prior, ours),
        };
        let Some(back) = back else { return Ok(left("it was changed since")) };
        text.restore(section, name, &back, above.as_deref())
            .map_err(|why| Refusal::new("DH-P010", format!("`{path}`: {why}")))?;
        Ok(changed(words::values(&now), words::values(&back)))
    }

    pub fn undo_text(
        &mut self,
        path: &str,
        prior: &Prior,
        ours: Digest,
        done: &[TextDone],
    ) -> Undone {
        let node = match self.ground.node(path)? {
            Some(node @ Node::File(_)) => node,
            None if *prior == Prior::Absent => return Ok((Outcome::InPlace, Vec::new())),
            None => return Ok((left("it was removed since"), Vec::new())),
            Some(_) => return Ok((left("something else stands there now"), Vec::new())),
        };
        if *prior == Prior::Same {
            return Ok((left("it was so before"), Vec::new()));
        }
        if self.ground.digest(path)? == ours {
            return self.put_prior_back(path, &node, prior);
        }
        let bytes = self.ground.read(path)?.unwrap_or_default();
        let mut lines = Lines::parse(&bytes, self.leave.given.convention);
        let count = lines.len();
        for done in done.iter().rev() {
            crate::text::remove_added(&mut lines, &done.added);
        }
        let left_over = lines.to_bytes();
        if left_over == bytes {
            return Ok((left("it was changed since"), Vec::new()));
        }
        let removed = count - lines.len();
        let changes = match *prior == Prior::Absent && lines.is_empty() {
            true => self.ground.remove(path)?.changes,
            false => self.ground.write(path, Written::bytes(left_over))?.changes,
        };
        let after = format!("without {removed} lines of the application, else as it was changed");
        Ok((changed(words::node(Some(&node)), after), changes))
    }
}

/// What is left of values that were changed since, once what was added is taken out; `None` where
/// that cannot be told apart.
fn without(now: &[String], prior: &[String], ours: &[String]) -> Option<Vec<String>> {
    let added: Vec<&String> = ours.iter().filter(|value| !prior.contains(value)).collect();
    if prior.iter().all(|value| ours.contains(value)) && !added.is_empty() {
        let left: Vec<String> =
            now.iter().filter(|value| !added.contains(value)).cloned().collect();
        return (left.len() < now.len()).then_some(left);
    }
    let ([now], [prior], [ours]) = (now, prior, ours) else { return None };
    let added = ours.strip_prefix(prior.as_str()).filter(|added| !added.is_empty())?;
    let at = now.rfind(added)?;
    Some(vec![format!("{}{}", &now[..at], &now[at + added.len()..])])
}
