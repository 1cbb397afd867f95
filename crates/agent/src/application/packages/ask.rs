//! Asking installers what is here.

use std::path::Path;
use std::time::Duration;

use application::packages::{Format, Tool};
use application::{PackageSystem, msi};
use machine::registry::{Registry, SystemRegistry};
use machine::{ExecuteEnd, Stream};
use model::registry::Data;

use super::{Line, PackageError, spec};
use crate::application::records::Installer;

const TIMEOUT: Duration = Duration::from_secs(60);

/// The program that installs; below a root, one for files, by the database that is there.
pub(super) fn tool(system: PackageSystem, root: Option<&Path>) -> Option<Tool> {
    let Some(root) = root else { return Tool::choose(system, is_on_path) };
    let is_deb = root.join("var/lib/dpkg").is_dir();
    let databases = ["var/lib/rpm", "usr/lib/sysimage/rpm"];
    let is_rpm = databases.iter().any(|folder| root.join(folder).is_dir());
    match system {
        PackageSystem::Deb => Some(Tool::Dpkg),
        PackageSystem::Rpm => Some(Tool::Rpm),
        PackageSystem::Any if is_deb => Some(Tool::Dpkg),
        PackageSystem::Any => is_rpm.then_some(Tool::Rpm),
    }
}

fn is_on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// The version that is here, if any is.
pub(super) async fn version(
    installer: Installer,
    name: &str,
    root: Option<&Path>,
) -> Result<Option<String>, PackageError> {
    let format = match installer {
        Installer::Msi => return Ok(product(name)),
        Installer::Deb => Format::Deb,
        Installer::Rpm => Format::Rpm,
    };
    let told = run(name, &Line::of(format.query(&[name])?, root)).await?;
    let versions = format.parse(&told).into_iter().map(|(_, version)| version);
    Ok(versions.max_by(|one, other| format.compare(one, other)))
}

async fn run(name: &str, line: &Line) -> Result<String, PackageError> {
    let failed = |why: String| PackageError::Ask { name: name.to_owned(), why };
    let mut told = Vec::new();
    let never = std::future::pending();
    let ended = machine::execute(&spec(line, TIMEOUT), never, |stream, bytes| {
        if stream == Stream::Stdout {
            told.extend_from_slice(bytes);
        }
    })
    .await;
    match ended.map_err(|error| failed(error.to_string()))? {
        ExecuteEnd::Exited { .. } => Ok(machine::decode_output(&told)),
        _ => Err(failed("it did not answer in time".to_owned())),
    }
}

/// The version of a product of the Windows Installer.
fn product(code: &str) -> Option<String> {
    let registry = SystemRegistry::open(None).ok()?;
    msi::installed_keys(code).ok()?.iter().find_map(|key| {
        if !registry.exists(key).ok()? {
            return None;
        }
        let version = registry.value(key, "DisplayVersion").ok().flatten();
        let version = version.and_then(|data| Data { kind: Data::TEXT, ..data }.as_text());
        Some(version.unwrap_or_else(|| "unknown".to_owned()))
    })
}
