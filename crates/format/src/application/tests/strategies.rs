//! Any application that can be written.

mod options;

use application::{
    Application, Dependency, FileItem, FileRule, Handling, IniFile, IniRule, IniSetting, Items,
    Kind, Macro, MacroValue, Msi, Options, Package, PackageSystem, Packages, Place, PreInstall,
    Reboot, RegistryEntry, RegistryItem, RegistryRule, ResultAction, Rights, Scripts, SearchType,
    Shortcut, ShortcutItem, TerminalServer, Text, TextChange, TextEdit, TextFile, ValueData, View,
    Window,
};
use model::ApplicationId;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::application::words;
use options::{availability, ends, launch, pre_install, script, uninstall};

/// Texts that are hard to write, and any others but those that name special folders, which are
/// checked against the known ones.
fn plain() -> BoxedStrategy<String> {
    prop_oneof![
        select(vec![
            "",
            " ",
            "x",
            "yes",
            "null",
            "~",
            "12",
            "0x1f",
            "1.5",
            "true",
            "- a",
            "a: b",
            "a #b",
            "#",
            "'",
            "\"",
            "\\",
            "%A%",
            "{",
            "[a]",
            "&a",
            "*a",
            "!a",
            "|",
            ">",
            "a\nb",
            "a\nb\n",
            "\n",
            " a\nb",
            "a \nb",
            "a\n\n b\n\n",
            "\t",
            "\u{85}",
            "\u{feff}x",
            "\u{2028}",
            "ä€😀",
            "a\r\nb",
            "\u{0}",
            "\u{7f}",
            "...",
            "---",
            "2026-11-21",
            "12:30",
            "a,b",
            "=",
            "?",
            "-",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        vec(select(vec!["a", "é", "\n", " ", ":", "'", "\"", "#", "\\"]), 0..8)
            .prop_map(|parts| parts.concat()),
    ]
    .prop_map(|text| text.replace("%*", "%_"))
    .boxed()
}

fn text() -> BoxedStrategy<Text> {
    plain().prop_map(Text::new).boxed()
}

fn id() -> impl Strategy<Value = ApplicationId> {
    // The first byte tells those of others from the application's own.
    any::<[u8; 16]>().prop_map(|mut bytes| {
        bytes[0] |= 1;
        ApplicationId::from_bytes(bytes)
    })
}

fn handling() -> impl Strategy<Value = Handling> {
    any::<(bool, bool)>().prop_map(|(distribute_always, track_per_user)| Handling {
        distribute_always,
        track_per_user,
    })
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        Just(Place::Desktop),
        Just(Place::Startup),
        option::of(text()).prop_map(|group| Place::StartMenu { group }),
        text().prop_map(Place::Folder),
    ]
}

fn shortcut() -> impl Strategy<Value = Shortcut> {
    let texts = (text(), text(), option::of(text()), option::of(text()), option::of(text()));
    let window = select(vec![Window::Normal, Window::Minimized, Window::Maximized]);
    let rest = (option::of((text(), any::<u32>())), window, vec(plain(), 0..3));
    (texts, place(), rest, any::<[bool; 3]>()).prop_map(|(texts, place, rest, switches)| {
        let (name, target, arguments, working_folder, description) = texts;
        let (icon, window, categories) = rest;
        let [for_all, as_administrator, terminal] = switches;
        Shortcut {
            name,
            place,
            for_all,
            target,
            arguments,
            working_folder,
            description,
            icon,
            window,
            as_administrator,
            terminal,
            categories,
        }
    })
}

fn shortcut_item() -> impl Strategy<Value = ShortcutItem> {
    prop_oneof![
        (text(), any::<bool>(), any::<bool>(), handling()).prop_map(
            |(name, for_all, delete, handling)| ShortcutItem::Group {
                name,
                for_all,
                delete,
                handling
            }
        ),
        (shortcut(), handling()).prop_map(|(shortcut, handling)| ShortcutItem::Create {
            shortcut: Box::new(shortcut),
            handling
        }),
        (text(), place(), any::<bool>(), handling()).prop_map(
            |(name, place, for_all, handling)| ShortcutItem::Delete {
                name,
                place,
                for_all,
                handling
            }
        ),
    ]
}

fn value_data() -> impl Strategy<Value = ValueData> {
    let bytes = || vec(any::<u8>(), 0..9);
    prop_oneof![
        text().prop_map(ValueData::Text),
        text().prop_map(ValueData::ExpandedText),
        vec(text(), 0..4).prop_map(ValueData::Texts),
        any::<u32>().prop_map(ValueData::Dword),
        any::<u64>().prop_map(ValueData::Qword),
        bytes().prop_map(ValueData::Binary),
        (any::<u32>(), bytes()).prop_map(|(kind, bytes)| ValueData::Raw { kind, bytes }),
    ]
}

fn registry_item() -> impl Strategy<Value = RegistryItem> {
    let key = select(vec![r"HKLM\Software\A", r"HKCU\%X% y", r"HKCR\.a", "%ROOT%"]);
    let rules = || {
        select(vec![
            RegistryRule::CreateAlways,
            RegistryRule::CreateIfAbsent,
            RegistryRule::CreateIfExists,
        ])
    };
    let name = || plain().prop_map(|name| Text::new(name.replace('\0', "")));
    let adding = select(vec![RegistryRule::Append, RegistryRule::Prepend]);
    let value = |(name, data, rule)| (RegistryEntry::Value { name, data }, rule);
    let entry = prop_oneof![
        rules().prop_map(|rule| (RegistryEntry::Key, rule)),
        Just((RegistryEntry::Key, RegistryRule::Delete)),
        (name(), value_data().prop_map(Some), rules()).prop_map(value),
        (name(), text().prop_map(|text| Some(ValueData::Text(text))), adding).prop_map(value),
        (name(), Just(None), Just(RegistryRule::Delete)).prop_map(value),
    ];
    let view = select(vec![View::Bits64, View::Bits32]);
    (key, entry, view, handling()).prop_map(|(key, (entry, rule), view, handling)| RegistryItem {
        view,
        key: Text::new(key),
        entry,
        rule,
        handling,
    })
}

fn file() -> impl Strategy<Value = FileItem> {
    let rule = || {
        select(vec![
            FileRule::Always,
            FileRule::IfExists,
            FileRule::IfAbsent,
            FileRule::IfNewer,
            FileRule::IfNewerAndExists,
            FileRule::IfNewerVersion,
            FileRule::RequestConfirmation,
            FileRule::IfDifferent,
        ])
    };
    prop_oneof![
        (text(), text(), rule(), any::<bool>(), handling()).prop_map(
            |(source, target, rule, shared, handling)| FileItem::Copy {
                source,
                target,
                rule,
                shared,
                handling
            }
        ),
        (text(), text(), rule(), any::<[bool; 2]>(), handling()).prop_map(
            |(source, target, rule, [shared, subfolders], handling)| FileItem::CopyFolder {
                source,
                target,
                subfolders,
                rule,
                shared,
                handling
            }
        ),
        (text(), any::<bool>(), handling()).prop_map(|(target, shared, handling)| {
            FileItem::Delete { target, shared, handling }
        }),
        (text(), handling())
            .prop_map(|(target, handling)| FileItem::CreateFolder { target, handling }),
        (text(), handling())
            .prop_map(|(target, handling)| FileItem::DeleteFolder { target, handling }),
    ]
}

fn ini() -> impl Strategy<Value = IniFile> {
    let rule = select(vec![
        IniRule::CreateAlways,
        IniRule::CreateIfAbsent,
        IniRule::CreateIfExists,
        IniRule::AddToSection,
    ]);
    let separated = plain().prop_map(|data| Text::new(format!(";{data}")));
    let parted = select(vec![IniRule::AppendToValue, IniRule::RemoveFromValue]);
    let what = prop_oneof![
        (text().prop_map(Some), rule),
        (separated.prop_map(Some), parted),
        (option::of(text()), Just(IniRule::Delete)),
    ];
    let section = select(vec!["Main", "", "other section"]).prop_map(Text::new);
    let setting =
        (section, text(), what, handling()).prop_map(|(section, name, (data, rule), handling)| {
            IniSetting { section, name, data, rule, handling }
        });
    (text(), vec(setting, 0..5)).prop_map(|(path, settings)| IniFile { path, settings })
}

fn text_file() -> impl Strategy<Value = TextFile> {
    let all = words::ACTIONS.iter().map(|word| words::action(word).unwrap());
    let how = select(vec![
        SearchType::Substring,
        SearchType::WholeWord,
        SearchType::StartOfLine,
        SearchType::EndOfLine,
        SearchType::EntireLine,
    ]);
    let find = plain().prop_map(|text| Text::new(format!("x{text}")));
    let action = select(all.collect::<Vec<ResultAction>>());
    let search = (find, how, any::<[bool; 2]>(), action, text()).prop_map(
        |(find, how, [case_sensitive, all], action, text)| TextEdit::Search {
            find,
            how,
            case_sensitive,
            all,
            action,
            text: if words::inserts(action) { text } else { Text::default() },
        },
    );
    let edit = prop_oneof![
        text().prop_map(|text| TextEdit::Prepend { text }),
        text().prop_map(|text| TextEdit::Append { text }),
        search,
    ];
    let change = (edit, handling()).prop_map(|(edit, handling)| TextChange { edit, handling });
    (text(), any::<bool>(), vec(change, 0..4)).prop_map(|(path, no_reboot_if_modified, changes)| {
        TextFile { path, no_reboot_if_modified, changes }
    })
}

fn items() -> impl Strategy<Value = Items> {
    let shortcuts = vec(shortcut_item(), 0..3);
    let (registry, files) = (vec(registry_item(), 0..5), vec(file(), 0..4));
    (shortcuts, registry, files, vec(ini(), 0..3), vec(text_file(), 0..3)).prop_map(
        |(shortcuts, registry, files, ini, text)| Items { shortcuts, registry, files, ini, text },
    )
}

/// A kind, with the items that it can have.
fn kind() -> impl Strategy<Value = (Kind, Items)> {
    let some = || option::of(text());
    let property = ("[A-Z]{1,6}[0-9]", text());
    let code = option::of(id().prop_map(|id| format!("{{{id}}}")));
    let msi = (text(), code, vec(text(), 0..3), option::of(property), some(), some()).prop_map(
        |(file, product_code, transforms, property, arguments, uninstall_arguments)| {
            Kind::Msi(Msi {
                file,
                product_code,
                transforms,
                properties: property.into_iter().collect(),
                arguments,
                uninstall_arguments,
            })
        },
    );
    let package = (plain(), option::of(plain()), some())
        .prop_map(|(name, version, file)| Package { name, version, file });
    let system = select(vec![PackageSystem::Any, PackageSystem::Deb, PackageSystem::Rpm]);
    let packages = (system, vec(package, 0..3))
        .prop_map(|(system, packages)| Kind::Packages(Packages { system, packages }));
    let web = (text(), some()).prop_map(|(url, browser)| Kind::Web { url, browser });
    let terminal = (text(), some(), some(), some(), some(), any::<bool>()).prop_map(
        |(address, program, arguments, working_folder, user, full_screen)| {
            Kind::TerminalServer(TerminalServer {
                address,
                program,
                arguments,
                working_folder,
                user,
                full_screen,
            })
        },
    );
    let bare = || Just(Items::default());
    prop_oneof![
        4 => (Just(Kind::Simple), items()),
        1 => (msi, vec(registry_item(), 0..3))
            .prop_map(|(kind, registry)| (kind, Items { registry, ..Items::default() })),
        1 => (packages, bare()),
        1 => (web, bare()),
        1 => (terminal, bare()),
    ]
}

fn macros() -> impl Strategy<Value = Vec<Macro>> {
    let value = prop_oneof![
        text().prop_map(MacroValue::Text),
        (plain(), text(), option::of(any::<u32>())).prop_map(|(prompt, default, length_max)| {
            MacroValue::Prompted { prompt, default, length_max }
        }),
    ];
    vec(value, 0..3).prop_map(|values| {
        let named = values.into_iter().enumerate();
        named.map(|(number, value)| Macro { name: format!("MACRO {number}"), value }).collect()
    })
}

fn name() -> impl Strategy<Value = String> {
    let is_bad = |letter: char| letter.is_control() || letter == '%';
    plain().prop_map(move |name| format!("A{}", name.replace(is_bad, "")))
}

pub(super) fn application() -> impl Strategy<Value = Application> {
    let own = (any::<[u8; 15]>(), any::<u16>()).prop_map(|(rest, version)| {
        let mut bytes = [0; 16];
        bytes[1..].copy_from_slice(&rest);
        (ApplicationId::from_bytes(bytes), version)
    });
    let texts = (option::of(plain()), option::of(text()), option::of(plain()));
    let paths = (option::of(text()), option::of(text()), macros());
    let dependency = (id(), option::of(plain()), any::<bool>()).prop_map(
        |(application, name, continue_if_it_fails)| Dependency {
            application,
            name,
            continue_if_it_fails,
        },
    );
    let scripts = ([(); 4].map(|()| option::of(script())), option::of(launch()));
    let rest = (
        scripts,
        ends(),
        pre_install(),
        option::of(availability()),
        vec(dependency, 0..3),
        vec(id(), 0..3),
        uninstall(),
        (any::<[bool; 2]>(), select(vec![Reboot::IfNeeded, Reboot::Always, Reboot::Never])),
    );
    ((name(), own, texts), paths, kind(), rest).prop_map(
        |((name, (id, version), texts), paths, (kind, items), rest)| {
            let (description, icon, folder) = texts;
            let (source, target, macros) = paths;
            let (scripts, end, pre_install, availability, ..) = rest;
            let (.., dependencies, supersedes, uninstall, options) = rest;
            let is_opened = matches!(kind, Kind::Web { .. } | Kind::TerminalServer(_));
            let ([before, after, before_uninstall, after_uninstall], launch) = scripts;
            let scripts = Scripts { before, after, before_uninstall, after_uninstall };
            let ([flag, user], reboot) = options;
            Application {
                name,
                id,
                version,
                description,
                icon,
                folder,
                kind,
                source,
                target,
                macros,
                items,
                scripts: if is_opened { Scripts::default() } else { scripts },
                launch: launch.filter(|_| !is_opened),
                end,
                pre_install: if is_opened { PreInstall::default() } else { pre_install },
                options: Options {
                    distribute_always: flag && !is_opened,
                    prompt: !flag && !is_opened,
                    rights: if user { Rights::User } else { Rights::System },
                    reboot,
                    prompt_reboot: false,
                    show_progress: flag,
                },
                availability,
                dependencies,
                supersedes,
                uninstall,
            }
        },
    )
}
