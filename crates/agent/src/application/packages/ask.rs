//! Asking installers what is here.

use std::path::Path;
use std::time::Duration;

use machine::{ExecuteEnd, Stream};
use model::registry::{Data, Key};

use super::{PackageError, spec};
use crate::application::records::Installer;

const TIMEOUT: Duration = Duration::from_secs(60);
const PRODUCTS: [&str; 2] = [
    r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKLM\Software\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
];

/// Which programs that know package sources are here.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tools {
    pub(super) apt: bool,
    pub(super) dnf: bool,
    pub(super) zypper: bool,
}

pub(super) fn tools() -> Tools {
    let is_here = |name: &str| is_on_path(name);
    Tools { apt: is_here("apt-get"), dnf: is_here("dnf"), zypper: is_here("zypper") }
}

fn is_on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// By the database that is there.
pub(super) fn installer(root: Option<&Path>) -> Option<Installer> {
    let root = root.unwrap_or(Path::new("/"));
    if root.join("var/lib/dpkg/status").is_file() {
        return Some(Installer::Deb);
    }
    let databases = ["var/lib/rpm", "usr/lib/sysimage/rpm"];
    databases.iter().any(|folder| root.join(folder).is_dir()).then_some(Installer::Rpm)
}

/// The version that is here, if any is.
pub(super) async fn version(
    installer: Installer,
    name: &str,
    root: Option<&Path>,
) -> Result<Option<String>, PackageError> {
    let below = root.map(|root| format!("--root={}", root.display()));
    let mut line: Vec<String> = Vec::new();
    match installer {
        Installer::Msi => return Ok(product(name)),
        Installer::Deb => {
            line.push("dpkg-query".into());
            line.extend(below);
            let format = "--showformat=${db:Status-Status} ${Version}\n";
            line.extend(["--show".to_owned(), format.to_owned(), "--".to_owned()]);
        }
        Installer::Rpm => {
            line.push("rpm".into());
            line.extend(below);
            let format = "--queryformat=installed %{VERSION}-%{RELEASE}\n";
            line.extend(["--query".to_owned(), format.to_owned(), "--".to_owned()]);
        }
    }
    line.push(name.to_owned());
    let (code, told) = run(name, line).await?;
    if code != 0 {
        return Ok(None);
    }
    let here = told.lines().find_map(|line| line.strip_prefix("installed "));
    Ok(here.map(str::to_owned))
}

/// As the installer itself compares versions.
pub(super) async fn is_at_least(
    installer: Installer,
    here: &str,
    least: &str,
) -> Result<bool, PackageError> {
    if installer == Installer::Deb {
        let words = ["dpkg", "--compare-versions", here, "ge", least];
        let (code, _) = run(here, words.map(str::to_owned).into()).await?;
        return Ok(code == 0);
    }
    // `rpm` compares in its own language only.
    let here = if least.contains('-') { here } else { here.split('-').next().unwrap_or(here) };
    Ok(model::query::compare_versions(here, least).is_ge())
}

async fn run(name: &str, line: Vec<String>) -> Result<(u32, String), PackageError> {
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
        ExecuteEnd::Exited { code } => Ok((code, machine::decode_output(&told))),
        _ => Err(failed("it did not answer in time".to_owned())),
    }
}

/// The version of a product of the Windows Installer.
fn product(code: &str) -> Option<String> {
    use machine::registry::{Registry, SystemRegistry};
    let registry = SystemRegistry::open(None).ok()?;
    PRODUCTS.iter().find_map(|above| {
        let key = Key::parse(above).ok()?.child(code);
        if !registry.exists(&key).ok()? {
            return None;
        }
        let version = registry.value(&key, "DisplayVersion").ok().flatten();
        let version = version.and_then(|data| Data { kind: Data::TEXT, ..data }.as_text());
        Some(version.unwrap_or_else(|| "unknown".to_owned()))
    })
}

pub(super) fn product_code(_file: &Path) -> Result<String, String> {
    Err("name its `product_code` in the document".to_owned())
}
