//! What another application made and this one uses too: it goes with the last of them.

use std::collections::BTreeSet;

use super::{Owned, Prior, Thing, place};
use crate::Family;
use crate::conflict::{Holders, Identity};

/// Folders, keys and sections round what an application has, as far as another one made them.
pub(super) fn used(owns: &[Owned], others: &Holders<'_>, family: Family) -> Vec<Owned> {
    if others.is_empty() {
        return Vec::new();
    }
    let mut seen: BTreeSet<Identity> = BTreeSet::new();
    seen.extend(owns.iter().map(|owned| Identity::of(family, &owned.thing)));
    let mut used = Vec::new();
    for owned in owns {
        let mut around = first_around(family, &owned.thing);
        while let Some(thing) = around.take() {
            let next = above(family, &thing);
            let is_new = seen.insert(Identity::of(family, &thing));
            // What stands above one that was seen was seen with it, or is owned.
            around = next.filter(|next| is_new || !seen.contains(&Identity::of(family, next)));
            if is_new && is_made(others, &thing) {
                used.push(Owned { group: owned.group, thing });
            }
        }
    }
    used
}

fn is_made(others: &Holders<'_>, thing: &Thing) -> bool {
    let same = |theirs: &Thing| std::mem::discriminant(theirs) == std::mem::discriminant(thing);
    others.of(thing).iter().any(|(_, theirs)| same(theirs))
}

/// Whoever made the file may go first; the last takes it away.
pub(super) fn is_made_file(others: &Holders<'_>, file: &Identity) -> bool {
    let made = |theirs: &Thing| matches!(theirs, Thing::IniFile { prior: Prior::Absent, .. });
    others.by(file).iter().any(|(_, theirs)| made(theirs))
}

/// What a thing is in; nothing for what was taken away.
fn first_around(family: Family, thing: &Thing) -> Option<Thing> {
    match thing {
        Thing::File { path, .. } | Thing::IniFile { path, .. } | Thing::Text { path, .. } => {
            folder_of(family, path)
        }
        Thing::Folder { .. } | Thing::Key { .. } => above(family, thing),
        Thing::Value { key, ours: Some(_), .. } => Some(Thing::Key { key: key.clone() }),
        Thing::Ini { path, section, ours, .. } if !ours.is_empty() => {
            Some(Thing::IniSection { path: path.clone(), section: section.clone() })
        }
        _ => None,
    }
}

fn above(family: Family, thing: &Thing) -> Option<Thing> {
    match thing {
        Thing::Folder { path } => folder_of(family, path),
        Thing::Key { key } => key.parent().map(|key| Thing::Key { key }),
        _ => None,
    }
}

fn folder_of(family: Family, path: &str) -> Option<Thing> {
    place::parent(family, path).map(|path| Thing::Folder { path: path.to_owned() })
}
