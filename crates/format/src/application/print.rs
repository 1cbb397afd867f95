//! An application written as [`crate::parse_application`] reads it, without what is preset anyway.

mod items;
mod yaml;

use application::{
    Application, Availability, Clock, Comparison, Dates, DistributionScript, Kind, Launch, Macro,
    MacroValue, Options, PackageSystem, PreInstall, ProcessEnd, RegistryTest, Rights, Scripts,
    Test, Text, Unassociated, Uninstall, When,
};
use jiff::civil::Time;

use super::words;
use yaml::Out;

/// The canonical text of an application.
pub fn print_application(application: &Application) -> String {
    let mut map = Map::default();
    map.text("application", &application.name);
    map.bare("id", &application.id);
    map.bare("version", &application.version);
    map.optional("description", application.description.as_deref());
    map.macro_text("icon", application.icon.as_ref());
    map.optional("folder", application.folder.as_deref());
    map.macro_text("source", application.source.as_ref());
    map.macro_text("target", application.target.as_ref());
    map.entries("macros", application.macros.iter().map(own_macro).collect());
    kind(&mut map, &application.kind);
    items::items(&mut map, &application.items);
    map.map("scripts", scripts(&application.scripts));
    if let Some(launched) = &application.launch {
        map.map("launch", launch(launched));
    }
    map.list("end", application.end.iter().map(end).collect());
    match &application.pre_install {
        PreInstall::AsSoonAsAssociated => {}
        PreInstall::No => map.bare("pre_install", "no"),
        PreInstall::Scheduled(when) => map.map("pre_install", schedule(when)),
    }
    map.map("options", options(&application.options));
    if let Some(rule) = &application.availability {
        map.map("availability", availability(rule));
    }
    let dependencies = application.dependencies.iter().map(|dependency| {
        let mut map = Map::default();
        map.bare("application", &dependency.application);
        map.optional("name", dependency.name.as_deref());
        map.switch("continue_if_it_fails", dependency.continue_if_it_fails, false);
        map.out()
    });
    map.list("dependencies", dependencies.collect());
    map.list("supersedes", application.supersedes.iter().map(Out::bare).collect());
    map.map("uninstall", uninstall(&application.uninstall));
    yaml::document(map.0)
}

/// Entries in their order; what is preset is left out.
#[derive(Default)]
struct Map(Vec<(String, Out)>);

impl Map {
    fn put(&mut self, name: &str, value: Out) {
        self.0.push((name.to_owned(), value));
    }

    fn text(&mut self, name: &str, text: &(impl ToString + ?Sized)) {
        self.put(name, Out::text(text));
    }

    fn bare(&mut self, name: &str, value: &(impl ToString + ?Sized)) {
        self.put(name, Out::bare(value));
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn macro_text(&mut self, name: &str, text: Option<&Text>) {
        self.optional(name, text.map(Text::as_str));
    }

    fn switch(&mut self, name: &str, value: bool, preset: bool) {
        if value != preset {
            self.bare(name, &value);
        }
    }

    fn word(&mut self, name: &str, word: &str, preset: &str) {
        if word != preset {
            self.bare(name, word);
        }
    }

    fn list(&mut self, name: &str, items: Vec<Out>) {
        if !items.is_empty() {
            self.put(name, Out::List(items));
        }
    }

    fn entries(&mut self, name: &str, entries: Vec<(String, Out)>) {
        self.map(name, Self(entries));
    }

    fn map(&mut self, name: &str, map: Self) {
        if !map.0.is_empty() {
            self.put(name, map.out());
        }
    }

    fn out(self) -> Out {
        Out::Map(self.0)
    }
}

fn texts(texts: &[Text]) -> Vec<Out> {
    texts.iter().map(Out::text).collect()
}

fn own_macro(own: &Macro) -> (String, Out) {
    let value = match &own.value {
        MacroValue::Text(text) => Out::text(text),
        MacroValue::Prompted { prompt, default, length_max } => {
            let mut map = Map::default();
            map.text("prompt", prompt);
            map.text("default", default);
            if let Some(length_max) = length_max {
                map.bare("length_max", length_max);
            }
            map.out()
        }
    };
    (own.name.clone(), value)
}

fn kind(map: &mut Map, kind: &Kind) {
    let mut inner = Map::default();
    match kind {
        Kind::Simple => {}
        Kind::Msi(msi) => {
            inner.text("file", &msi.file);
            inner.optional("product_code", msi.product_code.as_deref());
            inner.list("transforms", texts(&msi.transforms));
            let properties = msi.properties.iter();
            let properties = properties.map(|(name, value)| (name.clone(), Out::text(value)));
            inner.entries("properties", properties.collect());
            inner.macro_text("arguments", msi.arguments.as_ref());
            inner.macro_text("uninstall_arguments", msi.uninstall_arguments.as_ref());
            map.map("msi", inner);
        }
        Kind::Packages(packages) => {
            let system = match packages.system {
                PackageSystem::Any => "any",
                PackageSystem::Deb => "deb",
                PackageSystem::Rpm => "rpm",
            };
            inner.word("system", system, "any");
            let package = |package: &application::Package| {
                if package.version.is_none() && package.file.is_none() {
                    return Out::text(&package.name);
                }
                let mut map = Map::default();
                map.text("name", &package.name);
                map.optional("version", package.version.as_deref());
                map.macro_text("file", package.file.as_ref());
                map.out()
            };
            inner.put("install", Out::List(packages.packages.iter().map(package).collect()));
            map.map("packages", inner);
        }
        Kind::Web { url, browser } => {
            inner.text("url", url);
            inner.macro_text("browser", browser.as_ref());
            map.map("web", inner);
        }
        Kind::TerminalServer(server) => {
            inner.text("address", &server.address);
            inner.macro_text("program", server.program.as_ref());
            inner.macro_text("arguments", server.arguments.as_ref());
            inner.macro_text("working_folder", server.working_folder.as_ref());
            inner.macro_text("user", server.user.as_ref());
            inner.switch("full_screen", server.full_screen, false);
            map.map("terminal_server", inner);
        }
    }
}

fn scripts(scripts: &Scripts) -> Map {
    let Scripts { before, after, before_uninstall, after_uninstall } = scripts;
    let mut map = Map::default();
    let named = [
        ("before", before),
        ("after", after),
        ("before_uninstall", before_uninstall),
        ("after_uninstall", after_uninstall),
    ];
    for (name, script) in named {
        if let Some(script) = script {
            map.map(name, one_script(script));
        }
    }
    map
}

fn launch(launch: &Launch) -> Map {
    let mut map = Map::default();
    map.text("program", &launch.program);
    map.macro_text("arguments", launch.arguments.as_ref());
    map.macro_text("working_folder", launch.working_folder.as_ref());
    map.switch("once", launch.once, false);
    for (name, script) in [("before", &launch.before), ("after", &launch.after)] {
        if let Some(script) = script {
            map.map(name, one_script(script));
        }
    }
    map
}

fn one_script(script: &DistributionScript) -> Map {
    let mut map = Map::default();
    map.text("run", &script.text);
    map.macro_text("engine", script.engine.as_ref());
    map.optional("extension", script.extension.as_deref());
    if let Some(timeout) = script.timeout {
        map.bare("timeout", &timeout);
    }
    map
}

fn end(end: &ProcessEnd) -> Out {
    let mut map = Map::default();
    match end {
        ProcessEnd::Process(name) => map.text("process", name),
        ProcessEnd::Service(name) => map.text("service", name),
    }
    map.out()
}

fn schedule(when: &When) -> Map {
    let mut map = Map::default();
    match &when.dates {
        Dates::Days(days) => map.put("days", Out::List(days.iter().map(Out::text).collect())),
        Dates::Range { first, last, weekdays } => {
            map.text("first", first);
            map.text("last", last);
            let is_every_day = words::WEEKDAYS.iter().all(|(_, day)| weekdays.contains(day));
            if !is_every_day {
                let named = weekdays.iter().filter_map(|day| {
                    words::WEEKDAYS.iter().find(|(_, known)| known == day).map(|(name, _)| *name)
                });
                map.list("weekdays", named.map(Out::bare).collect());
            }
        }
    }
    let shown = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
    if when.from != Time::midnight() {
        map.text("from", &shown(when.from));
    }
    if let Some(until) = when.until {
        map.text("until", &shown(until));
    }
    if when.spread_minutes > 0 {
        map.bare("spread", &format!("{}m", when.spread_minutes));
    }
    map.word("clock", if when.clock == Clock::Local { "local" } else { "everywhere" }, "local");
    map
}

fn options(options: &Options) -> Map {
    let mut map = Map::default();
    map.switch("distribute_always", options.distribute_always, false);
    map.switch("prompt", options.prompt, false);
    let rights = if options.rights == Rights::User { "user" } else { "system" };
    map.word("rights", rights, "system");
    map.word("reboot", words::reboot_word(options.reboot), "if_needed");
    map.switch("prompt_reboot", options.prompt_reboot, false);
    map.switch("show_progress", options.show_progress, false);
    map
}

fn availability(rule: &Availability) -> Map {
    let mut map = Map::default();
    let all = |rules: &[Availability]| {
        Out::List(rules.iter().map(|rule| availability(rule).out()).collect())
    };
    match rule {
        Availability::All(rules) => map.put("all", all(rules)),
        Availability::Any(rules) => map.put("any", all(rules)),
        Availability::Not(rule) => map.put("not", availability(rule).out()),
        Availability::Is(rule) => test(&mut map, rule),
    }
    map
}

fn test(map: &mut Map, test: &Test) {
    let word = |how: &Comparison| words::comparison_word(*how);
    match test {
        Test::Fact { name, how, value } => {
            map.text("fact", name);
            map.text(word(how), value);
        }
        Test::DiskFree { path, how, megabytes } => {
            map.text("disk_free", path);
            map.bare(word(how), megabytes);
        }
        Test::FileExists { path } => map.text("file_exists", path),
        Test::FileVersion { path, how, version } => {
            map.text("file_version", path);
            map.text(word(how), version);
        }
        Test::FileDate { path, how, date } => {
            map.text("file_date", path);
            map.text(word(how), date);
        }
        Test::FileSize { path, how, bytes } => {
            map.text("file_size", path);
            map.bare(word(how), bytes);
        }
        Test::Registry { key, test } => {
            map.text("registry", key);
            match test {
                RegistryTest::KeyExists => {}
                RegistryTest::ValueExists { name } => map.text("value", name),
                RegistryTest::Value { name, how, data } => {
                    map.text("value", name);
                    map.text(word(how), data);
                }
            }
        }
        Test::Environment { name, how, value } => {
            map.text("environment", name);
            map.text(word(how), value);
        }
        Test::Application { id, how } => {
            map.bare("application", id);
            if let Some((how, version)) = how {
                map.bare(word(how), version);
            }
        }
    }
}

fn uninstall(uninstall: &Uninstall) -> Map {
    let mut map = Map::default();
    map.switch("allowed", uninstall.allowed, true);
    let when = match uninstall.when_unassociated {
        Unassociated::Keep => "keep",
        Unassociated::Uninstall => "uninstall",
    };
    map.word("when_unassociated", when, "keep");
    map.list("end", uninstall.end.iter().map(end).collect());
    map.switch("prompt", uninstall.prompt, false);
    let groups = [
        ("files", uninstall.files),
        ("shortcuts", uninstall.shortcuts),
        ("ini", uninstall.ini),
        ("text", uninstall.text),
        ("registry", uninstall.registry),
    ];
    for (name, removal) in groups {
        map.word(name, words::removal_word(removal), "restore");
    }
    map
}
