//! A package of the Windows Installer, built by wixl of `tests/windows/trial.wxs`.

use std::path::Path;

use super::machine_of_test::{Machine, outside, value};

const PRODUCT: &str = "{5F3C1B2A-9E47-4D0C-8A31-6C2B7E9D0F01}";
const UNINSTALL: &str = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall";
const FILE: &str = r"C:\Program Files\Deskhand Trial\trial.txt";
const KEY: &str = r"HKLM\Software\DeskhandInstallerTrial";

fn document(more: &str) -> String {
    format!(
        r"
application: Installer on Windows
id: 01890a5d-ac96-774b-bcce-b302099a8058
version: 1
registry: [ {{ key: {KEY}, values: [ {{ name: Word, text: blue }} ] }} ]
{more}"
    )
}

fn is_installed() -> bool {
    let version = value(&format!(r"{UNINSTALL}\{PRODUCT}"), "DisplayVersion");
    assert_eq!(version.is_some(), Path::new(FILE).is_file(), "{version:?}");
    assert_eq!(version.is_some(), value(KEY, "Word").is_some(), "{version:?}");
    version.inspect(|version| assert_eq!(version, "SZ 1.0.0")).is_some()
}

#[test]
fn a_package_comes_and_goes_with_its_application() {
    let mut machine = Machine::new(&outside("DESKHAND_TRIAL_PACKAGES"));
    let text = document(r"msi: { file: '%SOURCE_PATH%\trial.msi' }");
    let step = machine.consider(&text);
    assert_eq!(step.packages[0].name, PRODUCT);
    assert_eq!(step.packages[0].here, None);
    let done = machine.carry_out(&step).unwrap();
    assert_eq!(done.reboot, Vec::<String>::new());
    assert!(is_installed());
    assert_eq!(machine.driver.records()[0].packages[0].name, PRODUCT);
    let verified = machine.verify();
    assert!(verified.changes_nothing(), "{verified:?}");
    machine.uninstall();
    assert!(!is_installed());
}

/// The package answers 3010.
#[test]
fn a_package_that_wants_a_restart_is_installed_and_tells_it() {
    let mut machine = Machine::new(&outside("DESKHAND_TRIAL_PACKAGES"));
    let text = document(r"msi: { file: trial.msi, properties: { RESTART: 1 } }");
    let done = machine.distribute(&text).unwrap();
    assert_eq!(done.reboot, [format!("`{PRODUCT}` (Windows Installer)")]);
    assert!(is_installed());
    machine.uninstall();
    assert!(!is_installed());
}

#[test]
fn a_script_that_fails_takes_the_package_away_again() {
    let mut machine = Machine::new(&outside("DESKHAND_TRIAL_PACKAGES"));
    let script = format!("if exist \"{FILE}\" exit /b 5");
    let text = document(&format!(
        "msi: {{ file: trial.msi }}\nscripts: {{ after: {{ run: '{script}' }} }}"
    ));
    let failure = machine.distribute(&text).unwrap_err();
    let sentence = failure.sentence();
    assert!(sentence.contains("exit code 5"), "{sentence}");
    assert_eq!(failure.remains, Vec::<String>::new());
    assert!(!is_installed());
    assert!(machine.driver.records().is_empty());
}

/// What is removed behind the application's back is installed again.
#[test]
fn a_package_that_has_gone_is_repaired() {
    let mut machine = Machine::new(&outside("DESKHAND_TRIAL_PACKAGES"));
    let text = document("msi: { file: trial.msi }");
    machine.distribute(&text).unwrap();
    let removed = std::process::Command::new("msiexec")
        .args(["/x", PRODUCT, "/qn", "/norestart"])
        .status()
        .unwrap();
    assert!(removed.success(), "{removed}");
    assert!(!Path::new(FILE).exists());
    let differs = machine.verify();
    assert!(!differs.changes_nothing());
    machine.carry_out(&differs).unwrap();
    assert!(is_installed());
    machine.uninstall();
    assert!(!is_installed());
}

#[test]
fn a_file_that_is_no_package_is_told_before_anything_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("trial.msi"), "no package").unwrap();
    let machine = Machine::new(folder.path());
    let error = machine.considered(&document("msi: { file: trial.msi }")).unwrap_err();
    assert!(error.to_string().contains("this is no Windows Installer package"), "{error}");
    assert!(!is_installed());
}
