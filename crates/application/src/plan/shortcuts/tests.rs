//! Shortcuts on machines in memory.

use crate::launch::LaunchFile;
use crate::plan::tests::{application, given};
use crate::plan::*;
use crate::testing::{Entry, Memory, MemorySource};
use crate::*;

fn machine(family: Family) -> Memory {
    let mut machine = Memory::new(family);
    let folders: &[(&str, &str)] = match family {
        Family::Windows => &[
            ("CommonDesktop", r"C:\Users\Public\Desktop"),
            ("CommonPrograms", r"C:\ProgramData\Menu\Programs"),
            ("CommonStartup", r"C:\ProgramData\Menu\Programs\Startup"),
            ("AllUsersProfile", r"C:\ProgramData"),
            ("Desktop", r"C:\Users\ann\Desktop"),
        ],
        Family::Linux => &[
            ("CommonPrograms", "/usr/local/share/applications"),
            ("CommonStartup", "/etc/xdg/autostart"),
            ("Desktop", "/home/ann/Desktop"),
            ("Programs", "/home/ann/.local/share/applications"),
            ("AppData", "/home/ann/.config"),
        ],
    };
    for (name, path) in folders {
        machine.folders.insert((*name).to_owned(), (*path).to_owned());
    }
    machine
}

fn shortcut(name: &str, place: Place, for_all: bool, target: &str) -> ShortcutItem {
    let shortcut = Shortcut {
        name: Text::new(name),
        place,
        for_all,
        target: Text::new(target),
        arguments: Some(Text::new("--view")),
        working_folder: None,
        description: None,
        icon: None,
        window: Window::Normal,
        as_administrator: false,
        terminal: false,
        categories: Vec::new(),
    };
    ShortcutItem::Create { shortcut: Box::new(shortcut), handling: Handling::default() }
}

fn planned(application: &Application, part: &Part, machine: &Memory) -> Plan {
    let (occasion, given) = (Occasion::Distribute, given());
    let (installed, others) = (None, &[][..]);
    let wish = Wish { application, part, occasion, installed, others, given: &given };
    plan(&wish, machine, &MemorySource::default())
}

/// Paths of all files once it is distributed, which a second plan finds in place.
fn files(application: &Application, part: &Part, machine: &mut Memory) -> Vec<String> {
    let plan = planned(application, part, machine);
    assert_eq!(plan.findings, []);
    machine.apply(&plan.changes, &MemorySource::default());
    assert_eq!(planned(application, part, machine).changes, []);
    let file = |(path, entry): (&str, &testing::Entry)| {
        matches!(entry, Entry::File { .. }).then(|| path.to_owned())
    };
    machine.entries().filter_map(file).collect()
}

fn with(shortcuts: Vec<ShortcutItem>) -> Application {
    application(Items { shortcuts, ..Items::default() })
}

#[test]
fn each_place_of_windows_has_its_folder() {
    let group = || Place::StartMenu { group: Some(Text::new("Office/View:ers")) };
    for (place, name, expect) in [
        (Place::Desktop, "Viewer", r"C:\Users\Public\Desktop\Viewer.lnk"),
        (Place::Desktop, "a/b: c?", r"C:\Users\Public\Desktop\a_b_ c_.lnk"),
        (Place::Desktop, "CON", r"C:\Users\Public\Desktop\_CON.lnk"),
        (Place::Startup, "Viewer", r"C:\ProgramData\Menu\Programs\Startup\Viewer.lnk"),
        (group(), "Viewer", r"C:\ProgramData\Menu\Programs\Office\View_ers\Viewer.lnk"),
        (Place::Folder(Text::new(r"C:\Tools")), "Viewer", r"C:\Tools\Viewer.lnk"),
    ] {
        let mut machine = machine(Family::Windows);
        let item = shortcut(name, place, true, r"C:\Viewer\viewer.exe");
        assert_eq!(files(&with(vec![item]), &Part::Machine, &mut machine), [expect]);
        let link = lnk::read(machine.bytes(expect)).unwrap();
        assert_eq!((link.target.as_str(), &*link.arguments), (r"C:\Viewer\viewer.exe", "--view"));
    }
}

#[test]
fn groups_of_linux_are_menus_with_a_category() {
    let mut machine = machine(Family::Linux);
    let place = Place::StartMenu { group: Some(Text::new("Office")) };
    let viewer = with(vec![shortcut("The Viewer", place, true, "/opt/viewer")]);
    let files = files(&viewer, &Part::Machine, &mut machine);
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().any(|path| path.starts_with("/etc/xdg/menus/applications-merged/")));
    assert!(files.iter().any(|path| path.starts_with("/usr/local/share/desktop-directories/")));
    let entry = machine.bytes("/usr/local/share/applications/the-viewer.desktop");
    let entry = String::from_utf8(entry.to_vec()).unwrap();
    assert!(entry.contains("Exec=/opt/viewer --view\n"), "{entry}");
    assert!(entry.contains("Categories="), "{entry}");
}

#[test]
fn shortcuts_belong_to_everybody_or_to_each_user() {
    let viewer = with(vec![
        shortcut("Mine", Place::Desktop, false, "/opt/viewer"),
        shortcut("All", Place::Desktop, true, "/opt/viewer"),
        shortcut("Menu", Place::StartMenu { group: None }, true, "/opt/viewer"),
    ]);
    let user = Part::User("ann".to_owned());
    let mut ann = machine(Family::Linux);
    assert_eq!(files(&viewer, &user, &mut ann), ["/home/ann/Desktop/mine.desktop"]);
    let Some(Entry::File { mode, .. }) = ann.entry("/home/ann/Desktop/mine.desktop") else {
        panic!("no file");
    };
    assert_eq!(*mode, 0o755);
    // No system has a desktop of everybody on Linux.
    let mut all = machine(Family::Linux);
    let menu = ["/usr/local/share/applications/menu.desktop"];
    assert_eq!(files(&viewer, &Part::Machine, &mut all), menu);
}

#[test]
fn one_that_cannot_be_made_refuses_the_plan() {
    let machine = machine(Family::Windows);
    for (name, target) in [("Viewer", "viewer.exe"), ("  ", r"C:\viewer.exe")] {
        let item = shortcut(name, Place::Desktop, true, target);
        let plan = planned(&with(vec![item]), &Part::Machine, &machine);
        assert!(plan.is_refused(), "{name} {target}");
    }
}

#[test]
fn shortcuts_and_groups_are_deleted() {
    let mut machine = machine(Family::Windows);
    machine.put(r"C:\ProgramData\Menu\Programs\Old\a.lnk", Entry::file("x"));
    machine.put(r"C:\Users\Public\Desktop\Old.lnk", Entry::file("y"));
    let (name, handling) = (Text::new("Old"), Handling::default());
    let (place, for_all) = (Place::Desktop, true);
    let group = ShortcutItem::Group { name: name.clone(), for_all, delete: true, handling };
    let delete = ShortcutItem::Delete { name, place, for_all, handling };
    let plan = planned(&with(vec![group, delete]), &Part::Machine, &machine);
    assert_eq!(plan.findings, []);
    machine.apply(&plan.changes, &MemorySource::default());
    assert_eq!(machine.entry(r"C:\ProgramData\Menu\Programs\Old"), None);
    assert_eq!(machine.entry(r"C:\Users\Public\Desktop\Old.lnk"), None);
}

fn launched(once: bool) -> Application {
    let script = DistributionScript {
        text: Text::new("echo %TARGET_PATH%"),
        engine: None,
        extension: None,
        timeout: None,
    };
    Application {
        folder: Some("Office".to_owned()),
        icon: Some(Text::new("viewer.png")),
        target: Some(Text::new("/opt/viewer")),
        launch: Some(Launch {
            program: Text::new("%TARGET_PATH%/viewer"),
            arguments: Some(Text::new("--new")),
            working_folder: None,
            once,
            before: Some(script),
            after: None,
        }),
        ..with(Vec::new())
    }
}

#[test]
fn an_own_icon_is_each_users_and_starts_the_launcher() {
    let mut ann = machine(Family::Linux);
    ann.folders.insert("LocalAppData".to_owned(), "/home/ann/.local/share".to_owned());
    let mut source = MemorySource::default();
    source.put("viewer.png", Entry::file("a picture"));
    let launcher = Some(vec!["/usr/bin/deskhand-agent".to_owned(), "launch".to_owned()]);
    let (user, given) = (Part::User("ann".to_owned()), Given { launcher, ..given() });
    let plan_of = |application: &Application, part: &Part, machine: &Memory| {
        let (occasion, installed, others) = (Occasion::Distribute, None, &[][..]);
        let wish = Wish { application, part, occasion, installed, others, given: &given };
        plan(&wish, machine, &source)
    };
    let viewer = launched(true);
    assert_eq!(plan_of(&viewer, &Part::Machine, &ann).changes, []);
    let plan = plan_of(&viewer, &user, &ann);
    assert_eq!(plan.findings, []);
    ann.apply(&plan.changes, &source);
    let id = viewer.id;
    let launch = format!("/home/ann/.local/share/deskhand/launch/{id}");
    let told = LaunchFile::from_bytes(ann.bytes(&format!("{launch}.json"))).unwrap();
    let icon = "/home/ann/.local/share/applications/viewer.desktop";
    assert_eq!((&*told.program, &*told.icon), ("/opt/viewer/viewer", icon));
    assert_eq!(told.before.unwrap().text, "echo /opt/viewer");
    let entry = String::from_utf8(ann.bytes(icon).to_vec()).unwrap();
    assert!(entry.contains(&format!("Exec=/usr/bin/deskhand-agent launch {id}\n")), "{entry}");
    assert!(entry.contains(&format!("Icon={launch}.png\n")), "{entry}");
    assert_eq!(plan_of(&viewer, &user, &ann).changes, []);

    // It ran: its icon is no longer wanted, until a larger version comes.
    ann.put(&format!("{launch}.ran"), Entry::file("1\n"));
    let Ok(Some(Node::File(FileNode { size, mtime_ns, .. }))) = ann.node(icon) else {
        panic!("no icon");
    };
    let before = Before::File { size, mtime_ns };
    ann.apply(&[Change::RemoveFile { path: icon.to_owned(), before }], &source);
    let plan = plan_of(&viewer, &user, &ann);
    assert_eq!((plan.changes.len(), plan.drift().count()), (0, 0));
    for again in [Application { version: 2, ..launched(true) }, launched(false)] {
        let wanted = plan_of(&again, &user, &ann).changes;
        assert!(wanted.iter().any(|change| match change {
            Change::WriteFile { path, .. } => path == icon,
            _ => false,
        }));
    }
}

#[test]
fn where_nothing_stays_that_could_launch_there_is_no_own_icon() {
    let plan = planned(&launched(false), &Part::User("ann".into()), &machine(Family::Linux));
    assert_eq!((plan.findings.len(), plan.changes.len()), (0, 0));
    assert!(matches!(plan.items[0].outcome, Outcome::Skipped { .. }));
}

#[test]
fn addresses_and_sessions_are_shortcuts_of_everybody() {
    let web = |browser: Option<&str>| Kind::Web {
        url: Text::new("https://example.org/a"),
        browser: browser.map(Text::new),
    };
    let session = || {
        Kind::TerminalServer(TerminalServer {
            address: Text::new("ts1:3390"),
            program: None,
            arguments: None,
            working_folder: None,
            user: None,
            full_screen: true,
        })
    };
    let menu = r"C:\ProgramData\Menu\Programs";
    for (family, kind, expect) in [
        (Family::Windows, web(None), vec![format!(r"{menu}\Viewer.url")]),
        (Family::Windows, web(Some(r"C:\b.exe")), vec![format!(r"{menu}\Viewer.lnk")]),
        (
            Family::Windows,
            session(),
            vec![r"C:\ProgramData\Deskhand\Viewer.rdp".into(), format!(r"{menu}\Viewer.lnk")],
        ),
        (Family::Linux, web(None), vec!["/usr/local/share/applications/viewer.desktop".into()]),
        (
            Family::Linux,
            session(),
            vec![
                "/usr/local/share/applications/viewer.desktop".into(),
                "/usr/local/share/deskhand/Viewer.rdp".into(),
            ],
        ),
    ] {
        let mut application = with(Vec::new());
        application.kind = kind;
        assert_eq!(files(&application, &Part::Machine, &mut machine(family)), expect);
    }
}
