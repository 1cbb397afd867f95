//! Applications on this machine with the real program on real files, below a root.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Came, came, command};

const DOCUMENT: &str = r#"
application: Viewer
id: 01890a5d-ac96-774b-bcce-b302099a8057
version: 1
source: source
target: /opt/viewer
files:
  - { copy: "%SOURCE_PATH%/*.txt", to: "%TARGET_PATH%" }
  - { create_folder: "%TARGET_PATH%/data" }
ini:
  - file: /etc/viewer.ini
    sections:
      - { section: Main, values: [ { name: Color, data: blue }, { name: Size, data: "5" } ] }
text:
  - { file: /etc/motd, changes: [ { append: "Welcome to the viewer" } ] }
"#;

/// A machine of files, and an application beside it.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["root/etc", "root/opt", "root/var/lib", "source"] {
            fs::create_dir_all(scene.path(folder)).unwrap();
        }
        fs::write(scene.path("root/etc/motd"), "Old words\n").unwrap();
        fs::write(scene.path("root/etc/viewer.ini"), "[Main]\r\n; mine\r\nColor=red\r\n").unwrap();
        fs::write(scene.path("source/a.txt"), "a of version 1").unwrap();
        fs::write(scene.path("source/b.txt"), "b of version 1").unwrap();
        scene.document(DOCUMENT);
        scene
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn document(&self, text: &str) {
        fs::write(self.path("viewer.yaml"), text).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = command(["app"].iter().chain(words));
        command.arg("--root").arg(self.path("root"));
        command
    }

    fn app(&self, words: &[&str]) -> Came {
        let file = self.path("viewer.yaml");
        let words: Vec<&str> = words
            .iter()
            .map(|word| if *word == "FILE" { file.to_str().unwrap() } else { *word })
            .collect();
        came(self.command(&words))
    }

    /// Everything but the records: path to content.
    fn tree(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut all = BTreeMap::new();
        walk(&self.path("root"), &self.path("root"), &mut all);
        all.retain(|path, _| !path.starts_with("var/lib/deskhand"));
        all
    }
}

fn walk(root: &Path, folder: &Path, all: &mut BTreeMap<String, Option<Vec<u8>>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            all.insert(name, None);
            walk(root, &path, all);
        } else {
            all.insert(name, Some(fs::read(&path).unwrap()));
        }
    }
}

fn expect(came: &Came, code: i32) -> &Came {
    assert_eq!(came.code, Some(code), "{}\n{}", came.out, came.err);
    came
}

#[test]
fn an_application_comes_drifts_is_repaired_upgraded_and_goes() {
    let scene = Scene::new();
    let before = scene.tree();
    let plan = scene.app(&["plan", "FILE"]);
    assert!(expect(&plan, 3).out.contains("red"), "{}", plan.out);
    assert_eq!(scene.tree(), before, "a plan changes nothing");
    expect(&scene.app(&["apply", "FILE", "--yes"]), 0);
    let applied = scene.tree();
    assert_eq!(applied["opt/viewer/a.txt"].as_deref(), Some(&b"a of version 1"[..]));
    let ini = "[Main]\r\n; mine\r\nColor=blue\r\nSize=5\r\n";
    assert_eq!(applied["etc/viewer.ini"].as_deref(), Some(ini.as_bytes()));
    expect(&scene.app(&["plan", "FILE"]), 0);
    expect(&scene.app(&["verify"]), 0);
    // Drift is told and repaired.
    fs::write(scene.path("root/opt/viewer/a.txt"), "changed by hand").unwrap();
    fs::remove_file(scene.path("root/opt/viewer/b.txt")).unwrap();
    let listed: Value = serde_json::from_str(&scene.app(&["list", "--json"]).out).unwrap();
    assert_eq!((&listed[0]["drift"], &listed[0]["version"]), (&2.into(), &1.into()), "{listed}");
    expect(&scene.app(&["verify"]), 3);
    expect(&scene.app(&["verify", "viewer", "--repair"]), 0);
    assert_eq!(scene.tree(), applied);
    // A later version brings what is new; an earlier one is left alone.
    fs::write(scene.path("source/a.txt"), "a of version 2").unwrap();
    scene.document(&DOCUMENT.replace("version: 1", "version: 2"));
    expect(&scene.app(&["apply", "FILE", "--yes"]), 0);
    assert_eq!(scene.tree()["opt/viewer/a.txt"].as_deref(), Some(&b"a of version 2"[..]));
    scene.document(DOCUMENT);
    assert!(expect(&scene.app(&["plan", "FILE"]), 0).out.contains("later"));
    expect(&scene.app(&["uninstall", "Viewer", "--yes"]), 0);
    assert_eq!(scene.tree(), before, "what was there before comes back");
    expect(&scene.app(&["uninstall", "Viewer", "--yes"]), 1);
}

#[test]
fn a_script_that_fails_undoes_everything() {
    let scene = Scene::new();
    let before = scene.tree();
    let script = "scripts: { after: { run: \"ls $DESKHAND_ROOT/opt/viewer; exit 4\" } }\n";
    scene.document(&format!("{DOCUMENT}{script}"));
    let came = scene.app(&["apply", "FILE", "--yes"]);
    let told = &expect(&came, 1).err;
    assert!(told.contains("DH-U008") && told.contains("exit code 4"), "{told}");
    assert!(told.contains("| a.txt") && told.contains("all of it is undone"), "{told}");
    assert_eq!(scene.tree(), before);
    assert!(scene.app(&["list"]).err.contains("no application"));
}

#[test]
fn nobody_to_ask_is_told() {
    let scene = Scene::new();
    let before = scene.tree();
    let came = scene.app(&["apply", "FILE"]);
    assert!(expect(&came, 2).err.contains("--yes"), "{}", came.err);
    assert_eq!(scene.tree(), before);
}

#[test]
fn what_is_needed_comes_first_and_goes_last() {
    let scene = Scene::new();
    let before = scene.tree();
    let needed = "application: Runtime\nid: 01890a5d-ac96-774b-bcce-b302099a8058\nversion: 1\n\
                  files: [ { create_folder: /opt/runtime } ]\n";
    fs::write(scene.path("runtime.yaml"), needed).unwrap();
    let needs = "dependencies: [ { application: 01890a5d-ac96-774b-bcce-b302099a8058, \
                 name: Runtime } ]\n";
    scene.document(&format!("{DOCUMENT}{needs}"));
    let came = scene.app(&["plan", "FILE"]);
    assert!(expect(&came, 1).err.contains("`Runtime`"), "{}", came.err);
    let runtime = scene.path("runtime.yaml");
    let runtime = runtime.to_str().unwrap();
    expect(&scene.app(&["apply", "FILE", "--with", runtime, "--yes"]), 0);
    assert!(scene.path("root/opt/runtime").is_dir());
    expect(&scene.app(&["uninstall", "Runtime", "--yes"]), 1);
    expect(&scene.app(&["uninstall", "Viewer", "--yes"]), 0);
    assert_eq!(scene.tree(), before, "nobody needs it any more");
    // And what that needed in its turn.
    let base = needed.replace("Runtime", "Base").replace("8058", "8059").replace("runtime", "base");
    fs::write(scene.path("base.yaml"), base).unwrap();
    let needs = "dependencies: [ { application: 01890a5d-ac96-774b-bcce-b302099a8059 } ]\n";
    fs::write(scene.path("runtime.yaml"), format!("{needed}{needs}")).unwrap();
    let base = scene.path("base.yaml");
    let with = ["apply", "FILE", "--with", runtime, "--with", base.to_str().unwrap(), "--yes"];
    expect(&scene.app(&with), 0);
    assert!(scene.path("root/opt/base").is_dir());
    expect(&scene.app(&["uninstall", "Viewer", "--yes"]), 0);
    assert_eq!(scene.tree(), before, "nobody needs either any more");
}

#[test]
fn a_user_without_a_part_has_nothing_to_be_uninstalled() {
    let scene = Scene::new();
    expect(&scene.app(&["apply", "FILE", "--yes"]), 0);
    let applied = scene.tree();
    for more in ["--plan", "--yes"] {
        let came = scene.app(&["uninstall", "Viewer", "--user", "bob", more]);
        let said = expect(&came, 1).err.as_str();
        assert!(said.contains("error[DH-U013]: user `bob` has no part of `Viewer` here"), "{said}");
    }
    assert_eq!(scene.tree(), applied);
}

#[cfg(unix)]
#[test]
fn killed_at_any_instant_it_is_as_before_or_as_after() {
    let scene = Scene::new();
    for at in 0..300 {
        fs::write(scene.path(&format!("source/more-{at}.txt")), format!("{at}").repeat(999))
            .unwrap();
    }
    let before = scene.tree();
    let began = Instant::now();
    expect(&scene.app(&["apply", "FILE", "--yes"]), 0);
    let took = began.elapsed();
    let after = scene.tree();
    expect(&scene.app(&["uninstall", "Viewer", "--yes"]), 0);
    let (mut undone, mut done) = (0, 0);
    // Sooner and sooner, for the first one may have been slow.
    for part in 0..12u32 {
        let file = scene.path("viewer.yaml");
        let mut command = scene.command(&["apply", file.to_str().unwrap(), "--yes"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        wait_for(&mut child, took.mul_f64(0.7_f64.powi(part.cast_signed())));
        let _ = child.kill();
        child.wait().unwrap();
        // Any command that may change something puts it right.
        let came = scene.app(&["verify", "--repair"]);
        assert_eq!(came.code, Some(0), "{}", came.err);
        let now = scene.tree();
        if now == before {
            undone += 1;
        } else {
            assert!(now == after, "part {part}: {}", came.err);
            done += 1;
            expect(&scene.app(&["uninstall", "Viewer", "--yes"]), 0);
        }
    }
    assert_eq!(scene.tree(), before);
    assert!(undone > 0, "{undone} undone, {done} done");
}

/// Until then, or until it has ended.
#[cfg(unix)]
fn wait_for(child: &mut std::process::Child, time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

/// A package without scripts, built by Debian's own program.
#[cfg(target_os = "linux")]
fn build_deb(scene: &Scene, version: &str) {
    let tree = scene.path(&format!("deb-{version}"));
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    fs::create_dir_all(tree.join("usr/share/deskhand-test")).unwrap();
    let control = format!(
        "Package: deskhand-test\nVersion: {version}\nArchitecture: all\n\
         Maintainer: nobody <nobody@example.org>\nDescription: a test\n"
    );
    fs::write(tree.join("DEBIAN/control"), control).unwrap();
    fs::write(tree.join("usr/share/deskhand-test/version"), version).unwrap();
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "--build"]).arg(&tree);
    let built = build.arg(scene.path("source/test.deb")).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

#[cfg(target_os = "linux")]
#[test]
fn packages_are_installed_kept_up_and_removed() {
    if !Path::new("/usr/bin/dpkg-deb").exists() || !rustix::process::geteuid().is_root() {
        eprintln!("skipped: packages need dpkg, and root");
        return;
    }
    let scene = Scene::new();
    for folder in ["info", "updates", "triggers", "parts"] {
        fs::create_dir_all(scene.path("root/var/lib/dpkg").join(folder)).unwrap();
    }
    for file in ["status", "available"] {
        fs::write(scene.path("root/var/lib/dpkg").join(file), "").unwrap();
    }
    let document = |version: u16, package: &str, more: &str| {
        scene.document(&format!(
            "application: Packaged\nid: 01890a5d-ac96-774b-bcce-b302099a8059\n\
             version: {version}\nsource: source\npackages:\n  system: deb\n  install:\n    \
             - {{ name: deskhand-test, version: '{package}', file: test.deb }}\n{more}"
        ));
    };
    let installed = scene.path("root/usr/share/deskhand-test/version");
    build_deb(&scene, "1.2");
    document(1, "1.2", "scripts: { after: { run: exit 5 } }\n");
    let came = scene.app(&["apply", "FILE", "--yes"]);
    expect(&came, 1);
    assert!(!installed.exists(), "taken back: {}", came.err);
    document(1, "1.2", "");
    let plan = scene.app(&["plan", "FILE"]);
    assert!(expect(&plan, 3).out.contains("+ deskhand-test: absent"), "{}", plan.out);
    expect(&scene.app(&["apply", "FILE", "--yes"]), 0);
    assert_eq!(fs::read_to_string(&installed).unwrap(), "1.2");
    expect(&scene.app(&["verify"]), 0);
    // 1.10 is later than 1.2.
    build_deb(&scene, "1.10");
    document(2, "1.10", "");
    expect(&scene.app(&["apply", "FILE", "--yes"]), 0);
    assert_eq!(fs::read_to_string(&installed).unwrap(), "1.10");
    let gone = scene.app(&["uninstall", "Packaged", "--yes"]);
    expect(&gone, 0);
    assert!(!installed.exists(), "it was not here before: {}", gone.err);
}

/// Users of the machine below the root, with homes; only root can give files to others.
#[test]
fn a_users_part_belongs_to_that_user_and_goes_with_the_rest() {
    use std::os::unix::fs::MetadataExt;
    let scene = Scene::new();
    fs::create_dir_all(scene.path("root/home/ada")).unwrap();
    let uid = match machine::identity::is_system() {
        true => 12_345,
        false => fs::metadata(scene.path("root")).unwrap().uid(),
    };
    let passwd = format!("ada:x:{uid}:{uid}::/home/ada:/bin/sh\n");
    fs::write(scene.path("root/etc/passwd"), passwd).unwrap();
    scene.document(
        "application: Viewer\nid: 01890a5d-ac96-774b-bcce-b302099a8057\nversion: 1\n\
         source: source\ntarget: /opt/viewer\nfiles:\n  \
         - { copy: \"%SOURCE_PATH%/a.txt\", to: \"%TARGET_PATH%/a.txt\" }\n  \
         - { copy: \"%SOURCE_PATH%/b.txt\", to: \"%*AppData%/viewer/b.txt\" }\n",
    );
    let before = scene.tree();
    let unknown = scene.app(&["apply", "FILE", "--yes", "--user", "bob"]);
    assert!(expect(&unknown, 1).err.contains("`bob`"), "{}", unknown.err);
    assert_eq!(scene.tree(), before, "nothing is done where one of the users is unknown");
    expect(&scene.app(&["apply", "FILE", "--yes", "--user", "ada"]), 0);
    assert!(scene.path("root/opt/viewer/a.txt").exists());
    assert!(!scene.path("root/opt/viewer/b.txt").exists());
    for path in ["", "/viewer", "/viewer/b.txt"] {
        let found = fs::metadata(scene.path(&format!("root/home/ada/.config{path}"))).unwrap();
        assert_eq!(found.uid(), uid, "{path}");
    }
    let list = scene.app(&["list"]);
    assert!(expect(&list, 0).out.contains("ada"), "{}", list.out);
    expect(&scene.app(&["uninstall", "Viewer", "--yes"]), 0);
    assert_eq!(scene.tree(), before);
}

#[test]
fn a_bare_file_name_without_source_is_enough() {
    let scene = Scene::new();
    scene.document(
        "application: Viewer\nid: 01890a5d-ac96-774b-bcce-b302099a8057\nversion: 1\n\
         files: [ { create_folder: /opt/viewer } ]\n",
    );
    let mut command = scene.command(&["apply", "viewer.yaml", "--yes"]);
    command.current_dir(scene.folder.path());
    expect(&came(command), 0);
    assert!(scene.path("root/opt/viewer").is_dir());
}

/// As the user who runs the tests, whose folders are put elsewhere.
#[cfg(unix)]
#[test]
fn an_application_is_launched_with_its_scripts_and_once_when_it_says_so() {
    let scene = Scene::new();
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let out = scene.path("out");
    let document = |version: u16| {
        scene.document(&format!(
            "application: Viewer\nid: 01890a5d-ac96-774b-bcce-b302099a8057\n\
             version: {version}\nlaunch:\n  program: /bin/sh\n  \
             arguments: '-c \"echo program >> {out}; exit 7\"'\n  once: true\n  \
             before: {{ run: 'echo before >> {out}' }}\n  \
             after: {{ run: 'echo after $DESKHAND_VERSION >> {out}' }}\n",
            out = out.display()
        ));
    };
    let run = |words: &[&str]| {
        let mut command = command(["app"].iter().chain(words));
        for (name, folder) in [("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config")] {
            command.env(name, scene.path(folder));
        }
        came(command)
    };
    let (file, state) = (scene.path("viewer.yaml"), scene.path("state"));
    let (file, state) = (file.to_str().unwrap(), state.to_str().unwrap());
    let apply = ["apply", file, "--state", state, "--yes", "--user", user.trim()];
    let icon = scene.path("data/applications/viewer.desktop");

    let unknown = run(&["launch", "Viewer"]);
    assert!(expect(&unknown, 1).err.contains("DH-U014"), "{}", unknown.err);
    document(1);
    expect(&run(&apply), 0);
    let shown = fs::read_to_string(&icon).unwrap();
    assert!(shown.contains(" app launch 01890a5d-ac96-774b-bcce-b302099a8057"), "{shown}");
    expect(&run(&["launch", "viewer"]), 7);
    assert_eq!(fs::read_to_string(&out).unwrap(), "before\nprogram\nafter 1\n");
    assert!(!icon.exists(), "it was launched once");
    expect(&run(&apply), 0);
    assert!(!icon.exists(), "and does not come back");
    document(2);
    expect(&run(&apply), 0);
    assert!(icon.exists(), "but for a larger version");
    expect(&run(&["uninstall", "Viewer", "--state", state, "--yes"]), 0);
    assert!(!icon.exists());
    expect(&run(&["launch", "Viewer"]), 1);
}
