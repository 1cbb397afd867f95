//! Applications and people: users' parts at their log-on, questions before something is done, the
//! restart afterwards, and what becomes of it when the agent dies meanwhile.
//!
//! The agent is that of this machine. Who is logged on, and what they answer, comes from programs
//! that stand in for `loginctl` and `zenity`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use fleet::{Fleet, User, until};
use serde_json::Value;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A fleet of this machine alone, with what people do at it.
struct Scene {
    fleet: Fleet,
    /// Everybody may read and write here.
    desk: tempfile::TempDir,
}

impl Scene {
    fn new() -> Result<Self> {
        let desk = tempfile::Builder::new().prefix("deskhand-desk-").tempdir()?;
        let mode =
            |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        mode(desk.path().to_owned(), 0o1777)?;
        fs::create_dir(desk.path().join("bin"))?;
        let at = desk.path().display();
        let loginctl = format!(
            "#!/bin/sh\ncase \"$1\" in\nlist-sessions) cat {at}/list;;\n\
             show-session) cat {at}/sessions;;\nesac\n"
        );
        let zenity = format!(
            "#!/bin/sh\necho \"$(id -un): $*\" | tr '\\n' ' ' >> {at}/asked\necho >> {at}/asked\n\
             case \"$*\" in *b.txt*) exit 1;; esac\nexit \"$(cat {at}/answer)\"\n"
        );
        for (name, text) in [("loginctl", loginctl), ("zenity", zenity)] {
            fs::write(desk.path().join("bin").join(name), text)?;
            mode(desk.path().join("bin").join(name), 0o755)?;
        }
        let mut fleet = Fleet::new()?;
        fleet.add_agents(1)?;
        fleet.kill_agent(0);
        let mut scene = Self { fleet, desk };
        scene.log_on(&[])?;
        let source = scene.fleet.depot().join("deploy/viewer");
        fs::create_dir_all(&source)?;
        fs::write(source.join("a.txt"), "of everybody")?;
        fs::write(source.join("b.txt"), "of everybody")?;
        scene.start_agent()?;
        scene.fleet.until_online(1)?;
        Ok(scene)
    }

    fn start_agent(&mut self) -> Result<()> {
        let (programs, power) = (self.desk.path().join("bin"), self.power());
        self.fleet.start_agent_of_machine(0, &programs, &power)
    }

    fn power(&self) -> PathBuf {
        self.fleet.folder().join("power")
    }

    /// Where the machine's part of the application goes.
    fn target(&self) -> PathBuf {
        self.fleet.folder().join("opt/viewer")
    }

    /// From now on these are at the machine, and nobody else.
    fn log_on(&self, users: &[&str]) -> Result<()> {
        let each = |text: fn(usize, &str) -> String| -> String {
            users.iter().enumerate().map(|(at, user)| text(at, user)).collect()
        };
        let list = each(|at, user| format!("{at} 1000 {user} seat0\n"));
        let sessions = each(|_, user| {
            format!("Name={user}\nSeat=seat0\nType=tty\nRemote=no\nClass=user\nState=active\n\n")
        });
        fs::write(self.desk.path().join("sessions"), sessions)?;
        Ok(fs::write(self.desk.path().join("list"), list)?)
    }

    /// What whoever is asked says from now on: 0 is Yes, 1 is No.
    fn answer(&self, code: u8) -> Result<()> {
        Ok(fs::write(self.desk.path().join("answer"), code.to_string())?)
    }

    /// Every question that was shown, with who saw it.
    fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.desk.path().join("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }

    fn run(&self, args: &[&str]) -> Result<()> {
        let output = self.fleet.run(args)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{args:?}: {errors}");
        Ok(())
    }

    fn publish(&self, version: u16, more: &str) -> Result<()> {
        let text = format!(
            "application: Viewer\nid: {ID}\nversion: {version}\ndescription: Shows pictures\n\
             source: deploy/viewer\ntarget: {}\nuninstall: {{ when_unassociated: uninstall }}\n\
             {more}",
            self.target().display()
        );
        let file = self.fleet.workflow("viewer.yaml", &text)?;
        self.run(&["app", "publish", &file.to_string_lossy()])
    }

    fn associate(&self) -> Result<()> {
        self.run(&["association", "add", "Viewer", "--computer", "pc-1"])
    }

    /// Waits until a part, that of `user` or the machine's, stands so.
    fn until_state(&self, user: Option<&str>, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let found = until("the application to stand so", || {
            last = self.fleet.json(["app", "state", "--app", "Viewer", "--json"]).ok()?;
            let is_it = |state: &&Value| state["user"].as_str() == user && is_so(state);
            last.as_array()?.iter().find(is_it).cloned()
        });
        found.with_context(|| format!("{user:?}: {last:#}\n{}", self.fleet.logs()))
    }

    fn until_ok(&self, user: Option<&str>, version: u16) -> Result<Value> {
        self.until_state(user, |state| state["state"] == "ok" && state["installed"] == version)
    }

    fn until_logged(&self, what: &str, count: usize) -> Result<()> {
        let found = until("the agent's log to say it", || {
            (self.fleet.logs().matches(what).count() >= count).then_some(())
        });
        found.with_context(|| format!("{what}\n{}", self.fleet.logs()))
    }
}

fn home(user: &User) -> PathBuf {
    PathBuf::from("/home").join(&user.name)
}

#[test]
fn users_get_their_parts_at_their_log_on_and_lose_them() -> Result<()> {
    let scene = Scene::new()?;
    let (ada, bob) = (User::make("ada", true)?, User::make("bob", true)?);
    scene.publish(
        1,
        "files:\n  - { create_folder: \"%TARGET_PATH%\" }\n  \
         - { copy: \"%SOURCE_PATH%/a.txt\", to: \"%*AppData%/viewer/a.txt\" }\n",
    )?;
    scene.associate()?;
    scene.until_ok(None, 1)?;
    let file = |user| home(user).join(".config/viewer/a.txt");
    ensure!(scene.target().is_dir() && !file(&ada).exists() && !file(&bob).exists());

    for (logged_on, user) in [(vec![&ada], &ada), (vec![&ada, &bob], &bob)] {
        let names: Vec<&str> = logged_on.iter().map(|user| user.name.as_str()).collect();
        ensure!(!file(user).exists(), "{} has it before", user.name);
        scene.log_on(&names)?;
        scene.until_ok(Some(&user.name), 1)?;
        let owner = fs::metadata(home(user))?.uid();
        for path in [".config", ".config/viewer", ".config/viewer/a.txt"] {
            let found = fs::metadata(home(user).join(path))?;
            ensure!(found.uid() == owner && owner != 0, "{path}: {}", found.uid());
        }
    }

    scene.log_on(&[&bob.name])?;
    scene.run(&["association", "remove", "Viewer", "--computer", "pc-1"])?;
    until("bob's part to go", || (!file(&bob).exists()).then_some(()))?;
    let waits = |state: &Value| state["pending"].as_str().is_some_and(|why| why.contains("log-on"));
    scene.until_state(Some(&ada.name), waits)?;
    ensure!(file(&ada).exists(), "nothing is done in her home while she is away");
    scene.log_on(&[&ada.name])?;
    until("ada's part to go", || (!file(&ada).exists()).then_some(()))?;
    until("the machine's part to go", || (!scene.target().exists()).then_some(()))?;
    Ok(())
}

#[test]
fn an_icon_launches_the_application_with_its_users_rights() -> Result<()> {
    let scene = Scene::new()?;
    let ada = User::make("icon", true)?;
    let out = scene.desk.path().join("out");
    let launch = format!(
        "folder: Office\nfiles:\n  - {{ create_folder: \"%TARGET_PATH%\" }}\nlaunch:\n  \
         program: /bin/sh\n  arguments: '-c \"id -un >> {out}; pwd >> {out}\"'\n  once: true\n  \
         before: {{ run: 'id -un > {out}' }}\n",
        out = out.display()
    );
    scene.publish(1, &launch)?;
    scene.associate()?;
    scene.log_on(&[&ada.name])?;
    scene.until_ok(Some(&ada.name), 1)?;
    let menu = home(&ada).join(".local/share/applications/viewer.desktop");
    let icon = fs::read_to_string(&menu)?;
    let agent = fleet::program("deskhand-agent");
    let exec = format!("Exec={} launch {ID}", agent.display());
    ensure!(icon.lines().any(|line| line == exec), "{exec}\n{icon}");

    // The program lies where only its owner may look.
    let launcher = scene.desk.path().join("launcher");
    fs::copy(agent, &launcher)?;
    let mut command = std::process::Command::new("runuser");
    command.args(["-u", &ada.name, "--", "env", "-i"]).current_dir("/");
    command.arg(format!("HOME={}", home(&ada).display())).arg("PATH=/usr/bin:/bin");
    let launched = command.arg(&launcher).args(["launch", ID]).output()?;
    ensure!(launched.status.success(), "{}", String::from_utf8_lossy(&launched.stderr));
    let expect = format!("{0}\n{0}\n{1}\n", ada.name, home(&ada).display());
    ensure!(fs::read_to_string(&out)? == expect, "{}", fs::read_to_string(&out)?);
    ensure!(!menu.exists(), "it was launched once");
    Ok(())
}

#[test]
fn whoever_is_there_is_asked_once_and_a_no_is_kept() -> Result<()> {
    let mut scene = Scene::new()?;
    let ada = User::make("ask", true)?;
    let copy = "options: { prompt: true }\n\
                files: [ { copy: \"%SOURCE_PATH%/*.txt\", to: \"%TARGET_PATH%\", \
                rule: request_confirmation } ]\n";
    scene.answer(1)?;
    scene.log_on(&[&ada.name])?;
    scene.publish(1, copy)?;
    scene.associate()?;
    let is_declined =
        |state: &Value| state["pending"].as_str().is_some_and(|why| why.contains("declined"));
    let state = scene.until_state(None, is_declined)?;
    ensure!(state["state"] == "pending" && state["installed"].is_null(), "{state:#}");
    let [question] = &scene.asked()[..] else { panic!("asked once: {:?}", scene.asked()) };
    ensure!(question.starts_with(&ada.name) && question.contains("Shows pictures"), "{question}");
    scene.fleet.kill_agent(0);
    scene.start_agent()?;
    scene.until_logged("Viewer was declined", 2)?;
    ensure!(scene.asked().len() == 1, "the No was forgotten: {:?}", scene.asked());
    ensure!(!scene.target().exists(), "it came in spite of the No");

    // A later version is another question; then each file is one.
    scene.answer(0)?;
    scene.publish(2, copy)?;
    scene.until_ok(None, 2)?;
    let asked = scene.asked();
    ensure!(asked.len() == 4, "{asked:?}");
    ensure!(asked[2].contains("a.txt") && asked[3].contains("b.txt"), "{asked:?}");
    ensure!(scene.target().join("a.txt").exists(), "it was confirmed");
    ensure!(!scene.target().join("b.txt").exists(), "it was refused");

    // With nobody there it is as the document says.
    scene.log_on(&[])?;
    scene.fleet.kill_agent(0);
    scene.start_agent()?;
    scene.publish(3, copy)?;
    scene.until_ok(None, 3)?;
    ensure!(scene.target().join("b.txt").exists());
    ensure!(scene.asked().len() == 4, "nobody was there: {:?}", scene.asked());
    Ok(())
}

#[test]
fn a_restart_follows_and_is_asked_for_where_that_is_wished() -> Result<()> {
    let mut scene = Scene::new()?;
    let ada = User::make("off", true)?;
    let more = "pre_install: no\n\
                options: { reboot: always, prompt_reboot: true, show_progress: true }\n\
                files: [ { copy: \"%SOURCE_PATH%/*.txt\", to: \"%TARGET_PATH%\" } ]\n";
    let power = scene.power();
    let noted = |what: &str| {
        let notes = fs::read_to_string(&power).unwrap_or_default();
        notes.lines().filter(|line| line.starts_with(what)).count()
    };
    scene.answer(0)?;
    scene.log_on(&[&ada.name])?;
    scene.publish(1, more)?;
    scene.associate()?;
    let announced = until("the announcement", || (noted("announce 60 restart") == 1).then_some(()));
    announced.with_context(|| scene.fleet.logs())?;
    let asked = scene.asked();
    ensure!(asked.len() == 1 && asked[0].contains("Restart it now?"), "{asked:?}");
    scene.until_ok(None, 1)?;
    // It comes a minute after that.
    let went = || (noted("go restart") == 1).then_some(());
    until("the restart", went).or_else(|_| until("the restart", went))?;
    scene.fleet.kill_agent(0);
    fs::write(power.with_extension("boot"), "second")?;
    scene.start_agent()?;

    scene.answer(1)?;
    fs::write(scene.fleet.depot().join("deploy/viewer/a.txt"), "newer")?;
    scene.publish(2, more)?;
    until("the question", || (scene.asked().len() == 2).then_some(()))
        .with_context(|| scene.fleet.logs())?;
    let waits =
        |state: &Value| state["pending"].as_str().is_some_and(|why| why.contains("restart"));
    scene.until_state(None, |state| waits(state) && state["installed"] == 2)?;
    ensure!((noted("announce"), noted("go")) == (1, 1), "it restarted in spite of the No");
    Ok(())
}

#[test]
fn what_is_cut_off_with_the_agent_is_undone_at_its_next_start() -> Result<()> {
    let mut scene = Scene::new()?;
    let (reached, go) = (scene.fleet.folder().join("reached"), scene.fleet.folder().join("go"));
    let source = scene.fleet.depot().join("deploy/viewer");
    for number in 0..200 {
        fs::write(source.join(format!("{number}.txt")), number.to_string())?;
    }
    let waits = format!(
        "touch {}; while [ ! -e {} ]; do sleep 0.05; done",
        reached.display(),
        go.display()
    );
    scene.publish(
        1,
        &format!(
            "files: [ {{ copy: \"%SOURCE_PATH%/*.txt\", to: \"%TARGET_PATH%\" }} ]\n\
             scripts: {{ after: {{ run: \"{waits}\" }} }}\n"
        ),
    )?;
    scene.associate()?;
    let target = scene.target();
    let count = || fs::read_dir(&target).map_or(0, Iterator::count);
    until("the script after the changes", || reached.exists().then_some(()))
        .with_context(|| scene.fleet.logs())?;
    ensure!(count() == 202, "all of them are there by then: {}", count());
    scene.fleet.kill_agent(0);
    fs::remove_file(&reached)?;
    fs::write(target.join("7.txt"), "somebody wrote this meanwhile")?;
    scene.start_agent()?;
    scene.until_logged("cut off: Recovered", 1)?;
    ensure!(scene.fleet.logs().contains("is_done: false"), "{}", scene.fleet.logs());
    until("the script once more", || reached.exists().then_some(()))
        .with_context(|| scene.fleet.logs())?;
    fs::write(&go, "")?;
    scene.until_ok(None, 1)?;
    ensure!(count() == 202 && fs::read_to_string(target.join("7.txt"))? == "7");
    Ok(())
}
