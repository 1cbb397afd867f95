//! Macros in texts (AP-02; REFERENCE 1.1): what stands for `%Name%`, `%*Name%` and `${Name}`.
//!
//! One name is looked up, in any case, in this order:
//!
//! 1. with an asterisk: a special folder (`%*WinDir%`), `%*;DN%` an attribute of the application;
//! 2. with a dot and a semicolon (`%.printer.site;Location%`): an attribute of another object;
//! 3. the application's own macros, then `SOURCE_PATH`, `TARGET_PATH` and `DIRECTORY_TARGET_PATH`,
//!    the folder that the target is in;
//! 4. special folders without their asterisk;
//! 5. attributes of the user, then login-script macros;
//! 6. the environment.
//!
//! What is found may hold macros again. A name that is found nowhere is an error, never empty.
//!
//! `%%` is a percent sign, `$${` is `${`. A percent sign opens no macro, and is itself, where none
//! follows in its line, or where what lies between both begins or ends with a blank or holds a
//! character that no name has (`100 % of 5 %`, `C:%/x:%`).

mod login;
mod pieces;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Given, Question};
use crate::{Application, MacroValue, Survey, Text};
pub use pieces::{Piece, pieces};

/// Of one text once everything in it is expanded.
const EXPANDED_BYTES_MAX: usize = 1 << 20;
/// Macros within macros.
const DEPTH_MAX: usize = 32;
/// In one text, counted with those within others, also where they stand for nothing.
const MACROS_MAX: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MacroError {
    #[error(
        "the macro `%{name}%` is known to nobody: name it under `macros`, or write `%%` for a \
         percent sign"
    )]
    Unknown { name: String },
    #[error("this system has no folder `%*{name}%`")]
    NoFolder { name: String },
    #[error("no directory says what `%{name}%` is")]
    NoAttribute { name: String },
    #[error("the source has no path on this machine, so `%{name}%` stands for nothing")]
    NoSource { name: String },
    #[error("the application has no `target`, so `%{name}%` stands for nothing")]
    NoTarget { name: String },
    #[error("the macro `%{name}%` holds itself: {way}")]
    Cycle { name: String, way: String },
    #[error("macros within macros make it longer than {EXPANDED_BYTES_MAX} bytes")]
    Long,
    #[error("macros lie more than {DEPTH_MAX} deep within one another")]
    Deep,
    #[error("there are more than {MACROS_MAX} macros within macros in it")]
    Many,
    #[error("the answer to `%{name}%` has more than {length_max} characters")]
    LongAnswer { name: String, length_max: u32 },
}

/// What macros of one application stand for, on one machine and for one user.
pub struct Macros<'m> {
    application: &'m Application,
    given: &'m Given,
    survey: &'m dyn Survey,
    /// Prompted macros that were met, by their names as they are written.
    prompted: RefCell<BTreeMap<String, String>>,
}

impl<'m> Macros<'m> {
    pub fn new(application: &'m Application, given: &'m Given, survey: &'m dyn Survey) -> Self {
        Self { application, given, survey, prompted: RefCell::default() }
    }

    pub fn expand(&self, text: &Text) -> Result<String, MacroError> {
        self.expand_with(text, self.given.source_path.as_deref())
    }

    /// With another meaning of `%SOURCE_PATH%`.
    pub fn expand_with(&self, text: &Text, source: Option<&str>) -> Result<String, MacroError> {
        let mut out = String::new();
        let mut expansion = Expansion { macros: self, source, way: Vec::new(), met: 0 };
        expansion.append(text.as_str(), &mut out)?;
        Ok(out)
    }

    /// Whether what it stands for may be another thing for each user. Asked without looking
    /// anything up but the application's own macros.
    pub fn belongs_to_user(&self, text: &Text) -> bool {
        let mut open = vec![text];
        let mut seen = BTreeSet::new();
        while let Some(text) = open.pop() {
            for piece in pieces(text.as_str()) {
                let Piece::Macro(name) = piece else { continue };
                let (is_of_user, holds) = match self.own(name) {
                    Some(MacroValue::Text(text) | MacroValue::Prompted { default: text, .. }) => {
                        (false, Some(text))
                    }
                    None if is_target(name) => (false, self.application.target.as_ref()),
                    None => (login::is_of_user(name), None),
                };
                if is_of_user {
                    return true;
                }
                open.extend(holds.filter(|_| seen.insert(name.to_ascii_uppercase())));
            }
        }
        false
    }

    /// Prompted macros that were met so far, and what they were taken for.
    pub fn answers(&self) -> Vec<(String, String)> {
        self.prompted.borrow().clone().into_iter().collect()
    }

    /// Those among them that nobody has answered.
    pub fn questions(&self) -> Vec<Question> {
        let ask = |(name, taken): (&String, &String)| {
            let MacroValue::Prompted { prompt, length_max, .. } = self.own(name)? else {
                return None;
            };
            let is_open = lookup(&self.given.answers, name).is_none();
            is_open.then(|| Question::Macro {
                name: name.clone(),
                prompt: prompt.clone(),
                default: taken.clone(),
                length_max: *length_max,
            })
        };
        self.prompted.borrow().iter().filter_map(ask).collect()
    }

    fn own(&self, name: &str) -> Option<&'m MacroValue> {
        let found = self.application.macros.iter().find(|own| own.name.eq_ignore_ascii_case(name));
        found.map(|found| &found.value)
    }
}

fn is_target(name: &str) -> bool {
    ["TARGET_PATH", "DIRECTORY_TARGET_PATH"].iter().any(|own| own.eq_ignore_ascii_case(name))
}

fn lookup<'v>(map: &'v BTreeMap<String, String>, name: &str) -> Option<&'v String> {
    map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// One text on its way to being expanded.
struct Expansion<'e> {
    macros: &'e Macros<'e>,
    source: Option<&'e str>,
    /// Macros that are being expanded, from the outside.
    way: Vec<String>,
    /// Macros that were met so far.
    met: usize,
}

impl Expansion<'_> {
    fn append(&mut self, text: &str, out: &mut String) -> Result<(), MacroError> {
        for piece in pieces(text) {
            match piece {
                Piece::Plain(plain) => out.push_str(plain),
                Piece::Macro(name) => self.append_macro(name, out)?,
            }
            if out.len() > EXPANDED_BYTES_MAX {
                return Err(MacroError::Long);
            }
        }
        Ok(())
    }

    fn append_macro(&mut self, name: &str, out: &mut String) -> Result<(), MacroError> {
        self.met += 1;
        if self.met > MACROS_MAX {
            return Err(MacroError::Many);
        }
        if let Some(attribute) = name.strip_prefix('*') {
            let value = match attribute.starts_with(';') {
                true => self.attribute(name)?,
                false => self.special(attribute).ok_or_else(|| no_folder(attribute))?,
            };
            out.push_str(&value);
            return Ok(());
        }
        if name.starts_with('.') && name.contains(';') {
            out.push_str(&self.attribute(name)?);
            return Ok(());
        }
        match self.macros.own(name) {
            Some(MacroValue::Text(text)) => self.nested(name, text, out),
            Some(MacroValue::Prompted { default, length_max, .. }) => {
                self.append_prompted(name, default, *length_max, out)
            }
            None if name.eq_ignore_ascii_case("SOURCE_PATH") => {
                let source = self.source.ok_or_else(|| MacroError::NoSource { name: name.into() });
                out.push_str(source?);
                Ok(())
            }
            None if is_target(name) => self.append_target(name, out),
            None => {
                out.push_str(&self.surroundings(name)?);
                Ok(())
            }
        }
    }

    fn nested(&mut self, name: &str, text: &Text, out: &mut String) -> Result<(), MacroError> {
        if self.way.iter().any(|outer| outer.eq_ignore_ascii_case(name)) {
            let way = self.way.iter().map(String::as_str).chain([name]).collect::<Vec<_>>();
            return Err(MacroError::Cycle { name: name.to_owned(), way: way.join(" - ") });
        }
        if self.way.len() >= DEPTH_MAX {
            return Err(MacroError::Deep);
        }
        self.way.push(name.to_owned());
        self.append(text.as_str(), out)?;
        self.way.pop();
        Ok(())
    }

    /// An answer is what it is: percent signs in it open nothing.
    fn append_prompted(
        &mut self,
        name: &str,
        default: &Text,
        length_max: Option<u32>,
        out: &mut String,
    ) -> Result<(), MacroError> {
        let mut value = String::new();
        match lookup(&self.macros.given.answers, name) {
            Some(answer) => value.push_str(answer),
            None => self.nested(name, default, &mut value)?,
        }
        if let Some(length_max) = length_max
            && value.chars().count() > length_max as usize
        {
            return Err(MacroError::LongAnswer { name: name.to_owned(), length_max });
        }
        out.push_str(&value);
        let own = self.macros.application.macros.iter();
        let own = own.map(|own| &own.name).find(|own| own.eq_ignore_ascii_case(name));
        let name = own.cloned().unwrap_or_else(|| name.to_owned());
        self.macros.prompted.borrow_mut().insert(name, value);
        Ok(())
    }

    fn append_target(&mut self, name: &str, out: &mut String) -> Result<(), MacroError> {
        let target = self.macros.application.target.as_ref();
        let target = target.ok_or_else(|| MacroError::NoTarget { name: name.to_owned() })?;
        if name.eq_ignore_ascii_case("TARGET_PATH") {
            return self.nested(name, target, out);
        }
        let mut whole = String::new();
        self.nested(name, target, &mut whole)?;
        let whole = whole.trim_end_matches(['/', '\\']);
        out.push_str(whole.rfind(['/', '\\']).map_or("", |end| &whole[..end.max(1)]));
        Ok(())
    }

    fn attribute(&self, name: &str) -> Result<String, MacroError> {
        let value = lookup(&self.macros.given.attributes, name);
        value.cloned().ok_or_else(|| MacroError::NoAttribute { name: name.to_owned() })
    }

    /// Folders of everybody give way to the user's own where a system has none.
    fn special(&self, name: &str) -> Option<String> {
        let survey = self.macros.survey;
        let common = name.get(..6).filter(|start| start.eq_ignore_ascii_case("Common"));
        let own = || common.and_then(|_| survey.special_folder(&name[6..]));
        survey.special_folder(name).or_else(own)
    }

    fn surroundings(&self, name: &str) -> Result<String, MacroError> {
        let Macros { given, survey, .. } = self.macros;
        let value = self
            .special(name)
            .or_else(|| lookup(&given.attributes, name).cloned())
            .or_else(|| login::value(name, given.now, *survey))
            .or_else(|| survey.environment(name));
        value.ok_or_else(|| MacroError::Unknown { name: name.to_owned() })
    }
}

fn no_folder(name: &str) -> MacroError {
    MacroError::NoFolder { name: name.to_owned() }
}

#[cfg(test)]
mod tests;
