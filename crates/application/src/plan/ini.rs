//! INI files (AP-06): which file, which settings, in which order. What a rule does in a file is
//! said by [`crate::ini`].
//!
//! Settings keep the order of the document. Where all of an application is distributed again at
//! each launch, those that are marked so themselves come after the others, as the manual has it.

use super::ground::Written;
use super::make::{Act, Planner, Refusal};
use super::settle::Claim;
use super::{Group, ItemPlace, Occasion, Outcome, place, words};
use crate::ini::{IniText, Setting};
use crate::{Handling, IniFile, IniRule, IniSetting, Text};

const GROUP: Group = Group::Ini;

impl IniRule {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::CreateAlways => "create_always",
            Self::CreateIfAbsent => "create_if_absent",
            Self::CreateIfExists => "create_if_exists",
            Self::AddToSection => "add_to_section",
            Self::AppendToValue => "append_to_value",
            Self::Delete => "delete",
            Self::RemoveFromValue => "remove_from_value",
        }
    }
}

/// All values of one name, before the first setting of it and after the last.
struct Touched {
    section: String,
    name: String,
    prior: Vec<String>,
}

/// A file that is being edited.
struct Edit {
    path: String,
    text: IniText,
    /// As it was.
    original: IniText,
    acts: Vec<(ItemPlace, Act)>,
    touched: Vec<Touched>,
    made_sections: Vec<String>,
}

/// Places of what is looked at, in the order it is carried out.
pub(super) fn ordered(
    planner: &Planner<'_>,
    items: impl Iterator<Item = (Handling, bool)>,
) -> Vec<usize> {
    let wanted = items.enumerate().filter(|(_, (handling, user))| planner.wants(*handling, *user));
    let mut places: Vec<(usize, Handling)> =
        wanted.map(|(place, (handling, _))| (place, handling)).collect();
    if planner.wish.occasion == Occasion::Again {
        places.sort_by_key(|(_, handling)| handling.distribute_always);
    }
    places.into_iter().map(|(place, _)| place).collect()
}

impl Planner<'_> {
    pub fn plan_ini(&mut self) {
        for (index, file) in self.wish.application.items.ini.iter().enumerate() {
            self.item = Some(index);
            let of_file = self.names_user([&file.path]);
            let of_user = |setting: &IniSetting| {
                let texts = [&setting.section, &setting.name];
                of_file || self.names_user(texts.into_iter().chain(&setting.data))
            };
            let settings = file.settings.iter();
            let settings = settings.map(|setting| (setting.handling, of_user(setting)));
            let places = ordered(self, settings);
            if !places.is_empty()
                && let Err(refusal) = self.plan_ini_file(index, file, &places)
            {
                self.refuse(GROUP, (index, None), refusal);
            }
        }
    }

    fn plan_ini_file(
        &mut self,
        index: usize,
        file: &IniFile,
        places: &[usize],
    ) -> Result<(), Refusal> {
        let path = self.ini_path(&file.path)?;
        let there = self.ground.read(&path)?;
        let text = IniText::parse(there.as_deref().unwrap_or_default(), self.given().convention);
        let (acts, touched, made_sections) = (Vec::new(), Vec::new(), Vec::new());
        let original = text.clone();
        let mut edit = Edit { path, text, original, acts, touched, made_sections };
        for place in places {
            let (at, setting) = ((index, Some(*place)), &file.settings[*place]);
            if let Err(refusal) = self.plan_setting(at, setting, &mut edit) {
                self.refuse(GROUP, at, refusal);
            }
        }
        self.put_ini_file(edit, there.as_deref())
    }

    /// Without a folder it is in that of Windows.
    fn ini_path(&self, path: &Text) -> Result<String, Refusal> {
        let path = self.expand(path)?;
        if path.contains(['/', '\\']) {
            return Ok(self.target_of(&path)?.path);
        }
        let folder = self.expand(&Text::new("%*WinDir%"))?;
        Ok(self.target_of(&place::join(self.ground.family, &folder, &path))?.path)
    }

    fn plan_setting(
        &self,
        at: ItemPlace,
        setting: &IniSetting,
        edit: &mut Edit,
    ) -> Result<(), Refusal> {
        let (section, name) = (self.expand(&setting.section)?, self.expand(&setting.name)?);
        let data = setting.data.as_ref().map(|data| self.expand(data)).transpose()?;
        let rule = setting.rule;
        let target = format!("{} [{section}] {name}", edit.path);
        let setting = Setting { section: &section, name: &name, data: data.as_deref(), rule };
        let edited = edit
            .text
            .apply(setting)
            .map_err(|why| Refusal::new("DH-P010", format!("`{target}`: {why}")))?;
        let wanted = data.as_deref().map(str::trim).unwrap_or_default();
        let outcome = match (rule, edited.is_changed) {
            (_, true) => Outcome::Changed {
                before: words::values(&edited.before),
                after: words::values(&edited.after),
            },
            (IniRule::CreateIfAbsent, false) if !edited.before.iter().any(|v| v == wanted) => {
                Outcome::Skipped { why: "the value is there".to_owned() }
            }
            (IniRule::CreateIfExists, false) if edited.before.is_empty() => {
                Outcome::Skipped { why: "the value is not there".to_owned() }
            }
            _ => Outcome::InPlace,
        };
        if edited.is_new_section {
            edit.made_sections.push(section.clone());
        }
        if !matches!(outcome, Outcome::Skipped { .. }) {
            edit.touch(section, name, edited.before);
        }
        let act = Act { target, rule: rule.word(), outcome, changes: Vec::new() };
        edit.acts.push((at, act));
        Ok(())
    }

    fn put_ini_file(&mut self, edit: Edit, there: Option<&[u8]>) -> Result<(), Refusal> {
        let bytes = edit.text.to_bytes();
        let is_changed = there.unwrap_or_default() != bytes;
        let mut changes = Vec::new();
        if is_changed {
            let done = self.ground.write(&edit.path, Written::bytes(bytes))?;
            self.claim_folders(GROUP, done.folders);
            changes = done.changes;
        }
        let path = || edit.path.clone();
        for Touched { section, name, prior } in edit.touched {
            let ours = edit.text.values(&section, &name);
            let above = edit.original.above(&section, &name).filter(|_| ours.is_empty());
            self.claim(GROUP, Claim::Ini { path: path(), section, name, prior, ours, above });
        }
        for section in edit.made_sections {
            self.claim(GROUP, Claim::IniSection { path: path(), section });
        }
        self.claim(GROUP, Claim::IniFile { path: path() });
        for (at, mut act) in edit.acts {
            if matches!(act.outcome, Outcome::Changed { .. }) {
                act.changes.clone_from(&changes);
            }
            self.put(GROUP, at, act);
        }
        Ok(())
    }
}

impl Edit {
    fn touch(&mut self, section: String, name: String, prior: Vec<String>) {
        let same = |touched: &Touched| {
            touched.section.eq_ignore_ascii_case(&section)
                && touched.name.eq_ignore_ascii_case(&name)
        };
        if !self.touched.iter().any(same) {
            self.touched.push(Touched { section, name, prior });
        }
    }
}
