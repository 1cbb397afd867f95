//! The application's own icon (AP-16): a part of each user, for whom it launches the application
//! and for whom it may go once that has been done.

use model::Span;

use super::{CREATE, GROUP, Group, place, refuse};
use crate::launch::{self, LaunchFile, LaunchScript};
use crate::plan::make::{Act, Planner, Refusal};
use crate::plan::{ItemPlace, Outcome};
use crate::{
    DistributionScript, Family, FileItem, FileRule, Handling, Launch, Place, Shortcut, Text, Window,
};

impl Planner<'_> {
    pub fn plan_launch(&mut self) {
        let Some(launch) = &self.wish.application.launch else { return };
        if !self.wants(Handling::default(), true) {
            return;
        }
        let at = (self.wish.application.items.shortcuts.len(), None);
        if let Err(refusal) = self.plan_own_icon(at, launch) {
            self.refuse(Group::Shortcuts, at, refusal);
        }
    }

    fn plan_own_icon(&mut self, at: ItemPlace, launch: &Launch) -> Result<(), Refusal> {
        let (application, given) = (self.wish.application, self.given());
        let target = application.name.clone();
        let Some([program, words @ ..]) = given.launcher.as_deref() else {
            let why = "nothing stays on this machine that could launch it".to_owned();
            self.put(GROUP, at, skipped(target, why));
            return Ok(());
        };
        let folder = self.launch_folder()?;
        let icon = self.own_icon(&folder, program, words)?;
        let menu = self.folder_of(&icon.place, false)?;
        let menu = menu.ok_or_else(|| refuse("this user has no start menu"))?;
        let path = self.shortcut_path(&menu, &self.expand(&icon.name)?)?;
        let ran = self.in_folder(&folder, &launch::ran_name(application.id))?;
        let ran = self.ground.read(&ran)?.and_then(|bytes| launch::ran_version(&bytes));
        let has_run = launch.once && ran.is_some_and(|version| version >= application.version);
        self.put_launch_file(at, launch, &folder, &path)?;
        let at = (at.0 + 1, None);
        if has_run {
            let why = "it was to be launched once, and was".to_owned();
            self.put(GROUP, at, skipped(path, why));
            return Ok(());
        }
        self.create_shortcut(at, &icon)
    }

    fn launch_folder(&self) -> Result<String, Refusal> {
        let data = self.ground.survey.special_folder("LocalAppData");
        let data = data.ok_or_else(|| refuse("this user has no folder `LocalAppData`"))?;
        let family = self.ground.family;
        let below = |folder: String, name: &str| place::join(family, &folder, name);
        Ok(launch::folder(family).into_iter().fold(data, below))
    }

    fn in_folder(&self, folder: &str, name: &str) -> Result<String, Refusal> {
        Ok(self.target_of(&place::join(self.ground.family, folder, name))?.path)
    }

    /// What the launcher is told.
    fn put_launch_file(
        &mut self,
        at: ItemPlace,
        launch: &Launch,
        folder: &str,
        icon: &str,
    ) -> Result<(), Refusal> {
        let application = self.wish.application;
        let file = LaunchFile {
            name: application.name.clone(),
            version: application.version,
            program: self.expand(&launch.program)?,
            arguments: self.expand_some(launch.arguments.as_ref())?,
            working_folder: self.expand_some(launch.working_folder.as_ref())?,
            once: launch.once,
            icon: icon.to_owned(),
            before: self.launch_script(launch.before.as_ref())?,
            after: self.launch_script(launch.after.as_ref())?,
        };
        let path = self.in_folder(folder, &launch::file_name(application.id))?;
        let (outcome, changes) = self.write_whole(&path, file.to_bytes(), None)?;
        self.put(GROUP, at, Act { target: path, rule: CREATE, outcome, changes });
        Ok(())
    }

    fn launch_script(
        &self,
        script: Option<&DistributionScript>,
    ) -> Result<Option<LaunchScript>, Refusal> {
        let Some(script) = script else { return Ok(None) };
        Ok(Some(LaunchScript {
            text: self.expand(&script.text)?,
            engine: script.engine.as_ref().map(|engine| self.expand(engine)).transpose()?,
            extension: script.extension.clone(),
            timeout_ms: script.timeout.map(Span::as_millis),
        }))
    }

    /// Starts the launcher, which is told which application by its id.
    fn own_icon(
        &mut self,
        folder: &str,
        program: &str,
        words: &[String],
    ) -> Result<Shortcut, Refusal> {
        let application = self.wish.application;
        let first_line = |text: &str| Text::literal(text.lines().next().unwrap_or_default());
        let arguments = format!("{} {}", words.join(" "), application.id);
        let group = application.folder.as_deref().filter(|folder| !folder.trim().is_empty());
        Ok(Shortcut {
            name: Text::literal(&application.name),
            place: Place::StartMenu { group: group.map(Text::literal) },
            for_all: false,
            target: Text::literal(program),
            arguments: Some(Text::literal(arguments.trim_start())),
            working_folder: None,
            description: application.description.as_deref().map(first_line),
            icon: self.own_picture(folder)?,
            // The launcher has nothing to show.
            window: Window::Minimized,
            as_administrator: false,
            terminal: false,
            categories: Vec::new(),
        })
    }

    /// The picture is copied beside what the launcher is told; without one it is the program's.
    fn own_picture(&mut self, folder: &str) -> Result<Option<(Text, u32)>, Refusal> {
        let application = self.wish.application;
        let Some(icon) = &application.icon else {
            let program = application.launch.as_ref().map(|launch| launch.program.clone());
            let is_windows = self.ground.family == Family::Windows;
            return Ok(program.filter(|_| is_windows).map(|file| (file, 0)));
        };
        let name = self.expand(icon)?;
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let is_plain = |letter: char| letter.is_ascii_alphanumeric();
        if extension.is_empty() || !extension.chars().all(is_plain) {
            return Err(refuse(format!("`{name}` is no picture: its name has no extension")));
        }
        let file = self.in_folder(folder, &format!("{}.{extension}", application.id))?;
        let item = FileItem::Copy {
            source: Text::new(format!("%SOURCE_PATH%/{}", icon.as_str())),
            target: Text::literal(&file),
            rule: FileRule::Always,
            shared: false,
            handling: Handling::default(),
        };
        self.plan_file_item((application.items.files.len(), None), &item)?;
        Ok(Some((Text::literal(&file), 0)))
    }
}

fn skipped(target: String, why: String) -> Act {
    Act { target, rule: CREATE, outcome: Outcome::Skipped { why }, changes: Vec::new() }
}
