//! Command lines and answers; the order of versions is judged by `dpkg` and `rpm` in
//! `tests/judges.rs`.

use proptest::prelude::*;

use super::*;

fn wanted(name: &str, version: Option<&str>, file: Option<&str>) -> Wanted {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let (version, file) = (owned(version), owned(file));
    Wanted { name: name.to_owned(), is_here: false, version, file }
}

#[test]
fn the_tool_is_what_the_machine_has() {
    for (system, has, expect) in [
        (PackageSystem::Any, &["dpkg", "apt-get", "rpm"][..], Some(Tool::Apt)),
        (PackageSystem::Any, &["dpkg", "rpm", "dnf", "yum"], Some(Tool::Dnf)),
        (PackageSystem::Rpm, &["apt-get", "rpm"], Some(Tool::Rpm)),
        (PackageSystem::Deb, &["dnf", "rpm"], None),
        (PackageSystem::Deb, &["dpkg"], Some(Tool::Dpkg)),
        (PackageSystem::Any, &[], None),
    ] {
        assert_eq!(Tool::choose(system, |program| has.contains(&program)), expect, "{has:?}");
    }
}

#[test]
fn commands_are_those_of_the_tool() {
    for (tool, file, expect) in [
        (
            Tool::Apt,
            "/d/lib.deb",
            "install --yes -q -oDPkg::Lock::Timeout=600 -oDpkg::Options::=--force-confdef \
             -oDpkg::Options::=--force-confold viewer /d/lib.deb",
        ),
        (Tool::Dnf, "/d/lib.rpm", "install -y -q viewer /d/lib.rpm"),
        (
            Tool::Zypper,
            "/d/lib.rpm",
            "--non-interactive --quiet install --allow-unsigned-rpm -- viewer /d/lib.rpm",
        ),
    ] {
        let packages = [wanted("viewer", None, None), wanted("lib+1.0", None, Some(file))];
        let command = tool.install(&packages).unwrap();
        assert_eq!(
            (command.program, command.arguments.join(" ").as_str()),
            (tool.program(), expect)
        );
    }
    let packages = [wanted("viewer", None, None), wanted("lib+1.0", None, Some("/d/lib.rpm"))];
    let here = Wanted { is_here: true, ..packages[0].clone() };
    let command = Tool::Dnf.install(&[here]).unwrap();
    assert_eq!(command.arguments.join(" "), "upgrade -y -q viewer");
    let command = Tool::Rpm.install(&packages[1..]).unwrap();
    assert_eq!(command.arguments.join(" "), "--upgrade --replacepkgs -- /d/lib.rpm");
    let command = Tool::Apt.remove(&["viewer", "libc6:i386"]).unwrap();
    let expect = "remove --yes -q -oDPkg::Lock::Timeout=600 viewer libc6:i386";
    assert_eq!(command.arguments.join(" "), expect);
    assert!(command.environment.contains(&("DEBIAN_FRONTEND", "noninteractive")));
}

#[test]
fn what_is_no_package_is_no_command() {
    for name in ["", "-y", "a b", "a;b", "../a", "a:", "ä", "a=1"] {
        let error = CommandError::Name(name.to_owned());
        assert_eq!(Tool::Apt.remove(&[name]), Err(error.clone()));
        assert_eq!(Tool::Dnf.install(&[wanted(name, None, None)]), Err(error.clone()));
        assert_eq!(Format::Deb.query(&[name]), Err(error));
    }
    let relative = Tool::Apt.install(&[wanted("a", None, Some("a.deb"))]);
    assert_eq!(relative, Err(CommandError::File("a.deb".to_owned())));
    let error = Tool::Dpkg.install(&[wanted("a", None, None)]).unwrap_err();
    assert!(error.to_string().contains("has no file"));
}

#[test]
fn answers_say_what_is_missing() {
    let deb = "viewer\t1:2.0-1\tinstalled\nold\t1.0\tconfig-files\nno packages found\n\tx\n";
    let installed = Format::Deb.parse(deb);
    assert_eq!(installed, [("viewer".to_owned(), "1:2.0-1".to_owned())]);
    let packages = [
        wanted("viewer", None, None),
        wanted("viewer:i386", Some("1:2.0"), None),
        wanted("viewer", Some("1:2.1"), None),
        wanted("old", None, None),
    ];
    let missing = Format::Deb.missing(&packages, &installed);
    assert_eq!(missing, [&packages[2], &packages[3]]);
    let rpm = "kernel\t5.1-1\tinstalled\nkernel\t5.3-1\tinstalled\npackage x is not installed\n";
    let installed = Format::Rpm.parse(rpm);
    assert_eq!(installed.len(), 2);
    assert!(Format::Rpm.missing(&[wanted("kernel", Some("5.2"), None)], &installed).is_empty());
}

proptest! {
    #[test]
    fn the_order_is_one(
        versions in proptest::collection::vec("([0-1]:)?[0-2a.~+^é-]{0,7}", 3),
        format in prop::sample::select(vec![Format::Deb, Format::Rpm]),
    ) {
        let order = |a: usize, b: usize| format.compare(&versions[a], &versions[b]);
        prop_assert_eq!(order(0, 0), Ordering::Equal);
        prop_assert_eq!(order(0, 1), order(1, 0).reverse());
        // A release that is missing equals every other, so only Debian's order goes on.
        if format == Format::Deb && order(0, 1).is_le() && order(1, 2).is_le() {
            prop_assert!(order(0, 2).is_le());
        }
    }
}
