//! Packages by the programs of Debian, Fedora and SUSE, from sources of their own and from files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::machine_of_test::Machine;
use super::mounts::with_own_machine;

const NAME: &str = "deskhand-trial";
/// Where the package of a version is put, and found.
const SOURCE: &str = "/srv/trial";
/// What the package brings.
const FILE: &str = "/opt/deskhand-trial/version";

fn run(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether all these are here, under Debian's names; else it is told.
fn has(programs: &[(&str, &str)]) -> bool {
    let missing =
        programs.iter().find(|(program, _)| !Path::new("/usr/bin").join(program).exists());
    if let Some((_, package)) = missing {
        println!("skipped: it needs the package {package}");
    }
    missing.is_none()
}

/// Of which nobody makes use but the test.
fn without(programs: &[&str]) {
    for program in programs {
        let _ = fs::remove_file(Path::new("/usr/bin").join(program));
    }
}

fn rpm(version: &str) -> PathBuf {
    fs::create_dir_all(SOURCE).unwrap();
    // As on systems that are made of such packages.
    fs::create_dir_all("/etc/rpm").unwrap();
    fs::write("/etc/rpm/macros", "%_dbpath /var/lib/rpm\n").unwrap();
    let spec = format!(
        "Name: {NAME}\nVersion: {version}\nRelease: 1\nSummary: For trying out\nLicense: MIT\n\
         BuildArch: noarch\n%description\nFor trying out.\n%install\n\
         mkdir -p %{{buildroot}}/opt/{NAME}\necho {version} > %{{buildroot}}{FILE}\n\
         %files\n/opt/{NAME}\n"
    );
    fs::write("/srv/trial.spec", spec).unwrap();
    let top = "_topdir /srv/build";
    run("rpmbuild", &["-bb", "--define", top, "--define", "_rpmdir /srv", "/srv/trial.spec"]);
    PathBuf::from(format!("/srv/noarch/{NAME}-{version}-1.noarch.rpm"))
}

fn deb(version: &str) -> PathBuf {
    let tree = Path::new("/srv/tree");
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    fs::create_dir_all(tree.join("opt").join(NAME)).unwrap();
    fs::write(tree.join(FILE.trim_start_matches('/')), format!("{version}\n")).unwrap();
    let control = format!(
        "Package: {NAME}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <n@invalid>\n\
         Description: For trying out\n"
    );
    fs::write(tree.join("DEBIAN/control"), control).unwrap();
    let file = PathBuf::from(format!("/srv/{NAME}_{version}_all.deb"));
    run("dpkg-deb", &["--build", "/srv/tree", file.to_str().unwrap()]);
    file
}

/// What a source has from now on.
fn publish(file: &Path) {
    fs::create_dir_all(SOURCE).unwrap();
    fs::copy(file, Path::new(SOURCE).join(file.file_name().unwrap())).unwrap();
}

fn publish_rpm(version: &str) {
    publish(&rpm(version));
    run("createrepo_c", &["-q", SOURCE]);
    let text = format!("[trial]\nname=Trial\nbaseurl=file://{SOURCE}\ngpgcheck=0\nenabled=1\n");
    for folder in ["/etc/yum.repos.d", "/etc/zypp/repos.d"] {
        fs::create_dir_all(folder).unwrap();
        fs::write(Path::new(folder).join("trial.repo"), &text).unwrap();
    }
}

fn publish_deb(version: &str) {
    let file = deb(version);
    publish(&file);
    let bytes = fs::read(&file).unwrap();
    let (path, size) = (file.to_str().unwrap(), bytes.len());
    let sum = run("sha256sum", &[path]);
    let control = run("dpkg-deb", &["--field", path]);
    let name = file.file_name().unwrap().to_str().unwrap();
    let sum = sum.split(' ').next().unwrap();
    let entry = format!("{control}Filename: ./{name}\nSize: {size}\nSHA256: {sum}\n\n");
    let index = Path::new(SOURCE).join("Packages");
    let earlier = fs::read_to_string(&index).unwrap_or_default();
    fs::write(index, earlier + &entry).unwrap();
    let _ = fs::remove_dir_all("/etc/apt/sources.list.d");
    fs::write("/etc/apt/sources.list", format!("deb [trusted=yes] file:{SOURCE} ./\n")).unwrap();
}

fn document(version: u16, system: &str, package: &str) -> String {
    format!(
        "application: Packages\nid: 01890a5d-ac96-774b-bcce-b302099a8064\nversion: {version}\n\
         packages: {{ system: {system}, install: [ {package} ] }}\n"
    )
}

fn installed() -> Option<String> {
    fs::read_to_string(FILE).ok().map(|text| text.trim_end().to_owned())
}

/// From a source whose list of packages the machine remembers.
fn comes_rises_and_goes(system: &str, publish: impl Fn(&str)) {
    fs::create_dir_all("/srv/source").unwrap();
    let mut machine = Machine::new(Path::new("/srv/source"));
    publish("1.0");
    machine.distribute(&document(1, system, &format!("{{ name: {NAME} }}"))).unwrap();
    assert_eq!(installed().as_deref(), Some("1.0"));
    assert!(machine.verify().changes_nothing());

    publish("2.0");
    let later = document(2, system, &format!("{{ name: {NAME}, version: '2.0' }}"));
    machine.distribute(&later).unwrap();
    assert_eq!(installed().as_deref(), Some("2.0"));
    assert!(machine.verify().changes_nothing());

    let never = document(3, system, &format!("{{ name: {NAME}, version: '9' }}"));
    let failed = machine.distribute(&never).unwrap_err();
    assert_eq!(failed.source.code(), "DH-U010");
    assert!(failed.sentence().contains("9 or later is wanted"), "{}", failed.sentence());
    assert_eq!(installed().as_deref(), Some("2.0"));
    machine.uninstall();
    assert_eq!(installed(), None);

    let unknown = document(1, system, "{ name: deskhand-nowhere }");
    let failed = machine.distribute(&unknown).unwrap_err();
    assert_eq!(failed.source.code(), "DH-U010", "{}", failed.sentence());
    assert_eq!(failed.remains, Vec::<String>::new());
}

/// From files that the application brings.
fn comes_from_files(system: &str, build: impl Fn(&str) -> PathBuf) {
    let source = Path::new("/srv/source");
    fs::create_dir_all(source).unwrap();
    let file = format!("trial.{system}");
    let mut machine = Machine::new(source);
    for (number, version) in [(1, "1.0"), (2, "2.0")] {
        fs::copy(build(version), source.join(&file)).unwrap();
        let package = format!("{{ name: {NAME}, file: {file}, version: '{version}' }}");
        machine.distribute(&document(number, system, &package)).unwrap();
        assert_eq!(installed().as_deref(), Some(version));
        assert!(machine.verify().changes_nothing());
    }
    fs::write(source.join(&file), "no package").unwrap();
    let broken = document(3, system, &format!("{{ name: {NAME}, file: {file}, version: '3' }}"));
    let failed = machine.distribute(&broken).unwrap_err();
    assert_eq!(failed.source.code(), "DH-U010", "{}", failed.sentence());
    assert_eq!(installed().as_deref(), Some("2.0"));
    machine.uninstall();
    assert_eq!(installed(), None);
}

const RPM: (&str, &str) = ("rpmbuild", "rpm");
const CREATE: (&str, &str) = ("createrepo_c", "createrepo-c");
const APT: (&str, &str) = ("apt-get", "apt");

#[test]
fn rpm_installs_files() {
    with_own_machine("packages::rpm_installs_files", || {
        if has(&[RPM]) {
            without(&["dnf", "yum", "zypper"]);
            comes_from_files("rpm", rpm);
        }
    });
}

#[test]
fn dnf_installs_from_sources_and_files() {
    with_own_machine("packages::dnf_installs_from_sources_and_files", || {
        if has(&[RPM, CREATE, ("dnf", "dnf")]) {
            comes_rises_and_goes("rpm", publish_rpm);
            comes_from_files("rpm", rpm);
        }
    });
}

#[test]
fn zypper_installs_from_sources_and_files() {
    with_own_machine("packages::zypper_installs_from_sources_and_files", || {
        if has(&[RPM, CREATE, ("zypper", "zypper")]) {
            without(&["dnf", "yum"]);
            comes_rises_and_goes("rpm", publish_rpm);
            comes_from_files("rpm", rpm);
        }
    });
}

#[test]
fn apt_installs_from_sources_and_files() {
    with_own_machine("packages::apt_installs_from_sources_and_files", || {
        if has(&[APT]) {
            comes_rises_and_goes("deb", publish_deb);
            comes_from_files("deb", deb);
        }
    });
}

#[test]
fn dpkg_installs_files() {
    with_own_machine("packages::dpkg_installs_files", || {
        if has(&[APT]) {
            without(&["apt-get"]);
            comes_from_files("deb", deb);
        }
    });
}
