//! What others read in the files that we write: liblnk's `lnkinfo`, `desktop-file-validate`, and
//! Wine, which is asked by the lane of Windows (`cargo xtask windows`).

#![cfg(target_os = "linux")]

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::process::Command;

use application::desktop::{self, Action, Entry, Run};
use application::encoding::{CodePage, Convention};
use application::ini::{IniText, Setting};
use application::lnk::{self, Link};
use application::packages;
use application::{IniRule, Window};

/// Standard output of a judge that finds nothing wrong.
fn said(command: &mut Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| panic!("`{program}`: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{:?}", output.stderr);
    text
}

fn wine() -> Command {
    let variable = |name| {
        let value = std::env::var_os(name);
        value.unwrap_or_else(|| panic!("{name} is not set: `cargo xtask windows` runs this"))
    };
    let mut command = Command::new(variable("DESKHAND_WINE"));
    command.arg(variable("DESKHAND_JUDGE"));
    command
}

fn written(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a file is written");
    path
}

/// As Wine names a file of this system.
fn windows_path(path: &Path) -> String {
    format!("Z:{}", path.to_string_lossy().replace('/', "\\"))
}

fn link(target: &str) -> Link {
    Link {
        target: target.to_owned(),
        arguments: "/open \"a b\"".to_owned(),
        working_folder: r"C:\windows".to_owned(),
        description: "Größe".to_owned(),
        icon: Some((r"C:\icons.dll".to_owned(), 4)),
        window: Window::Maximized,
        ..Link::default()
    }
}

const TARGETS: [&str; 4] = [
    r"C:\windows\system32\notepad.exe",
    r"C:\Größe\not there\ä.exe",
    r"\\server\share\folder\viewer.exe",
    r"%ProgramFiles%\viewer.exe",
];

#[test]
fn lnkinfo_reads_our_shortcuts() {
    let folder = tempfile::tempdir().unwrap();
    for target in TARGETS {
        let file = written(&folder, "a.lnk", &lnk::write(&link(target)).unwrap());
        let said = said(Command::new("lnkinfo").arg("-v").arg(file));
        let has = |what: &str, value: &str| {
            let is_line = |line: &str| {
                let parts = line
                    .trim()
                    .split_once('\t')
                    .map(|(a, b)| (a, b.trim().trim_start_matches(": ")));
                parts == Some((what, value))
            };
            assert!(said.lines().any(is_line), "{what}: {value}\n{said}");
        };
        match target {
            target if target.starts_with('%') => has("Environment variables location", target),
            target if target.starts_with('\\') => has("Network path", target),
            target => has("Local path", target),
        }
        has("Command line arguments", "/open \"a b\"");
        has("Working directory", r"C:\windows");
        has("Description", "Größe");
        has("Icon location", r"C:\icons.dll");
        has("Icon index", "4");
    }
}

/// But for what Wine does not read: the window, which it writes where we do, and targets that are
/// not said by drive or by characters of the code page.
#[test]
#[ignore = "needs Wine; `cargo xtask windows` runs it"]
fn wine_reads_our_shortcuts() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<String> = TARGETS
        .iter()
        .enumerate()
        .map(|(number, target)| {
            let bytes = lnk::write(&link(target)).unwrap();
            windows_path(&written(&folder, &format!("{number}.lnk"), &bytes))
        })
        .collect();
    let said = said(wine().arg("lnk").args(&files));
    let lines: Vec<&str> = said.lines().collect();
    for (target, found) in TARGETS.iter().zip(lines.chunks(6)) {
        let rest = ["/open \"a b\"", r"C:\windows", "Größe", r"C:\icons.dll", "4"];
        if target.starts_with("C:") {
            assert_eq!(found[0], *target);
        }
        assert_eq!(found[1..], rest, "{target}");
    }
    assert_eq!(lines.len(), TARGETS.len() * 6);
}

/// What is set in a file in each encoding is what a Windows program reads, and so are the values
/// beside it.
#[test]
#[ignore = "needs Wine; `cargo xtask windows` runs it"]
fn wine_reads_our_ini_files() {
    let text = concat!(
        "; remark\r\nbefore=0\r\n[Main]\r\n  Name  =  two words ; data  \r\n",
        "quoted = \" kept \"\r\n",
        "single='x'\r\nodd=\"x'\r\nnone\r\nempty=\r\n;hidden=1\r\n# b=2\r\n",
        "double=1\r\ndouble=2\r\n",
        "\r\n[Other]\r\nName=1\r\n[MAIN]\r\nlate=1\r\n [indented] rest\r\ny=2\r\n[a]b]\r\nz=3\r\n",
    );
    let rules = [
        ("Main", "name", "new data", IniRule::CreateAlways),
        ("Main", "added", "Größe", IniRule::CreateAlways),
        ("Main", "empty", "filled", IniRule::CreateIfExists),
        ("Main", "double", "3", IniRule::AddToSection),
        ("Main", "single", ",y", IniRule::AppendToValue),
        ("Made", "first", "1", IniRule::CreateIfAbsent),
        ("a]b", "w", "4", IniRule::CreateAlways),
    ];
    let folder = tempfile::tempdir().unwrap();
    let wide =
        [vec![0xFF, 0xFE], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
    for (name, bytes) in [("ansi.ini", text.as_bytes().to_vec()), ("wide.ini", wide)] {
        let convention = Convention::windows(CodePage::WINDOWS_1252);
        let mut ini = IniText::parse(&bytes, convention);
        for (section, name, data, rule) in rules {
            ini.apply(Setting { section, name, data: Some(data), rule }).unwrap();
        }
        let path = windows_path(&written(&folder, name, &ini.to_bytes()));
        let names = [
            "name", "added", "quoted", "single", "odd", "none", "empty", "hidden", "# b", "double",
            "late", "NAME",
        ];
        let others =
            [("Other", "name"), ("indented", "y"), ("a]b", "z"), ("a]b", "w"), ("made", "FIRST")];
        let asked: Vec<(&str, &str)> =
            names.iter().map(|name| ("Main", *name)).chain(others).collect();
        let words = asked.iter().flat_map(|(section, name)| [path.as_str(), section, name]);
        let said = said(wine().arg("ini").args(words));
        let expect: Vec<String> = asked
            .iter()
            .map(|(section, name)| ini.read(section, name).unwrap_or_else(|| "(none)".to_owned()))
            .collect();
        assert_eq!(said.lines().collect::<Vec<_>>(), expect, "{name}");
    }
}

#[test]
fn desktop_file_validate_finds_nothing_wrong() {
    let run = |program: &str, arguments: &str| Run {
        program: program.to_owned(),
        arguments: arguments.to_owned(),
        ..Run::default()
    };
    let group = desktop::group("Office/R & D").unwrap();
    let actions = [
        Action::Run(run("/opt/viewer/viewer", "--open %f")),
        Action::Run(run("/opt/My Viewer/v", r#"'$HOME' `id` "say \"no\"" a\b 100% *;& <>~|()#?"#)),
        Action::Run(Run {
            working_folder: "/opt/viewer".to_owned(),
            in_terminal: true,
            as_administrator: true,
            categories: vec!["Office".to_owned(), group.category.clone()],
            ..run("viewer", "")
        }),
        Action::Open { url: "https://viewer.example/a?b=c&d=%20".to_owned() },
    ];
    let entry = |action| Entry {
        name: "Größe\\ 日本".to_owned(),
        comment: " Shows\tit\nwell".to_owned(),
        icon: "viewer".to_owned(),
        action,
    };
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> =
        group.folders.iter().map(|(name, text)| written(&folder, name, text.as_bytes())).collect();
    for (number, action) in actions.into_iter().enumerate() {
        let text = desktop::write(&entry(action)).unwrap();
        files.push(written(&folder, &format!("{number}.desktop"), text.as_bytes()));
    }
    assert_eq!(said(Command::new("desktop-file-validate").args(files)), "");
}

const VERSIONS: [&str; 30] = [
    "1",
    "1.0",
    "1.0.0",
    "01",
    "1.01",
    "1.1",
    "1.10",
    "1.9",
    "1a",
    "1.a",
    "1ab",
    "1b",
    "1~",
    "1~~",
    "1~a",
    "1.0~rc1",
    "1.0~rc1.2",
    "1.0rc1",
    "1+b",
    "1.0+git2",
    "2",
    "10",
    "a",
    "z1",
    "0",
    "1..2",
    "1_2",
    "20240101",
    "1.0.",
    "~",
];

#[test]
fn dpkg_orders_versions_as_we_do() {
    let own = ["1:1", "0:1", "1-1", "1-2", "1-1~b", "1.0-0", "2:0-1", "1-0ubuntu1"];
    let versions: Vec<&str> = VERSIONS.into_iter().chain(own).filter(|one| *one != "1_2").collect();
    let is = |one: &str, relation: &str, other: &str| {
        let words = ["--compare-versions", one, relation, other];
        Command::new("dpkg").args(words).output().unwrap().status.success()
    };
    for one in &versions {
        for other in &versions {
            let expect = if is(one, "lt-nl", other) {
                Ordering::Less
            } else if is(one, "eq", other) {
                Ordering::Equal
            } else {
                Ordering::Greater
            };
            assert_eq!(packages::compare_deb(one, other), expect, "{one} {other}");
        }
    }
}

#[test]
fn rpm_orders_versions_as_we_do() {
    let own = ["1^", "1^a", "1^~a", "1~^a", "1^2", "1.0^rc1", "^"];
    let versions: Vec<&str> = VERSIONS.into_iter().chain(own).collect();
    let quoted: Vec<String> = versions.iter().map(|version| format!("\"{version}\"")).collect();
    let script = format!(
        "%{{lua: local v = {{ {} }} for _, a in ipairs(v) do for _, b in ipairs(v) do \
         print(rpm.vercmp(a, b) .. ' ') end end}}",
        quoted.join(", ")
    );
    let said = said(Command::new("rpm").args(["--eval", &script]));
    let mut answers = said.split_whitespace();
    for one in &versions {
        for other in &versions {
            let answer: i32 = answers.next().unwrap().parse().unwrap();
            assert_eq!(packages::compare_rpm(one, other), answer.cmp(&0), "{one} {other}");
        }
    }
    assert_eq!(answers.next(), None);
}
