//! What can be told of an application as a whole, without a machine.

pub(super) mod macros;

use std::collections::BTreeMap;

use application::{
    Application, FileItem, IniRule, Kind, Place as Where, PreInstall, Reboot, RegistryEntry,
    RegistryRule, Shortcut, ShortcutItem, View,
};
use model::registry::folded;
use workflow::Severity;

use super::build::Places;
use super::code;
use crate::problem::{Place, Problems, shown};

pub(super) fn check(application: &Application, places: &Places, problems: &mut Problems<'_>) {
    let mut check = Check { application, places, problems };
    check.own_macros();
    check.itself();
    check.unattended();
    check.duplicates();
    check.shortcuts();
}

struct Check<'c, 'p, 's> {
    application: &'c Application,
    places: &'c Places,
    problems: &'p mut Problems<'s>,
}

impl Check<'_, '_, '_> {
    fn error(&mut self, code: &'static str, place: Place, what: String, hint: &str) {
        self.problems.error(code, place, what, hint);
    }

    fn warning(&mut self, code: &'static str, place: Place, what: String, hint: &str) {
        self.problems.add(Severity::Warning, code, place, (what, hint.to_owned()));
    }

    fn own_macros(&mut self) {
        let mut known = BTreeMap::new();
        for (own, place) in self.application.macros.iter().zip(&self.places.macros) {
            if let Some(before) = known.insert(own.name.to_lowercase(), *place) {
                let what = format!("`{}` is already a macro, in line {}", own.name, before.line);
                let hint = "macros are known in any case; give one of them another name";
                self.error(code::MACRO, *place, what, hint);
            }
        }
    }

    fn itself(&mut self) {
        let Application { id, dependencies, supersedes, .. } = self.application;
        let needed = dependencies.iter().map(|dependency| dependency.application);
        let needed: Vec<_> = needed.zip(&self.places.dependencies).collect();
        let replaced: Vec<_> = supersedes.iter().copied().zip(&self.places.supersedes).collect();
        for (_, place) in needed.iter().chain(&replaced).filter(|(other, _)| other == id) {
            let what = "this is the application's own id".to_owned();
            let hint = "write the id of the other one";
            self.error(code::ITSELF, **place, what, hint);
        }
        let is_both = |other| other != *id && needed.iter().any(|(one, _)| *one == other);
        let both = replaced.iter().filter(|(other, _)| is_both(*other));
        for (_, place) in both {
            let what = "an application cannot be needed and replaced at once".to_owned();
            self.error(code::ITSELF, **place, what, "take it out of one of the lists");
        }
    }

    /// AP-11: what asks where nobody answers.
    fn unattended(&mut self) {
        let Some(place) = self.places.options else { return };
        let Application { options, pre_install, kind, .. } = self.application;
        if matches!(kind, Kind::Web { .. } | Kind::TerminalServer(_))
            && (options.distribute_always || options.prompt)
        {
            let what = "what only opens something is neither asked for nor distributed again";
            let hint = "leave `distribute_always` and `prompt` out";
            self.error(code::KIND, place, what.to_owned(), hint);
        }
        if !options.prompt_reboot {
            return;
        }
        let is_unattended = *pre_install != PreInstall::No;
        match options.reboot {
            Reboot::Never => {
                let what = "nobody is asked about a restart that never comes".to_owned();
                self.warning(code::UNATTENDED, place, what, "leave `prompt_reboot` out");
            }
            Reboot::Always if is_unattended => {
                let what = "machines get this ahead of use, where nobody answers".to_owned();
                let hint = "leave `prompt_reboot` out, or write `pre_install: no`";
                self.error(code::UNATTENDED, place, what, hint);
            }
            Reboot::IfNeeded if is_unattended => {
                let what = "machines get this ahead of use, where nobody answers about a restart";
                let hint = "leave `prompt_reboot` out, or write `pre_install: no`";
                self.warning(code::UNATTENDED, place, what.to_owned(), hint);
            }
            _ if !options.show_progress => {
                let what = "without `show_progress` nobody is asked about a restart".to_owned();
                let hint = "write `show_progress: true`, or leave `prompt_reboot` out";
                self.warning(code::UNATTENDED, place, what, hint);
            }
            _ => {}
        }
    }

    /// The same thing twice: the later one wins, which is seldom meant.
    fn duplicates(&mut self) {
        let Application { items, .. } = self.application;
        let Places { shortcuts, registry, files, ini, .. } = self.places;
        let mut things = Vec::new();
        for (item, place) in items.shortcuts.iter().zip(shortcuts) {
            if let ShortcutItem::Create { shortcut, .. } = item {
                things.push((shortcut_key(shortcut), *place));
            }
        }
        for (item, place) in items.registry.iter().zip(registry) {
            let RegistryEntry::Value { name, .. } = &item.entry else { continue };
            if !matches!(item.rule, RegistryRule::Append | RegistryRule::Prepend) {
                let view = if item.view == View::Bits32 { "32" } else { "64" };
                let key = folded(item.key.as_str());
                things.push((format!("r{view}{key}\0{}", folded(name.as_str())), *place));
            }
        }
        for (item, place) in items.files.iter().zip(files) {
            if let FileItem::Copy { source, target, .. } = item
                && !source.as_str().contains(['*', '?'])
            {
                things.push((format!("f{target}"), *place));
            }
        }
        for (file, (_, places)) in items.ini.iter().zip(ini) {
            let path = file.path.as_str().to_lowercase();
            for (setting, place) in file.settings.iter().zip(places) {
                let (section, name) = (setting.section.as_str(), setting.name.as_str());
                if setting.rule == IniRule::CreateAlways {
                    let name = format!("{section}\0{name}").to_lowercase();
                    things.push((format!("i{path}\0{name}"), *place));
                }
            }
        }
        let mut first = BTreeMap::new();
        for (thing, place) in things {
            if let Some(before) = first.insert(thing, place) {
                let what = format!("the same as in line {}; this one wins", before.line);
                self.warning(code::DUPLICATE, place, what, "keep one of them");
            }
        }
    }

    /// AP-03: what a shortcut of Windows cannot hold.
    fn shortcuts(&mut self) {
        for (item, place) in self.application.items.shortcuts.iter().zip(&self.places.shortcuts) {
            let ShortcutItem::Create { shortcut, .. } = item else { continue };
            let paths = [Some(&shortcut.target), shortcut.working_folder.as_ref()];
            for path in paths.into_iter().flatten().filter(|path| is_mapped(path.as_str())) {
                let what = format!("`{}` may be a mapped drive", shown(path.as_str(), 60));
                let hint = "write `\\\\server\\share\\…`: mapped drives are not there for everybody, \
                            and long paths on them are cut off";
                self.warning(code::MAPPED_DRIVE, *place, what, hint);
            }
        }
    }
}

fn shortcut_key(shortcut: &Shortcut) -> String {
    let place = match &shortcut.place {
        Where::Desktop => "desktop".to_owned(),
        Where::StartMenu { group } => format!("menu {}", group.clone().unwrap_or_default()),
        Where::Startup => "startup".to_owned(),
        Where::Folder(folder) => format!("folder {folder}"),
    };
    format!("s{}\0{place}\0{}", shortcut.for_all, shortcut.name).to_lowercase()
}

/// Drives from F on are those that networks use.
fn is_mapped(path: &str) -> bool {
    let mut letters = path.chars();
    let drive =
        letters.next().is_some_and(|letter| ('F'..='Z').contains(&letter.to_ascii_uppercase()));
    drive && letters.next() == Some(':')
}
