//! Command lines of installers, and what their exit codes mean.

use std::path::{Path, PathBuf};

use crate::application::records::Installer;

use super::ask::Tools;

/// Installs from a file or from the machine's package sources; below a root from a file.
pub(super) fn install(
    installer: Installer,
    tools: Tools,
    (name, version, file): (&str, Option<&str>, Option<PathBuf>),
    root: Option<&Path>,
) -> Vec<String> {
    let file = file.map(|file| file.to_string_lossy().into_owned());
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut line = match (installer, root) {
        (Installer::Msi, _) => words(&["msiexec.exe", "/i"]),
        (Installer::Deb, Some(root)) => {
            words(&["dpkg", &format!("--root={}", root.display()), "--install"])
        }
        (Installer::Deb, None) if tools.apt => words(&APT_INSTALL),
        (Installer::Deb, None) => words(&["dpkg", "--install"]),
        (Installer::Rpm, Some(root)) => {
            words(&["rpm", &format!("--root={}", root.display()), "--upgrade"])
        }
        (Installer::Rpm, None) if tools.dnf => words(&["dnf", "install", "--assumeyes"]),
        (Installer::Rpm, None) if tools.zypper => {
            words(&["zypper", "--non-interactive", "install", "--auto-agree-with-licenses"])
        }
        (Installer::Rpm, None) => words(&["rpm", "--upgrade"]),
    };
    line.push(match (file, version) {
        (Some(file), _) => file,
        (None, Some(version)) if installer == Installer::Deb => format!("{name}={version}"),
        (None, Some(version)) => format!("{name}-{version}"),
        (None, None) => name.to_owned(),
    });
    line
}

const APT_INSTALL: [&str; 7] = [
    "apt-get",
    "install",
    "--yes",
    "--quiet",
    "--allow-downgrades",
    "--option=DPkg::Lock::Timeout=600",
    "--",
];

pub(super) fn remove(installer: Installer, name: &str, root: Option<&Path>) -> Vec<String> {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
    match (installer, root) {
        (Installer::Msi, _) => msi_remove(name, "/qn /norestart"),
        (Installer::Deb, None) => words(&["dpkg", "--remove", name]),
        (Installer::Deb, Some(root)) => {
            words(&["dpkg", &format!("--root={}", root.display()), "--remove", name])
        }
        (Installer::Rpm, None) => words(&["rpm", "--erase", name]),
        (Installer::Rpm, Some(root)) => {
            words(&["rpm", &format!("--root={}", root.display()), "--erase", name])
        }
    }
}

pub(super) fn msi_install(
    file: &Path,
    transforms: &[PathBuf],
    properties: &[(String, String)],
    arguments: Option<&str>,
) -> Vec<String> {
    let mut line = vec!["msiexec.exe".to_owned(), "/i".to_owned(), file.display().to_string()];
    let arguments = arguments.unwrap_or("/qn /norestart");
    line.extend(arguments.split_ascii_whitespace().map(str::to_owned));
    if !transforms.is_empty() {
        let all: Vec<String> = transforms.iter().map(|one| one.display().to_string()).collect();
        line.push(format!("TRANSFORMS={}", all.join(";")));
    }
    line.extend(properties.iter().map(|(name, value)| format!("{name}={value}")));
    line
}

pub(super) fn msi_remove(product: &str, arguments: &str) -> Vec<String> {
    let mut line = vec!["msiexec.exe".to_owned(), "/x".to_owned(), product.to_owned()];
    line.extend(arguments.split_ascii_whitespace().map(str::to_owned));
    line
}

/// What an exit code of `msiexec` means (Windows, "MsiExec.exe and InstMsi.exe error messages").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MsiEnd {
    Done,
    Restart,
    /// The product is not installed.
    Gone,
    Failed(&'static str),
}

pub(super) fn msi_end(code: u32) -> MsiEnd {
    match code {
        0 => MsiEnd::Done,
        // 1641: it began the restart itself.
        3010 | 1641 => MsiEnd::Restart,
        1605 => MsiEnd::Gone,
        1602 => MsiEnd::Failed("it was cancelled"),
        1603 => MsiEnd::Failed("it failed; its log tells more"),
        1618 => MsiEnd::Failed("another installation is in progress"),
        1619 => MsiEnd::Failed("its package cannot be opened"),
        1620 => MsiEnd::Failed("its package is none of the Windows Installer"),
        1625 => MsiEnd::Failed("the machine's policy forbids it"),
        1633 => MsiEnd::Failed("it is for another processor"),
        1638 => MsiEnd::Failed("another version of it is installed"),
        1639 => MsiEnd::Failed("its command line is wrong"),
        _ => MsiEnd::Failed("it failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_is_wanted() {
        let apt = Tools { apt: true, ..Tools::default() };
        let dnf = Tools { dnf: true, ..Tools::default() };
        let file = || Some(PathBuf::from("/src/x.deb"));
        let root = Path::new("/image");
        for (installer, tools, what, root, expect) in [
            (Installer::Deb, apt, ("x", Some("1-2"), None), None, "x=1-2"),
            (Installer::Deb, apt, ("x", None, file()), None, "-- /src/x.deb"),
            (Installer::Deb, apt, ("x", None, file()), Some(root), "dpkg --root=/image --install"),
            (Installer::Rpm, dnf, ("x", Some("1"), None), None, "dnf install --assumeyes x-1"),
            (Installer::Rpm, Tools::default(), ("x", None, file()), None, "rpm --upgrade /src"),
        ] {
            let line = install(installer, tools, what, root).join(" ");
            assert!(line.contains(expect), "{line}");
        }
        let properties = [("DIR".to_owned(), "C:\\x y".to_owned())];
        let line = msi_install(Path::new("x.msi"), &[PathBuf::from("t.mst")], &properties, None);
        let expect = ["msiexec.exe", "/i", "x.msi", "/qn", "/norestart", "TRANSFORMS=t.mst"];
        assert_eq!(line[..6], expect);
        assert_eq!(line[6], "DIR=C:\\x y");
        assert_eq!(msi_end(3010), MsiEnd::Restart);
        assert!(matches!(msi_end(1618), MsiEnd::Failed(_)));
    }
}
