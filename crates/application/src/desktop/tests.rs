//! Entries as text; `desktop-file-validate` judges them in `tests/judges.rs`.

use super::*;

fn run(program: &str, arguments: &str) -> Entry {
    Entry {
        name: "Viewer".to_owned(),
        comment: String::new(),
        icon: String::new(),
        action: Action::Run(Run {
            program: program.to_owned(),
            arguments: arguments.to_owned(),
            ..Run::default()
        }),
    }
}

#[test]
fn an_entry_says_what_is_known_and_nothing_else() {
    let entry = Entry {
        comment: "Shows\tit".to_owned(),
        icon: "/opt/viewer/icon.png".to_owned(),
        action: Action::Run(Run {
            program: "/opt/viewer/viewer".to_owned(),
            arguments: "--open %f".to_owned(),
            working_folder: "/opt/viewer".to_owned(),
            in_terminal: true,
            as_administrator: true,
            categories: vec!["Office".to_owned(), "X-Deskhand-A".to_owned()],
        }),
        ..run("", "")
    };
    let expect = "[Desktop Entry]\nType=Application\nVersion=1.0\nName=Viewer\nComment=Shows\\tit\n\
                  Icon=/opt/viewer/icon.png\nExec=pkexec /opt/viewer/viewer --open %f\n\
                  Path=/opt/viewer\nTerminal=true\nCategories=Office;X-Deskhand-A;\n";
    assert_eq!(write(&entry).unwrap(), expect);
    let web = Entry { action: Action::Open { url: "https://a.example/%20".to_owned() }, ..entry };
    let expect = "[Desktop Entry]\nType=Link\nVersion=1.0\nName=Viewer\nComment=Shows\\tit\n\
                  Icon=/opt/viewer/icon.png\nURL=https://a.example/%20\n";
    assert_eq!(write(&web).unwrap(), expect);
}

/// Twice: once for the command, once more for the file.
#[test]
fn words_are_quoted_where_they_must_be() {
    for (program, arguments, expect) in [
        ("viewer", "", "viewer"),
        ("/opt/My Viewer/v", "a  b", r#""/opt/My Viewer/v" a b"#),
        ("v", r#"--open "a b" ''"#, r#"v --open "a b" """#),
        ("v", r#"'$HOME' `id`"#, r#"v "\\$HOME" "\\`id\\`""#),
        ("v", r#""say \"no\"""#, r#"v "say \\"no\\"""#),
        ("v", r"a\b", r#"v "a\\\\b""#),
        ("v", "100% %U --at=%f", "v 100%% %U --at=%%f"),
        ("v", "*;&", r#"v "*;&""#),
        ("v", r#"pre"fix x"y"#, r#"v "prefix xy""#),
    ] {
        let text = write(&run(program, arguments)).unwrap();
        let found = text.lines().find_map(|line| line.strip_prefix("Exec="));
        assert_eq!(found, Some(expect), "{program} {arguments}");
    }
}

#[test]
fn what_no_entry_can_hold_is_refused() {
    let with = |change: fn(&mut Run)| {
        let mut run = Run { program: "v".to_owned(), ..Run::default() };
        change(&mut run);
        Entry { action: Action::Run(run), ..self::run("", "") }
    };
    for (entry, expect) in [
        (run("", ""), "cannot be the program"),
        (run("a=b", ""), "cannot be the program"),
        (run("v", "'open"), "do not close"),
        (with(|run| run.categories = vec!["a;b".to_owned()]), "no category"),
        (with(|run| run.working_folder = "/\u{7}".to_owned()), "control character"),
        (Entry { name: " ".to_owned(), ..run("v", "") }, "no name"),
        (Entry { action: Action::Open { url: "a.example".to_owned() }, ..run("", "") }, "scheme"),
    ] {
        let error = write(&entry).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn files_are_named_after_what_they_are() {
    for (name, expect) in [
        ("Viewer", "viewer.desktop"),
        ("My / Viewer 2.0", "my---viewer-2.0.desktop"),
        ("..hidden", "hidden.desktop"),
        ("Größe 日本", "größe-日本.desktop"),
    ] {
        assert_eq!(file_name(name), expect);
    }
}

#[test]
fn a_group_is_a_menu_and_a_folder_for_each_level() {
    let group = group("Office/R & D").unwrap();
    assert_eq!(group.category, "X-Deskhand-Office-R-20--26--20-D");
    assert_eq!(group.menu.0, "deskhand-office-r---d.menu");
    let expect = "<Menu>\n<Name>Applications</Name>\n\
        <Menu>\n<Name>Office</Name>\n<Directory>deskhand-office.directory</Directory>\n\
        <Menu>\n<Name>R &amp; D</Name>\n<Directory>deskhand-office-r---d.directory</Directory>\n\
        <Include><Category>X-Deskhand-Office-R-20--26--20-D</Category></Include>\n\
        </Menu>\n</Menu>\n</Menu>\n";
    assert!(group.menu.1.ends_with(expect), "{}", group.menu.1);
    let (file, text) = &group.folders[1];
    assert_eq!(file, "deskhand-office-r---d.directory");
    assert_eq!(text, "[Desktop Entry]\nType=Directory\nVersion=1.0\nName=R & D\n");
    assert_ne!(super::group("a-b").unwrap().category, super::group("a/b").unwrap().category);
    assert_eq!(super::group("/"), Err(WriteError::NoName));
}
