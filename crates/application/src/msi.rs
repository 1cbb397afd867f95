//! Windows Installer packages (AP-01; REFERENCE 3.4): what one says of itself, how `msiexec` is
//! told to install and remove it, and what its answers mean.
//!
//! Never installs anything, and knows nothing of what is inside a package beyond its properties.

use std::io::{self, Read, Seek};

use model::registry::{Key, NameError, Root};

/// What a package says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `{…}`, in capitals.
    pub product_code: String,
    pub product_version: String,
    pub product_name: String,
    pub manufacturer: Option<String>,
    /// The same for all versions of a product.
    pub upgrade_code: Option<String>,
    /// For which processors: `x64`, `Intel`, `Arm64`, as its summary writes it.
    pub architecture: Option<String>,
}

/// Why a file is no package that could be installed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("this is no Windows Installer package")]
    Package(#[source] io::Error),
    #[error("the package does not say its `{0}`")]
    Missing(&'static str),
}

/// Reads little more than the tables of strings and properties.
pub fn read(file: impl Read + Seek) -> Result<Facts, ReadError> {
    let mut package = msi::Package::open(file).map_err(ReadError::Package)?;
    let architecture = package.summary_info().arch().map(str::to_owned);
    let rows = package.select_rows(msi::Select::table("Property"));
    let mut properties = Vec::new();
    for row in rows.map_err(ReadError::Package)? {
        if row.len() >= 2
            && let (Some(name), Some(value)) = (row[0].as_str(), row[1].as_str())
        {
            properties.push((name.to_owned(), value.to_owned()));
        }
    }
    let optional = |name| {
        let found = properties.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let needed = |name| optional(name).ok_or(ReadError::Missing(name));
    let product_code = needed("ProductCode")?;
    if !is_code(&product_code) {
        return Err(ReadError::Missing("ProductCode"));
    }
    Ok(Facts {
        product_code: product_code.to_uppercase(),
        product_version: needed("ProductVersion")?,
        product_name: needed("ProductName")?,
        manufacturer: optional("Manufacturer"),
        upgrade_code: optional("UpgradeCode").map(|code| code.to_uppercase()),
        architecture,
    })
}

/// `{01234567-89AB-CDEF-0123-456789ABCDEF}`, in any case.
pub fn is_code(text: &str) -> bool {
    let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    inside.is_some_and(|inside| {
        let parts: Vec<&str> = inside.split('-').collect();
        let is_hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(is_hex)
    })
}

/// Where Windows keeps what it says of installed programs, of 64 bits and of 32; the value
/// `DisplayVersion` is there for each product that is installed.
pub fn installed_keys(product_code: &str) -> Result<[Key; 2], NameError> {
    let key = |view: &str| {
        let path =
            format!(r"SOFTWARE\{view}Microsoft\Windows\CurrentVersion\Uninstall\{product_code}");
        Key::new(Root::LocalMachine, &path)
    };
    Ok([key("")?, key(r"WOW6432Node\")?])
}

/// What is installed, with macros expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Install<'a> {
    /// The package's file on the machine.
    pub file: &'a str,
    pub transforms: &'a [String],
    pub properties: &'a [(String, String)],
    /// In place of [`QUIETLY`].
    pub arguments: Option<&'a str>,
    /// Where the installer writes all that it does.
    pub log: Option<&'a str>,
}

/// Nobody is asked, and nothing is restarted.
pub const QUIETLY: &str = "/qn /norestart";

/// Why there is no command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("`{0}` is no property: capitals, digits, `_` and `.`, and no digit first")]
    Property(String),
    #[error("`{0}` is no product code: `{{01234567-89AB-CDEF-0123-456789ABCDEF}}`")]
    Code(String),
    #[error("`{0}` contains a quote, a line end or a zero character")]
    Path(String),
    #[error("`{0}` contains a line end or a zero character")]
    Line(String),
}

/// What follows `msiexec.exe`, to be handed over as it stands: it reads quotes in a way of its own,
/// so no other quoting may be put on top. For all users of the machine unless a property says else.
pub fn install_line(install: Install<'_>) -> Result<String, CommandError> {
    let mut line = format!("/i {}", path(install.file)?);
    push_switches(&mut line, install.arguments, install.log)?;
    if !install.transforms.is_empty() {
        let checked: Result<Vec<&str>, _> =
            install.transforms.iter().map(|file| checked_path(file)).collect();
        line += &format!(" TRANSFORMS=\"{}\"", checked?.join(";"));
    }
    let mut is_scope_given = false;
    for (name, value) in install.properties {
        let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || "_.".contains(c);
        if !name.chars().all(is_part)
            || !name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        {
            return Err(CommandError::Property(name.clone()));
        }
        is_scope_given |= name == "ALLUSERS" || name == "MSIINSTALLPERUSER";
        line += &format!(" {name}=\"{}\"", one_line(value)?.replace('"', "\"\""));
    }
    if !is_scope_given {
        line += " ALLUSERS=1";
    }
    Ok(line)
}

/// As [`install_line`], for taking it away.
pub fn uninstall_line(
    product_code: &str,
    arguments: Option<&str>,
    log: Option<&str>,
) -> Result<String, CommandError> {
    if !is_code(product_code) {
        return Err(CommandError::Code(product_code.to_owned()));
    }
    let mut line = format!("/x {product_code}");
    push_switches(&mut line, arguments, log)?;
    Ok(line)
}

fn push_switches(
    line: &mut String,
    arguments: Option<&str>,
    log: Option<&str>,
) -> Result<(), CommandError> {
    let arguments = one_line(arguments.unwrap_or(QUIETLY))?;
    if !arguments.is_empty() {
        *line += &format!(" {arguments}");
    }
    if let Some(log) = log {
        *line += &format!(" /l*v {}", path(log)?);
    }
    Ok(())
}

fn path(text: &str) -> Result<String, CommandError> {
    Ok(format!("\"{}\"", checked_path(text)?))
}

fn checked_path(text: &str) -> Result<&str, CommandError> {
    if text.contains('"') || one_line(text).is_err() {
        return Err(CommandError::Path(text.to_owned()));
    }
    Ok(text)
}

fn one_line(text: &str) -> Result<&str, CommandError> {
    if text.contains(['\r', '\n', '\0']) {
        return Err(CommandError::Line(text.to_owned()));
    }
    Ok(text)
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Done,
    /// Done, but for what a restart will do.
    NeedsRestart,
    /// Done, and the machine is being restarted.
    IsRestarting,
    /// There is nothing to remove.
    NotInstalled,
    /// Another installation is at work; tried again later it may go.
    Busy,
    /// For people.
    Failed(&'static str),
}

/// Of `msiexec`'s exit code.
pub fn ended(code: i32) -> Ended {
    match code {
        0 => Ended::Done,
        3010 => Ended::NeedsRestart,
        1641 => Ended::IsRestarting,
        1605 | 1614 => Ended::NotInstalled,
        1618 => Ended::Busy,
        1602 => Ended::Failed("a user cancelled it"),
        1603 => Ended::Failed("it failed and was rolled back; its log says where"),
        1612 => Ended::Failed("the source it was installed from is not there any more"),
        1619 | 1620 => Ended::Failed("its file cannot be opened or is no package"),
        1624 => Ended::Failed("a transform does not fit it"),
        1625 | 1643 | 1644 => Ended::Failed("a policy of this machine forbids it"),
        1633 => Ended::Failed("it is not for this kind of processor"),
        1638 => Ended::Failed("another version of the product is installed"),
        1639 => Ended::Failed("its arguments are wrong"),
        1601 => Ended::Failed("the Windows Installer service cannot be reached"),
        _ => Ended::Failed("the installer failed"),
    }
}

#[cfg(test)]
mod tests;
