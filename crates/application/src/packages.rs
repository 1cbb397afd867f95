//! Packages of Linux distributions: which program does what with them, and which version is later.
//!
//! Owns command lines and how answers are read; never runs anything. Names of packages are checked
//! before they become words of a command, so that none is taken for an option.

mod version;

use std::cmp::Ordering;

pub use version::{compare_deb, compare_rpm};

use crate::PackageSystem;

/// What a program is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub program: &'static str,
    pub arguments: Vec<String>,
    /// Beside what is there.
    pub environment: Vec<(&'static str, &'static str)>,
}

/// The program that installs with all that is needed; [`Self::Dpkg`] and [`Self::Rpm`] install
/// files only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Apt,
    Dpkg,
    Dnf,
    Yum,
    Zypper,
    Rpm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Deb,
    Rpm,
}

/// A package that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    /// In some version, which is not the one that is wanted.
    pub is_here: bool,
    /// That one or a later one.
    pub version: Option<String>,
    /// The absolute path of the file it is installed from.
    pub file: Option<String>,
}

/// Why there is no command for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("`{0}` is no name of a package")]
    Name(String),
    #[error("`{0}` is no absolute path of a package's file")]
    File(String),
    #[error("the file `{file}` has to be called by a name that ends in `{ending}`")]
    Ending { file: String, ending: &'static str },
    #[error(
        "`{name}` has no file, and this machine has no program that finds packages: neither \
         `apt-get` nor `dnf`, `yum` or `zypper`"
    )]
    NoSource { name: String },
}

impl Tool {
    const ALL: [Self; 6] = [Self::Apt, Self::Dnf, Self::Yum, Self::Zypper, Self::Dpkg, Self::Rpm];

    /// The first of those that the machine has. A machine of the other format may have `rpm` or
    /// `dpkg` too, so those that find packages decide first.
    pub fn choose(system: PackageSystem, has: impl Fn(&str) -> bool) -> Option<Self> {
        let fits = |tool: &Self| match system {
            PackageSystem::Any => true,
            PackageSystem::Deb => tool.format() == Format::Deb,
            PackageSystem::Rpm => tool.format() == Format::Rpm,
        };
        Self::ALL.into_iter().filter(fits).find(|tool| has(tool.program()))
    }

    pub fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dpkg => "dpkg",
            Self::Dnf => "dnf",
            Self::Yum => "yum",
            Self::Zypper => "zypper",
            Self::Rpm => "rpm",
        }
    }

    pub fn format(self) -> Format {
        match self {
            Self::Apt | Self::Dpkg => Format::Deb,
            Self::Dnf | Self::Yum | Self::Zypper | Self::Rpm => Format::Rpm,
        }
    }

    /// Installs them, or brings them up to date; nobody is asked anything, configuration that was
    /// changed stays.
    pub fn install(self, packages: &[Wanted]) -> Result<Command, CommandError> {
        let mut arguments = words(match self {
            Self::Apt => &[
                "install",
                "--yes",
                "-q",
                "-oDPkg::Lock::Timeout=600",
                "-oDpkg::Options::=--force-confdef",
                "-oDpkg::Options::=--force-confold",
            ],
            Self::Dpkg => &["--force-confdef", "--force-confold", "--install"],
            // Of what is here they install no later version.
            Self::Dnf | Self::Yum if packages.iter().all(|one| one.is_here) => {
                &["upgrade", "-y", "-q"]
            }
            Self::Dnf | Self::Yum => &["install", "-y", "-q"],
            Self::Zypper => {
                &["--non-interactive", "--quiet", "install", "--allow-unsigned-rpm", "--"]
            }
            Self::Rpm => &["--upgrade", "--replacepkgs", "--"],
        });
        for Wanted { name, file, .. } in packages {
            check_name(name)?;
            arguments.push(match file {
                Some(file) => self.format().check_file(file)?,
                None if matches!(self, Self::Dpkg | Self::Rpm) => {
                    return Err(CommandError::NoSource { name: name.clone() });
                }
                None => name.clone(),
            });
        }
        Ok(self.command(arguments))
    }

    /// Has the program look anew at what its sources have, where it remembers that.
    pub fn refresh(self) -> Option<Command> {
        let arguments: &[&str] = match self {
            Self::Apt => &["update", "-q"],
            // They look when they are next asked to install something.
            Self::Dnf | Self::Yum => &["clean", "-q", "expire-cache"],
            Self::Zypper => &["--non-interactive", "--quiet", "refresh"],
            Self::Dpkg | Self::Rpm => return None,
        };
        Some(self.command(words(arguments)))
    }

    /// Whether a program that ended with this code has done what it should. `zypper` has codes
    /// that only inform: 102 to restart the machine, 103 to run it again for itself, 106 that a
    /// source was left out, 107 that a package's own script failed after it was installed.
    pub fn is_done(program: &str, code: u32) -> bool {
        code == 0 || program == Self::Zypper.program() && matches!(code, 102 | 103 | 106 | 107)
    }

    /// Whether the code says that the machine has to be restarted.
    pub fn needs_restart(program: &str, code: u32) -> bool {
        program == Self::Zypper.program() && code == 102
    }

    /// Removes them, and what needs them; configuration that was changed stays.
    pub fn remove(self, names: &[&str]) -> Result<Command, CommandError> {
        let mut arguments = words(match self {
            Self::Apt => &["remove", "--yes", "-q", "-oDPkg::Lock::Timeout=600"],
            Self::Dpkg => &["--remove"],
            Self::Dnf | Self::Yum => &["remove", "-y", "-q"],
            Self::Zypper => &["--non-interactive", "--quiet", "remove", "--"],
            Self::Rpm => &["--erase", "--"],
        });
        for name in names {
            check_name(name)?;
            arguments.push((*name).to_owned());
        }
        Ok(self.command(arguments))
    }

    fn command(self, arguments: Vec<String>) -> Command {
        let environment = match self.format() {
            Format::Deb => vec![("DEBIAN_FRONTEND", "noninteractive"), ("LC_ALL", "C")],
            Format::Rpm => vec![("LC_ALL", "C")],
        };
        Command { program: self.program(), arguments, environment }
    }
}

impl Format {
    /// Asks for the versions that are installed. Ends with an error where one is not; what it says
    /// counts all the same.
    pub fn query(self, names: &[&str]) -> Result<Command, CommandError> {
        let (program, mut arguments) = match self {
            Self::Deb => (
                "dpkg-query",
                words(&["--show", "--showformat=${Package}\\t${Version}\\t${db:Status-Status}\\n"]),
            ),
            Self::Rpm => (
                "rpm",
                words(&[
                    "--query",
                    "--queryformat",
                    "%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\tinstalled\\n",
                ]),
            ),
        };
        for name in names {
            check_name(name)?;
            arguments.push((*name).to_owned());
        }
        Ok(Command { program, arguments, environment: vec![("LC_ALL", "C")] })
    }

    /// The programs take for a file what begins and ends so.
    fn check_file(self, file: &str) -> Result<String, CommandError> {
        let ending = match self {
            Self::Deb => ".deb",
            Self::Rpm => ".rpm",
        };
        match file {
            _ if !file.starts_with('/') => Err(CommandError::File(file.to_owned())),
            _ if !file.ends_with(ending) => {
                Err(CommandError::Ending { file: file.to_owned(), ending })
            }
            _ => Ok(file.to_owned()),
        }
    }

    /// Names and versions in the answer to [`Self::query`].
    pub fn parse(self, answer: &str) -> Vec<(String, String)> {
        let installed = |line: &str| {
            let mut parts = line.split('\t');
            let (name, version) = (parts.next()?, parts.next()?);
            let is_installed = parts.next()? == "installed" && parts.next().is_none();
            is_installed.then(|| (name.to_owned(), version.to_owned()))
        };
        answer.lines().filter_map(installed).collect()
    }

    pub fn compare(self, one: &str, other: &str) -> Ordering {
        match self {
            Self::Deb => compare_deb(one, other),
            Self::Rpm => compare_rpm(one, other),
        }
    }

    /// Those that are not installed in the version that is wanted or a later one. Of several
    /// installed versions the latest counts.
    pub fn missing<'w>(
        self,
        wanted: &'w [Wanted],
        installed: &[(String, String)],
    ) -> Vec<&'w Wanted> {
        let is_there = |wanted: &&Wanted| {
            let name = wanted.name.split(':').next().unwrap_or_default();
            installed.iter().any(|(found, version)| {
                found == name
                    && wanted
                        .version
                        .as_ref()
                        .is_none_or(|least| self.compare(version, least).is_ge())
            })
        };
        wanted.iter().filter(|wanted| !is_there(wanted)).collect()
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// As both formats have them; Debian's may name an architecture: `libc6:i386`.
fn check_name(name: &str) -> Result<(), CommandError> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
    let (plain, architecture) = name.split_once(':').unwrap_or((name, "any"));
    let is_name = plain.starts_with(|c: char| c.is_ascii_alphanumeric())
        && plain.chars().all(is_part)
        && !architecture.is_empty()
        && architecture.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_name { Ok(()) } else { Err(CommandError::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests;
