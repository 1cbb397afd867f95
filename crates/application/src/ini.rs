//! INI files (AP-06; REFERENCE 3.2): what Windows reads in them, and edits that touch only the
//! lines they mean.
//!
//! Owns the meaning of [`IniRule`]; never files. Comments, order, duplicates, blanks, encoding and
//! line ends stay as they are. As Windows reads:
//!
//! * Names of sections and values are compared without case; of several sections of one name only
//!   the first counts, here too.
//! * Blanks round names and data do not count; a pair of equal quotes round data does not either.
//! * Only a line that begins with `;` is a comment. A line without `=` is kept and means nothing.
//!
//! What stands before the first section is the section without a name, which Windows never reads.

mod entries;

use crate::IniRule;
use crate::encoding::{Convention, Lines, Unencodable};

/// So many lines tell where a value stood.
const ABOVE_MAX: usize = 8;

/// What a rule is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting<'a> {
    pub section: &'a str,
    pub name: &'a str,
    /// Needed by every rule but [`IniRule::Delete`], which without it deletes whatever has the
    /// name.
    pub data: Option<&'a str>,
    pub rule: IniRule,
}

/// What an edit did. Values are the data of all that have the name, in order, as
/// [`IniText::values`] gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    pub is_changed: bool,
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// The section was made for it: whoever takes the last value out again takes the section too
    /// ([`IniText::remove_empty_section`]).
    pub is_new_section: bool,
}

/// Why a setting cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error(transparent)]
    Unencodable(#[from] Unencodable),
    #[error("`{0}` cannot be a section: it must be one line without `]`")]
    Section(String),
    #[error(
        "`{0}` cannot be a name: it must be one line that does not begin with `;` or `[`, without \
         `=` and without blanks at its ends"
    )]
    Name(String),
    #[error("`{0}` cannot be data: it must be one line")]
    Data(String),
    #[error("this rule needs data")]
    NoData,
    #[error(
        "`{0}` must begin with the character that stands between entries, which is no letter or \
         digit, and go on with the entry"
    )]
    Separator(String),
}

/// An INI file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IniText {
    lines: Lines,
}

impl IniText {
    /// Any bytes are an INI file; no bytes are one that is to be made.
    pub fn parse(bytes: &[u8], convention: Convention) -> Self {
        Self { lines: Lines::parse(bytes, convention) }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.to_bytes()
    }

    pub fn has_section(&self, section: &str) -> bool {
        self.section(section).is_some()
    }

    /// Names of sections in order, each once for every time it begins one; without what stands
    /// before the first.
    pub fn sections(&self) -> Vec<String> {
        self.lines.iter().filter_map(header).map(str::to_owned).collect()
    }

    /// Names and data of a section in order.
    pub fn entries(&self, section: &str) -> Vec<(String, String)> {
        let Some(section) = self.section(section) else { return Vec::new() };
        let lines = section.body().filter_map(|at| self.lines.get(at));
        lines
            .filter_map(assignment)
            .map(|(name, data)| (name.to_owned(), data.to_owned()))
            .collect()
    }

    /// Data of all that have the name, in order, without blanks at the ends, with their quotes.
    pub fn values(&self, section: &str, name: &str) -> Vec<String> {
        self.places(section, name).into_iter().map(|at| self.data(at)).collect()
    }

    /// What Windows gives a program that asks for it.
    pub fn read(&self, section: &str, name: &str) -> Option<String> {
        let at = *self.places(section, name).first()?;
        Some(unquoted(&self.data(at)).to_owned())
    }

    /// Applies one setting. One that is as the rule wants it is left as it is written, so a rule
    /// applied twice does nothing the second time.
    pub fn apply(&mut self, setting: Setting<'_>) -> Result<Edited, EditError> {
        self.check(setting)?;
        let Setting { section, name, data, rule } = setting;
        let had_section = self.has_section(section);
        let before = self.values(section, name);
        let wanted = data.map(str::trim).unwrap_or_default();
        let target = match rule {
            IniRule::CreateAlways => with_first(&before, wanted),
            IniRule::CreateIfAbsent if before.is_empty() => vec![wanted.to_owned()],
            IniRule::CreateIfExists if !before.is_empty() => with_first(&before, wanted),
            IniRule::CreateIfAbsent | IniRule::CreateIfExists => before.clone(),
            IniRule::AddToSection => with_another(&before, wanted),
            IniRule::AppendToValue => entries::appended(&before, &separated(data)?),
            IniRule::Delete => without(&before, data.map(|_| wanted)),
            IniRule::RemoveFromValue => entries::removed(&before, &separated(data)?),
        };
        self.set(section, name, &target);
        Ok(Edited {
            is_changed: before != target,
            is_new_section: !had_section && self.has_section(section),
            before,
            after: target,
        })
    }

    /// Lines that stand above a name in its section, the nearest first, without blank ones; nothing
    /// where the name is not there.
    pub fn above(&self, section: &str, name: &str) -> Option<Vec<String>> {
        let first = *self.places(section, name).first()?;
        let start = self.section(section)?.body().start;
        let lines = (start..first).rev().filter_map(|at| self.lines.get(at));
        let lines = lines.filter(|line| !line.trim().is_empty());
        Some(lines.take(ABOVE_MAX).map(str::to_owned).collect())
    }

    /// Makes these the values of that name, in order: lines that are there are changed where they
    /// stand, others are put behind them or taken away. Where there is none, they come behind the
    /// nearest that still stands of those that were `above`. True if anything was to do.
    pub fn restore(
        &mut self,
        section: &str,
        name: &str,
        values: &[String],
        above: Option<&[String]>,
    ) -> Result<bool, EditError> {
        for data in values {
            let rule = IniRule::CreateAlways;
            self.check(Setting { section, name, data: Some(data), rule })?;
        }
        let is_changed = self.values(section, name) != values;
        let place = above.and_then(|above| self.place_below(section, above));
        self.set_at(section, name, values, place);
        Ok(is_changed)
    }

    /// At the section's beginning if nothing stood above.
    fn place_below(&self, section: &str, above: &[String]) -> Option<usize> {
        let section = self.section(section)?;
        let stands = |line: &String| section.body().rev().find(|at| self.is_line(*at, line));
        match above {
            [] => Some(section.body().start),
            above => above.iter().find_map(stands).map(|at| at + 1),
        }
    }

    /// Of a value the name counts, for its data may be another by now.
    fn is_line(&self, at: usize, line: &str) -> bool {
        let Some(found) = self.lines.get(at) else { return false };
        match (assignment(found), assignment(line)) {
            (Some((one, _)), Some((other, _))) => is_same(one, other),
            (None, None) => found.trim() == line.trim(),
            _ => false,
        }
    }

    /// Takes a section's header away if nothing is below it, not even a comment or a blank line.
    /// True if it did.
    pub fn remove_empty_section(&mut self, section: &str) -> bool {
        match self.section(section) {
            Some(Section { header: Some(header), end }) if end == header + 1 => {
                self.lines.remove(header);
                true
            }
            _ => false,
        }
    }

    fn check(&self, setting: Setting<'_>) -> Result<(), EditError> {
        let Setting { section, name, data, rule } = setting;
        let is_one_line = |text: &str| !text.contains(['\r', '\n', '\0']);
        if !is_one_line(section) || section.contains(']') && !self.has_section(section) {
            return Err(EditError::Section(section.to_owned()));
        }
        let is_name = !name.is_empty() && name.trim() == name && !name.contains('=');
        if !is_name || !is_one_line(name) || name.starts_with([';', '[']) {
            return Err(EditError::Name(name.to_owned()));
        }
        match data {
            Some(data) if !is_one_line(data) => Err(EditError::Data(data.to_owned())),
            None if rule != IniRule::Delete => Err(EditError::NoData),
            _ => {
                let encoding = self.lines.encoding();
                for text in [section, name, data.unwrap_or_default()] {
                    encoding.check(text)?;
                }
                Ok(())
            }
        }
    }

    fn set(&mut self, section: &str, name: &str, values: &[String]) {
        self.set_at(section, name, values, None);
    }

    /// Where the name is not there yet, at that place or where new ones come.
    fn set_at(&mut self, section: &str, name: &str, values: &[String], place: Option<usize>) {
        let places = self.places(section, name);
        for at in places.iter().skip(values.len()).rev() {
            self.lines.remove(*at);
        }
        for (at, data) in places.iter().zip(values) {
            self.set_data(*at, data);
        }
        let Some(missing) = values.get(places.len()..).filter(|missing| !missing.is_empty()) else {
            return;
        };
        let first = places.last().map(|at| at + 1).or(place);
        let first = first.unwrap_or_else(|| self.place_for_new(section));
        for (at, data) in missing.iter().enumerate() {
            self.lines.insert(first + at, format!("{name}={data}"));
        }
    }

    /// Replaces the data of a line and keeps whatever else is in it.
    fn set_data(&mut self, at: usize, data: &str) {
        let old = self.data(at);
        let Some(line) = self.lines.get(at).filter(|_| old != data) else { return };
        let Some((name, rest)) = line.split_once('=') else { return };
        let blanks = rest.len() - rest.trim_start().len();
        let (left, after) = match old.is_empty() {
            true => (rest, ""),
            false => (&rest[..blanks], &rest[blanks + old.len()..]),
        };
        self.lines.replace(at, format!("{name}={left}{data}{after}"));
    }

    /// Behind the last line of the section that is not blank; a section that is not there is made
    /// at the end of the file.
    fn place_for_new(&mut self, name: &str) -> usize {
        let Some(section) = self.section(name) else {
            self.lines.insert(self.lines.len(), format!("[{name}]"));
            return self.lines.len();
        };
        let is_blank = |at: &usize| self.lines.get(*at).is_none_or(|line| line.trim().is_empty());
        let last = section.body().rev().find(|at| !is_blank(at));
        last.map_or(section.body().start, |at| at + 1)
    }

    /// Lines of the section that have the name.
    fn places(&self, section: &str, name: &str) -> Vec<usize> {
        let Some(section) = self.section(section) else { return Vec::new() };
        let has_name = |at: &usize| {
            let found = self.lines.get(*at).and_then(assignment);
            found.is_some_and(|(found, _)| is_same(found, name.trim()))
        };
        section.body().filter(has_name).collect()
    }

    fn data(&self, at: usize) -> String {
        let found = self.lines.get(at).and_then(assignment);
        found.map(|(_, data)| data.to_owned()).unwrap_or_default()
    }

    fn section(&self, name: &str) -> Option<Section> {
        let mut lines = self.lines.iter().enumerate();
        let header_at = match name.is_empty() {
            true => None,
            false => {
                Some(lines.find(|(_, line)| header(line).is_some_and(|it| is_same(it, name)))?)
            }
        };
        let end = lines.find(|(_, line)| header(line).is_some());
        Some(Section {
            header: header_at.map(|(at, _)| at),
            end: end.map_or(self.lines.len(), |(at, _)| at),
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Section {
    /// Its line; none of what stands before the first one.
    header: Option<usize>,
    /// The line behind its last.
    end: usize,
}

impl Section {
    fn body(self) -> std::ops::Range<usize> {
        self.header.map_or(0, |at| at + 1)..self.end
    }
}

/// The section that the line begins.
fn header(line: &str) -> Option<&str> {
    let inside = line.trim_start().strip_prefix('[')?;
    inside.rfind(']').map(|end| &inside[..end])
}

/// Name and data of a line.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let (name, data) = line.split_once('=').filter(|_| !line.starts_with(';'))?;
    Some((name.trim_end(), data.trim()))
}

fn is_same(one: &str, other: &str) -> bool {
    one.chars().flat_map(char::to_lowercase).eq(other.chars().flat_map(char::to_lowercase))
}

/// Data as Windows gives it to programs.
fn unquoted(data: &str) -> &str {
    let inside = |quote| data.strip_prefix(quote).and_then(|data| data.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(data)
}

/// As it stands, or as Windows reads it.
fn is_data(found: &str, wanted: &str) -> bool {
    found == wanted || unquoted(found) == wanted
}

fn with_first(before: &[String], wanted: &str) -> Vec<String> {
    let mut values = before.to_vec();
    match values.first_mut() {
        Some(first) if is_data(first, wanted) => {}
        Some(first) => wanted.clone_into(first),
        None => values.push(wanted.to_owned()),
    }
    values
}

fn with_another(before: &[String], wanted: &str) -> Vec<String> {
    let mut values = before.to_vec();
    if !values.iter().any(|data| is_data(data, wanted)) {
        values.push(wanted.to_owned());
    }
    values
}

fn without(before: &[String], wanted: Option<&str>) -> Vec<String> {
    let stays = |data: &&String| wanted.is_some_and(|wanted| !is_data(data, wanted));
    before.iter().filter(stays).cloned().collect()
}

fn separated(data: Option<&str>) -> Result<entries::Entries<'_>, EditError> {
    let data = data.unwrap_or_default();
    entries::Entries::parse(data).ok_or_else(|| EditError::Separator(data.to_owned()))
}

#[cfg(test)]
mod tests;
