//! Items, in their groups.

use application::{
    FileItem, Handling, IniFile, Items, Place, RegistryEntry, RegistryItem, RegistryRule, Shortcut,
    ShortcutItem, TextChange, TextEdit, TextFile, ValueData, View, Window,
};

use super::yaml::Out;
use super::{Map, texts};
use crate::application::words;

pub(super) fn items(map: &mut Map, items: &Items) {
    map.list("shortcuts", items.shortcuts.iter().map(shortcut_item).collect());
    map.list("registry", registry(&items.registry));
    map.list("files", items.files.iter().map(file).collect());
    map.list("ini", items.ini.iter().map(ini).collect());
    map.list("text", items.text.iter().map(text).collect());
}

fn handling(map: &mut Map, handling: Handling) {
    map.switch("distribute_always", handling.distribute_always, false);
    map.switch("track_per_user", handling.track_per_user, false);
}

fn shortcut_item(item: &ShortcutItem) -> Out {
    let mut map = Map::default();
    match item {
        ShortcutItem::Group { name, for_all, delete, handling: handled } => {
            map.text("group", name);
            map.switch("delete", *delete, false);
            map.switch("for_all", *for_all, true);
            handling(&mut map, *handled);
        }
        ShortcutItem::Delete { name, place: at, for_all, handling: handled } => {
            map.text("delete_shortcut", name);
            place(&mut map, at);
            map.switch("for_all", *for_all, true);
            handling(&mut map, *handled);
        }
        ShortcutItem::Create { shortcut: created, handling: handled } => {
            shortcut(&mut map, created);
            handling(&mut map, *handled);
        }
    }
    map.out()
}

fn shortcut(map: &mut Map, shortcut: &Shortcut) {
    map.text("shortcut", &shortcut.name);
    place(map, &shortcut.place);
    map.text("target", &shortcut.target);
    map.macro_text("arguments", shortcut.arguments.as_ref());
    map.macro_text("working_folder", shortcut.working_folder.as_ref());
    map.macro_text("description", shortcut.description.as_ref());
    if let Some((icon, index)) = &shortcut.icon {
        map.text("icon", icon);
        map.word("icon_index", &index.to_string(), "0");
    }
    let window = match shortcut.window {
        Window::Normal => "normal",
        Window::Minimized => "minimized",
        Window::Maximized => "maximized",
    };
    map.word("window", window, "normal");
    map.switch("as_administrator", shortcut.as_administrator, false);
    map.switch("terminal", shortcut.terminal, false);
    map.list("categories", shortcut.categories.iter().map(Out::text).collect());
    map.switch("for_all", shortcut.for_all, true);
}

fn place(map: &mut Map, place: &Place) {
    match place {
        Place::Desktop => map.bare("place", "desktop"),
        Place::Startup => map.bare("place", "startup"),
        Place::StartMenu { group } => map.macro_text("group", group.as_ref()),
        Place::Folder(folder) => map.text("folder", folder),
    }
}

/// Values of one key that follow one another stand below it together.
fn registry(items: &[RegistryItem]) -> Vec<Out> {
    let is_value = |item: &RegistryItem| matches!(item.entry, RegistryEntry::Value { .. });
    let belong = |one: &RegistryItem, other: &RegistryItem| {
        is_value(one) && is_value(other) && one.key == other.key && one.view == other.view
    };
    let mut keys = Vec::new();
    for run in items.chunk_by(belong) {
        let [first, ..] = run else { continue };
        let mut map = Map::default();
        map.text("key", &first.key);
        map.word("view", if first.view == View::Bits32 { "32" } else { "64" }, "64");
        if is_value(first) {
            map.put("values", Out::List(run.iter().map(value).collect()));
        } else {
            rule(&mut map, first.rule);
            handling(&mut map, first.handling);
        }
        keys.push(map.out());
    }
    keys
}

fn rule(map: &mut Map, rule: RegistryRule) {
    map.word("rule", words::registry_word(rule), "create_always");
}

fn value(item: &RegistryItem) -> Out {
    let mut map = Map::default();
    if let RegistryEntry::Value { name, data } = &item.entry {
        match data {
            Some(ValueData::Text(text)) if name.as_str().is_empty() => map.text("default", text),
            data => {
                map.text("name", name);
                if let Some(data) = data {
                    value_data(&mut map, data);
                }
            }
        }
    }
    rule(&mut map, item.rule);
    handling(&mut map, item.handling);
    map.out()
}

fn value_data(map: &mut Map, data: &ValueData) {
    match data {
        ValueData::Text(text) => map.text("text", text),
        ValueData::ExpandedText(text) => map.text("expanded_text", text),
        ValueData::Texts(several) => map.put("texts", Out::List(texts(several))),
        ValueData::Dword(number) => map.bare("dword", number),
        ValueData::Qword(number) => map.bare("qword", number),
        ValueData::Binary(bytes) => map.text("binary", &hexadecimal(bytes)),
        ValueData::Raw { kind, bytes } => {
            let mut raw = Map::default();
            raw.bare("type", kind);
            raw.text("bytes", &hexadecimal(bytes));
            map.map("raw", raw);
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

fn file(item: &FileItem) -> Out {
    let mut map = Map::default();
    match item {
        FileItem::Copy { source, target, rule, shared, .. } => {
            map.text("copy", source);
            map.text("to", target);
            map.word("rule", words::file_word(*rule), "always");
            map.switch("shared", *shared, false);
        }
        FileItem::CopyFolder { source, target, subfolders, rule, shared, .. } => {
            map.text("copy_folder", source);
            map.text("to", target);
            map.switch("subfolders", *subfolders, true);
            map.word("rule", words::file_word(*rule), "always");
            map.switch("shared", *shared, false);
        }
        FileItem::Delete { target, shared, .. } => {
            map.text("delete", target);
            map.switch("shared", *shared, false);
        }
        FileItem::CreateFolder { target, .. } => map.text("create_folder", target),
        FileItem::DeleteFolder { target, .. } => map.text("delete_folder", target),
    }
    handling(&mut map, item.handling());
    map.out()
}

fn ini(file: &IniFile) -> Out {
    let sections = file.settings.chunk_by(|one, other| one.section == other.section);
    let sections = sections.filter_map(|settings| {
        let mut map = Map::default();
        map.text("section", &settings.first()?.section);
        let values = settings.iter().map(|setting| {
            let mut map = Map::default();
            map.text("name", &setting.name);
            map.macro_text("data", setting.data.as_ref());
            map.word("rule", words::ini_word(setting.rule), "create_always");
            handling(&mut map, setting.handling);
            map.out()
        });
        map.put("values", Out::List(values.collect()));
        Some(map.out())
    });
    let mut map = Map::default();
    map.text("file", &file.path);
    map.put("sections", Out::List(sections.collect()));
    map.out()
}

fn text(file: &TextFile) -> Out {
    let mut map = Map::default();
    map.text("file", &file.path);
    map.switch("no_reboot_if_modified", file.no_reboot_if_modified, false);
    map.put("changes", Out::List(file.changes.iter().map(change).collect()));
    map.out()
}

fn change(change: &TextChange) -> Out {
    let mut map = Map::default();
    match &change.edit {
        TextEdit::Append { text } => map.text("append", text),
        TextEdit::Prepend { text } => map.text("prepend", text),
        TextEdit::Search { find, how, case_sensitive, all, action, text } => {
            map.text("find", find);
            map.word("how", words::search_word(*how), "substring");
            map.switch("case_sensitive", *case_sensitive, false);
            map.switch("all", *all, false);
            map.bare("then", words::action_word(*action));
            if words::inserts(*action) {
                map.text("text", text);
            }
        }
    }
    handling(&mut map, change.handling);
    map.out()
}
