//! Shortcuts, program groups and autostart of Linux desktops (AP-03; the Desktop Entry and Menu
//! specifications of freedesktop.org; REFERENCE 3.5).
//!
//! Owns the text of the files; never where they lie. A program group is a sub-menu that shows
//! whatever has the group's own category, so applications that share a group need not know one
//! another.

mod exec;
mod menu;

pub use menu::{Group, group};

/// Characters of a file name that stay; others become `-`.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// What a `.desktop` file says. Texts that are empty are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What people read.
    pub name: String,
    pub comment: String,
    /// The name of an icon, or the path of a file.
    pub icon: String,
    pub action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Run(Run),
    /// Opened with whatever the user prefers. Menus do not show it; the desktop does.
    Open {
        url: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    /// A path, or a name that is looked for along PATH.
    pub program: String,
    /// Words between blanks, or in quotes (`"` or `'`); `%f`, `%F`, `%u`, `%U` stand for what the
    /// program is opened with.
    pub arguments: String,
    pub working_folder: String,
    pub in_terminal: bool,
    /// Asks for an administrator's rights when it is opened (polkit's `pkexec`).
    pub as_administrator: bool,
    /// Of the menu: `Office`, and [`Group::category`].
    pub categories: Vec<String>,
}

/// Why an entry cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("the shortcut has no name")]
    NoName,
    #[error("`{0}` cannot be the program of a shortcut: it must not be empty or hold `=`")]
    Program(String),
    #[error("the arguments `{0}` open a quote that they do not close")]
    Quote(String),
    #[error("`{0}` is no category: letters, digits and `-` only")]
    Category(String),
    #[error("`{0}` is no address: it must begin with a scheme such as `https:` and hold no blanks")]
    Address(String),
    #[error("`{0}` contains a control character, which no shortcut can hold")]
    Character(String),
}

/// The whole file, in UTF-8.
pub fn write(entry: &Entry) -> Result<String, WriteError> {
    if entry.name.trim().is_empty() {
        return Err(WriteError::NoName);
    }
    let mut lines = Lines::new(match &entry.action {
        Action::Run(_) => "Application",
        Action::Open { .. } => "Link",
    });
    lines.push("Name", &entry.name)?;
    lines.push("Comment", &entry.comment)?;
    lines.push("Icon", &entry.icon)?;
    match &entry.action {
        Action::Run(run) => run.push_to(&mut lines)?,
        Action::Open { url } => {
            crate::rdp::check_address(url).map_err(|_| WriteError::Address(url.clone()))?;
            lines.push("URL", url)?;
        }
    }
    Ok(lines.text)
}

/// Of the shortcut's own file: `viewer.desktop` for *Viewer*.
pub fn file_name(name: &str) -> String {
    format!("{}.desktop", plain(name))
}

fn plain(name: &str) -> String {
    let plain: String =
        name.trim().to_lowercase().chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    plain.trim_start_matches('.').to_owned()
}

impl Run {
    fn push_to(&self, lines: &mut Lines) -> Result<(), WriteError> {
        let prefix = if self.as_administrator { "pkexec " } else { "" };
        lines.push("Exec", &format!("{prefix}{}", exec::line(&self.program, &self.arguments)?))?;
        lines.push("Path", &self.working_folder)?;
        lines.push("Terminal", if self.in_terminal { "true" } else { "false" })?;
        let is_category =
            |c: &String| !c.is_empty() && c.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if let Some(wrong) = self.categories.iter().find(|category| !is_category(category)) {
            return Err(WriteError::Category(wrong.clone()));
        }
        let categories: String = self.categories.iter().map(|c| format!("{c};")).collect();
        lines.push("Categories", &categories)
    }
}

/// A file as it grows.
struct Lines {
    text: String,
}

impl Lines {
    fn new(kind: &str) -> Self {
        Self { text: format!("[Desktop Entry]\nType={kind}\nVersion=1.0\n") }
    }

    fn push(&mut self, key: &str, value: &str) -> Result<(), WriteError> {
        if value.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r')) {
            return Err(WriteError::Character(value.to_owned()));
        }
        if value.is_empty() {
            return Ok(());
        }
        self.text += key;
        self.text.push('=');
        for (at, c) in value.chars().enumerate() {
            match c {
                ' ' if at == 0 => self.text += r"\s",
                '\n' => self.text += r"\n",
                '\t' => self.text += r"\t",
                '\r' => self.text += r"\r",
                '\\' => self.text += r"\\",
                c => self.text.push(c),
            }
        }
        self.text.push('\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests;
