//! Shortcuts, files, INI and text files.

use application::{
    FileItem, FileRule, IniFile, IniRule, IniSetting, Place as Where, ResultAction, SearchType,
    Shortcut, ShortcutItem, Text, TextChange, TextEdit, TextFile, Window,
};

use super::{Builder, handling};
use crate::application::code;
use crate::application::given::Fields;
use crate::application::words;
use crate::problem::Place;

impl Builder<'_, '_> {
    pub(super) fn shortcuts(&mut self, items: Vec<Fields>) -> Vec<ShortcutItem> {
        let mut shortcuts = Vec::new();
        for mut fields in items {
            let place = fields.place;
            let item = match fields.record.name {
                "group" => Some(ShortcutItem::Group {
                    name: fields.needed("group"),
                    for_all: fields.switch("for_all"),
                    delete: fields.switch("delete"),
                    handling: handling(&mut fields),
                }),
                "delete_shortcut" => self.place(&mut fields).map(|place| ShortcutItem::Delete {
                    name: fields.needed("delete_shortcut"),
                    place,
                    for_all: fields.switch("for_all"),
                    handling: handling(&mut fields),
                }),
                _ => self.shortcut(&mut fields),
            };
            if let Some(item) = item {
                self.places.shortcuts.push(place);
                shortcuts.push(item);
            }
        }
        shortcuts
    }

    fn shortcut(&mut self, fields: &mut Fields) -> Option<ShortcutItem> {
        if fields.has("icon_index") && !fields.has("icon") {
            let hint = "write `icon:` with the file that holds the pictures";
            let place = fields.place_of("icon_index");
            self.error(code::ITEM, place, "`icon_index` without `icon`", hint);
        }
        let place = self.place(fields)?;
        let index = u32::try_from(fields.count("icon_index")).unwrap_or_default();
        let shortcut = Shortcut {
            name: fields.needed("shortcut"),
            place,
            for_all: fields.switch("for_all"),
            target: fields.needed("target"),
            arguments: fields.text("arguments"),
            working_folder: fields.text("working_folder"),
            description: fields.text("description"),
            icon: fields.text("icon").map(|icon| (icon, index)),
            window: match fields.word("window") {
                "minimized" => Window::Minimized,
                "maximized" => Window::Maximized,
                _ => Window::Normal,
            },
            as_administrator: fields.switch("as_administrator"),
            terminal: fields.switch("terminal"),
            categories: fields.plains("categories"),
        };
        Some(ShortcutItem::Create { shortcut: Box::new(shortcut), handling: handling(fields) })
    }

    fn place(&mut self, fields: &mut Fields) -> Option<Where> {
        let (at, group_at) = (fields.place_of("place"), fields.place_of("group"));
        let (is_placed, word) = (fields.has("place"), fields.word("place"));
        match (fields.text("folder"), fields.text("group"), word) {
            (Some(folder), None, _) if !is_placed => Some(Where::Folder(folder)),
            (Some(_), ..) => {
                let hint = "keep `folder`, or `place` with `group`";
                self.error(code::ITEM, at, "a shortcut stands in one place", hint);
                None
            }
            (None, group, "start_menu") => Some(Where::StartMenu { group }),
            (None, Some(_), _) => {
                let hint = "leave `group` out, or write `place: start_menu`";
                self.error(code::ITEM, group_at, "program groups are in the start menu", hint);
                None
            }
            (None, None, "desktop") => Some(Where::Desktop),
            (None, None, _) => Some(Where::Startup),
        }
    }

    pub(super) fn files(&mut self, items: Vec<Fields>) -> Vec<FileItem> {
        let mut files = Vec::new();
        for mut fields in items {
            self.places.files.push(fields.place);
            files.push(file(&mut fields));
        }
        files
    }

    pub(super) fn ini(&mut self, items: Vec<Fields>) -> Vec<IniFile> {
        let mut files = Vec::new();
        for mut fields in items {
            let place = fields.place;
            let path = fields.needed("file");
            let (mut settings, mut places) = (Vec::new(), Vec::new());
            for mut section in fields.records("sections") {
                let name = section.needed("section");
                for mut value in section.records("values") {
                    places.push(value.place);
                    settings.push(self.setting(&name, &mut value));
                }
            }
            self.places.ini.push((place, places));
            files.push(IniFile { path, settings });
        }
        files
    }

    fn setting(&mut self, section: &Text, fields: &mut Fields) -> IniSetting {
        let place = fields.place;
        let rule = words::ini_rule(fields.word("rule")).unwrap_or_default();
        let data = fields.text("data");
        match (rule, &data) {
            (IniRule::Delete, _) => {}
            (_, None) => {
                let hint = "write `data:`; `''` where nothing stands after `=`";
                self.error(code::RULE, place, "there is no data for this rule", hint);
            }
            (IniRule::AppendToValue | IniRule::RemoveFromValue, Some(data)) => {
                self.separator(data, place);
            }
            _ => {}
        }
        IniSetting {
            section: section.clone(),
            name: fields.needed("name"),
            data,
            rule,
            handling: handling(fields),
        }
    }

    fn separator(&mut self, data: &Text, place: Place) {
        let first = data.as_str().chars().next();
        if first.is_none_or(char::is_alphanumeric) {
            let what = "the data does not begin with the separator";
            let hint = "the first character parts it from what is there: `data: ' calc.exe'`";
            self.error(code::RULE, place, what, hint);
        }
    }

    pub(super) fn text(&mut self, items: Vec<Fields>) -> Vec<TextFile> {
        let mut files = Vec::new();
        for mut fields in items {
            let place = fields.place;
            let path = fields.needed("file");
            let no_reboot_if_modified = fields.switch("no_reboot_if_modified");
            let (mut changes, mut places) = (Vec::new(), Vec::new());
            for mut change in fields.records("changes") {
                places.push(change.place);
                changes.push(self.change(&mut change));
            }
            self.places.text.push((place, places));
            files.push(TextFile { path, no_reboot_if_modified, changes });
        }
        files
    }

    fn change(&mut self, fields: &mut Fields) -> TextChange {
        let edit = match fields.record.name {
            "append" => TextEdit::Append { text: fields.needed("append") },
            "prepend" => TextEdit::Prepend { text: fields.needed("prepend") },
            _ => self.search(fields),
        };
        TextChange { edit, handling: handling(fields) }
    }

    fn search(&mut self, fields: &mut Fields) -> TextEdit {
        let (find_at, then_at) = (fields.place_of("find"), fields.place_of("then"));
        let find = fields.needed("find");
        if find.as_str().is_empty() {
            let hint = "write what is looked for";
            self.error(code::VALUE, find_at, "an empty text is found everywhere", hint);
        }
        let action = words::action(fields.word("then")).unwrap_or(ResultAction::DeleteString);
        let text = fields.text("text");
        match (words::inserts(action), &text) {
            (true, None) => {
                let hint = "write `text:` with what is put there";
                self.error(code::RULE, then_at, "there is no text to put there", hint);
            }
            (false, Some(_)) => {
                let hint = "leave `text` out";
                self.error(code::RULE, then_at, "what deletes puts no text there", hint);
            }
            _ => {}
        }
        TextEdit::Search {
            find,
            how: words::search_type(fields.word("how")).unwrap_or(SearchType::Substring),
            case_sensitive: fields.switch("case_sensitive"),
            all: fields.switch("all"),
            action,
            text: text.unwrap_or_default(),
        }
    }
}

fn file(fields: &mut Fields) -> FileItem {
    let handling = handling(fields);
    match fields.record.name {
        "copy" => FileItem::Copy {
            source: fields.needed("copy"),
            target: fields.needed("to"),
            rule: rule(fields),
            shared: fields.switch("shared"),
            handling,
        },
        "copy_folder" => FileItem::CopyFolder {
            source: fields.needed("copy_folder"),
            target: fields.needed("to"),
            subfolders: fields.switch("subfolders"),
            rule: rule(fields),
            shared: fields.switch("shared"),
            handling,
        },
        "create_folder" => {
            FileItem::CreateFolder { target: fields.needed("create_folder"), handling }
        }
        "delete_folder" => {
            FileItem::DeleteFolder { target: fields.needed("delete_folder"), handling }
        }
        _ => FileItem::Delete {
            target: fields.needed("delete"),
            shared: fields.switch("shared"),
            handling,
        },
    }
}

fn rule(fields: &mut Fields) -> FileRule {
    words::file_rule(fields.word("rule")).unwrap_or_default()
}
