//! What the items of an application say, field by field, for people.

use application::{
    Application, FileItem, Group, Place, RegistryEntry, ShortcutItem, Text, TextEdit, ValueData,
    View,
};
use format::application::words;

/// One item.
pub struct Row {
    pub group: Group,
    pub place: (usize, Option<usize>),
    /// What is done, in the document's words.
    pub rule: &'static str,
    /// What it says, by the names of its fields; the first is what it is about.
    pub fields: Vec<(&'static str, String)>,
}

/// In the order of the groups, and of the document within them.
pub fn rows(application: &Application) -> Vec<Row> {
    let items = &application.items;
    let mut rows = Vec::new();
    for (place, item) in items.shortcuts.iter().enumerate() {
        let (rule, fields) = shortcut(item);
        rows.push(Row { group: Group::Shortcuts, place: (place, None), rule, fields });
    }
    for (place, item) in items.registry.iter().enumerate() {
        let mut fields = vec![("key", item.key.to_string())];
        if item.view == View::Bits32 {
            fields.push(("view", "32".to_owned()));
        }
        if let RegistryEntry::Value { name, data } = &item.entry {
            fields.push(("name", name.to_string()));
            fields.extend(data.as_ref().map(|data| ("data", value(data))));
        }
        let rule = words::registry_word(item.rule);
        rows.push(Row { group: Group::Registry, place: (place, None), rule, fields });
    }
    for (place, item) in items.files.iter().enumerate() {
        let (rule, fields) = file(item);
        rows.push(Row { group: Group::Files, place: (place, None), rule, fields });
    }
    ini(application, &mut rows);
    text(application, &mut rows);
    rows
}

fn shortcut(item: &ShortcutItem) -> (&'static str, Vec<(&'static str, String)>) {
    let at = |place: &Place| match place {
        Place::Desktop => "desktop".to_owned(),
        Place::Startup => "startup".to_owned(),
        Place::StartMenu { group: None } => "start_menu".to_owned(),
        Place::StartMenu { group: Some(group) } => format!("start_menu, group {group}"),
        Place::Folder(folder) => folder.to_string(),
    };
    match item {
        ShortcutItem::Group { name, delete, .. } => {
            let rule = if *delete { "delete group" } else { "create group" };
            (rule, vec![("group", name.to_string())])
        }
        ShortcutItem::Delete { name, place, .. } => {
            ("delete", vec![("shortcut", name.to_string()), ("place", at(place))])
        }
        ShortcutItem::Create { shortcut, .. } => {
            let mut fields = vec![
                ("shortcut", shortcut.name.to_string()),
                ("place", at(&shortcut.place)),
                ("target", shortcut.target.to_string()),
            ];
            let further = [
                ("arguments", &shortcut.arguments),
                ("working_folder", &shortcut.working_folder),
                ("description", &shortcut.description),
            ];
            for (name, text) in further {
                fields.extend(text.as_ref().map(|text| (name, text.to_string())));
            }
            fields.extend(shortcut.icon.as_ref().map(|(icon, _)| ("icon", icon.to_string())));
            ("create", fields)
        }
    }
}

fn value(data: &ValueData) -> String {
    let bytes = |bytes: &[u8]| {
        let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        bytes.join(" ")
    };
    match data {
        ValueData::Text(text) | ValueData::ExpandedText(text) => text.to_string(),
        ValueData::Texts(texts) => {
            let texts: Vec<&str> = texts.iter().map(Text::as_str).collect();
            texts.join(" | ")
        }
        ValueData::Dword(number) => format!("{number} (0x{number:x})"),
        ValueData::Qword(number) => format!("{number} (0x{number:x})"),
        ValueData::Binary(data) => bytes(data),
        ValueData::Raw { kind, bytes: data } => format!("type {kind}: {}", bytes(data)),
    }
}

fn file(item: &FileItem) -> (&'static str, Vec<(&'static str, String)>) {
    let rule = match item {
        FileItem::Copy { rule, .. } | FileItem::CopyFolder { rule, .. } => words::file_word(*rule),
        FileItem::CreateFolder { .. } => "create folder",
        FileItem::Delete { .. } => "delete",
        FileItem::DeleteFolder { .. } => "delete folder",
    };
    let mut fields = vec![("target", item.target().to_string())];
    if let FileItem::Copy { source, .. } | FileItem::CopyFolder { source, .. } = item {
        fields.push(("source", source.to_string()));
    }
    (rule, fields)
}

fn ini(application: &Application, rows: &mut Vec<Row>) {
    for (place, file) in application.items.ini.iter().enumerate() {
        for (number, setting) in file.settings.iter().enumerate() {
            let mut fields = vec![
                ("file", file.path.to_string()),
                ("section", setting.section.to_string()),
                ("name", setting.name.to_string()),
            ];
            fields.extend(setting.data.as_ref().map(|data| ("data", data.to_string())));
            let (group, rule) = (Group::Ini, words::ini_word(setting.rule));
            rows.push(Row { group, place: (place, Some(number)), rule, fields });
        }
    }
}

fn text(application: &Application, rows: &mut Vec<Row>) {
    for (place, file) in application.items.text.iter().enumerate() {
        for (number, change) in file.changes.iter().enumerate() {
            let mut fields = vec![("file", file.path.to_string())];
            let rule = match &change.edit {
                TextEdit::Append { text } => {
                    fields.push(("text", text.to_string()));
                    "append"
                }
                TextEdit::Prepend { text } => {
                    fields.push(("text", text.to_string()));
                    "prepend"
                }
                TextEdit::Search { find, action, text, .. } => {
                    fields.push(("find", find.to_string()));
                    if words::inserts(*action) {
                        fields.push(("text", text.to_string()));
                    }
                    words::action_word(*action)
                }
            };
            rows.push(Row { group: Group::Text, place: (place, Some(number)), rule, fields });
        }
    }
}

pub fn group_name(group: Group) -> &'static str {
    match group {
        Group::Shortcuts => "shortcuts",
        Group::Registry => "registry",
        Group::Files => "files",
        Group::Ini => "ini",
        Group::Text => "text",
    }
}
