//! Macros on a machine in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::testing::Memory;
use crate::{Family, Items, Macro};

fn application() -> Application {
    let mut application = crate::plan::tests::application(Items::default());
    let own = |name: &str, value: &str| Macro {
        name: name.to_owned(),
        value: MacroValue::Text(Text::new(value)),
    };
    application.target = Some(Text::new(r"%*ProgramFiles%\Viewer"));
    application.macros = vec![
        own("DATA", r"%TARGET_PATH%\data"),
        own("HOST", "own"),
        own("A", "%B%"),
        own("B", "x%a%"),
        own("Mine", "%*AppData%/mine"),
        Macro {
            name: "Drive".to_owned(),
            value: MacroValue::Prompted {
                prompt: "Which drive?".to_owned(),
                default: Text::new("%*WinDisk%"),
                length_max: Some(2),
            },
        },
    ];
    application
}

fn machine() -> Memory {
    let mut machine = Memory::new(Family::Windows);
    let texts = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    machine.folders = texts(&[
        ("ProgramFiles", r"C:\Program Files"),
        ("WinDir", r"C:\Windows"),
        ("WinDisk", "C:"),
        ("Desktop", r"C:\Users\ann\Desktop"),
    ]);
    machine.environment = texts(&[
        ("HOST", "machine"),
        ("TEMP", r"C:\Temp"),
        ("WinDir", "elsewhere"),
        ("ProgramFiles(x86)", r"C:\Program Files (x86)"),
        ("USERNAME", "annemarie.long"),
        ("DAY", "never seen"),
    ]);
    machine.facts = texts(&[("host_name", "pc17"), ("mac", "00:1a:2b:3c:4d:5e")]);
    machine
}

fn given() -> Given {
    let mut given = crate::plan::tests::given();
    given.source_path = Some(r"D:\cache".to_owned());
    for (name, value) in [
        ("CN", "ann"),
        ("Given Name", "Ann"),
        ("*;DN", ".viewer.apps"),
        (".printer.site;Location", "second floor"),
    ] {
        given.attributes.insert(name.to_owned(), value.to_owned());
    }
    given
}

#[test]
fn every_kind_of_macro_stands_for_its_value() {
    let (application, machine, given) = (application(), machine(), given());
    for (text, expect) in [
        ("plain", "plain"),
        ("%DATA%", r"C:\Program Files\Viewer\data"),
        ("%data%", r"C:\Program Files\Viewer\data"),
        ("${DATA}", r"C:\Program Files\Viewer\data"),
        ("%DIRECTORY_TARGET_PATH%", r"C:\Program Files"),
        ("%SOURCE_PATH%\\a", r"D:\cache\a"),
        ("%*windir%", r"C:\Windows"),
        ("%WinDir%", r"C:\Windows"),
        ("%*CommonDesktop%", r"C:\Users\ann\Desktop"),
        ("%HOST%", "own"),
        ("%TEMP%", r"C:\Temp"),
        ("%ProgramFiles(x86)%", r"C:\Program Files (x86)"),
        ("%Drive%", "C:"),
        ("%CN% %Given Name%", "ann Ann"),
        ("%*;DN%", ".viewer.apps"),
        ("%.printer.site;Location%", "second floor"),
        ("%COMPUTER_NAME%", "pc17"),
        ("%P_STATION%", "001A2B3C4D5E"),
        ("%LOGIN_NAME%", "annemari"),
        ("%DAY%.%MONTH%.%YEAR% %SHORT_YEAR%", "21.11.2026 26"),
        ("%HOUR24%:%MINUTES%:%SECOND% %HOUR%", "17:05:09 05"),
        ("%NDAY_OF_WEEK%", "7"),
        ("100 %", "100 %"),
        ("100 % of 5 %", "100 % of 5 %"),
        ("100%% of %HOST%", "100% of own"),
        ("%%HOST%%", "%HOST%"),
        ("$${HOST} $HOST ${", "${HOST} $HOST ${"),
        ("%~dp0", "%~dp0"),
        ("a%\nb%HOST%", "a%\nbown"),
    ] {
        let macros = Macros::new(&application, &given, &machine);
        assert_eq!(macros.expand(&Text::new(text)), Ok(expect.to_owned()), "{text}");
    }
}

#[test]
fn what_stands_for_nothing_is_an_error() {
    let (application, machine, mut given) = (application(), machine(), given());
    given.source_path = None;
    given.answers.insert("drive".to_owned(), "too long".to_owned());
    for (text, expect) in [
        ("%Nobody%", "the macro `%Nobody%` is known to nobody"),
        ("${Nobody}", "the macro `%Nobody%` is known to nobody"),
        ("50%of 20%", "the macro `%of 20%` is known to nobody"),
        ("%*Fonts%", "this system has no folder `%*Fonts%`"),
        ("%*;CN%", "no directory says what `%*;CN%` is"),
        ("%A%", "the macro `%a%` holds itself: A - B - a"),
        ("%SOURCE_PATH%", "the source has no path on this machine"),
        ("%DRIVE%", "the answer to `%DRIVE%` has more than 2 characters"),
    ] {
        let error = Macros::new(&application, &given, &machine).expand(&Text::new(text));
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(expect), "{text}: {error}");
    }
}

#[test]
fn macros_that_multiply_come_to_an_end() {
    let mut application = application();
    application.macros = (0..30)
        .map(|level| Macro {
            name: format!("M{level}"),
            value: MacroValue::Text(Text::new(format!("%M{}%", level + 1).repeat(9))),
        })
        .collect();
    let (machine, given) = (machine(), given());
    let long = "x".repeat(64);
    for (last, expect) in [(long.as_str(), MacroError::Long), ("", MacroError::Many)] {
        let value = MacroValue::Text(Text::new(last));
        application.macros.truncate(30);
        application.macros.push(Macro { name: "M30".to_owned(), value });
        let macros = Macros::new(&application, &given, &machine);
        assert_eq!(macros.expand(&Text::new("%M0%")), Err(expect), "{last}");
        assert!(!macros.belongs_to_user(&Text::new("%M0%")));
    }
}

#[test]
fn answers_are_asked_for_once_they_are_needed() {
    let (application, machine, mut given) = (application(), machine(), given());
    let macros = Macros::new(&application, &given, &machine);
    assert_eq!(macros.questions(), []);
    macros.expand(&Text::new("%drive%")).unwrap();
    assert_eq!(
        macros.questions(),
        [Question::Macro {
            name: "Drive".to_owned(),
            prompt: "Which drive?".to_owned(),
            default: "C:".to_owned(),
            length_max: Some(2),
        }]
    );
    given.answers.insert("DRIVE".to_owned(), "%E".to_owned());
    let macros = Macros::new(&application, &given, &machine);
    assert_eq!(macros.expand(&Text::new("%drive%")), Ok("%E".to_owned()));
    assert_eq!(macros.questions(), []);
    assert_eq!(macros.answers(), [("Drive".to_owned(), "%E".to_owned())]);
}

#[test]
fn texts_belong_to_the_machine_or_to_a_user() {
    let (application, machine, given) = (application(), machine(), given());
    let macros = Macros::new(&application, &given, &machine);
    for (text, expect) in [
        ("/opt", false),
        ("%DATA%", false),
        ("%*CommonDesktop%", false),
        ("%*Desktop%", true),
        ("%APPDATA%", true),
        ("${HOME}/x", true),
        ("%Mine%", true),
        ("%Given Name%", true),
        ("%*;DN%", false),
        ("%A%", false),
        ("%%HOME%%", false),
    ] {
        assert_eq!(macros.belongs_to_user(&Text::new(text)), expect, "{text}");
    }
}

proptest! {
    #[test]
    fn texts_without_signs_stay_as_they_are(text in "[^%$]*") {
        let (application, machine, given) = (application(), machine(), given());
        let macros = Macros::new(&application, &given, &machine);
        prop_assert_eq!(macros.expand(&Text::new(text.clone())), Ok(text));
    }

    #[test]
    fn what_is_escaped_comes_out_as_it_was(text in any::<String>()) {
        let (application, machine, given) = (application(), machine(), given());
        let macros = Macros::new(&application, &given, &machine);
        let escaped = text.replace('%', "%%").replace("${", "$${");
        prop_assert_eq!(macros.expand(&Text::new(escaped)), Ok(text));
    }
}
