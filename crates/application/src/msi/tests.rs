//! A package made here is read; command lines and exit codes by cases.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const CODE: &str = "{01234567-89ab-cdef-0123-456789abcdef}";

fn package(properties: &[(&str, &str)]) -> Vec<u8> {
    let kind = msi::PackageType::Installer;
    let mut package = msi::Package::create(kind, Cursor::new(Vec::new())).unwrap();
    package.summary_info_mut().set_arch("x64");
    let columns = vec![
        msi::Column::build("Property").primary_key().id_string(72),
        msi::Column::build("Value").localizable().text_string(0),
    ];
    package.create_table("Property", columns).unwrap();
    let rows = properties.iter().map(|(name, value)| {
        vec![msi::Value::Str((*name).to_owned()), msi::Value::Str((*value).to_owned())]
    });
    package.insert_rows(msi::Insert::into("Property").rows(rows.collect())).unwrap();
    package.into_inner().unwrap().into_inner()
}

fn viewer() -> Vec<u8> {
    package(&[
        ("ProductCode", CODE),
        ("ProductVersion", "2.10.0"),
        ("ProductName", "Größe Viewer"),
        ("UpgradeCode", CODE),
    ])
}

#[test]
fn a_package_says_what_it_is() {
    let facts = read(Cursor::new(viewer())).unwrap();
    let expect = Facts {
        product_code: CODE.to_uppercase(),
        product_version: "2.10.0".to_owned(),
        product_name: "Größe Viewer".to_owned(),
        manufacturer: None,
        upgrade_code: Some(CODE.to_uppercase()),
        architecture: Some("x64".to_owned()),
    };
    assert_eq!(facts, expect);
    for (bytes, expect) in [
        (package(&[("ProductName", "x")]), "does not say its `ProductCode`"),
        (package(&[("ProductCode", "x")]), "does not say its `ProductCode`"),
        (package(&[("ProductCode", CODE)]), "does not say its `ProductVersion`"),
        (b"MZ".to_vec(), "no Windows Installer package"),
    ] {
        let error = read(Cursor::new(bytes)).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    }
}

#[test]
fn lines_are_as_msiexec_reads_them() {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let properties = [("NAME", "two \"words\""), ("EMPTY", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let plain = Install {
        file: r"C:\a b\viewer.msi",
        transforms: &[],
        properties: &[],
        arguments: None,
        log: None,
    };
    let line = r#"/i "C:\a b\viewer.msi" /qn /norestart ALLUSERS=1"#;
    assert_eq!(install_line(plain).unwrap(), line);
    let transforms = texts(&[r"C:\a.mst", r"C:\b c.mst"]);
    let all = Install {
        transforms: &transforms,
        properties: &properties,
        arguments: Some("/passive"),
        log: Some(r"C:\log file"),
        ..plain
    };
    let line = concat!(
        r#"/i "C:\a b\viewer.msi" /passive /l*v "C:\log file" "#,
        r#"TRANSFORMS="C:\a.mst;C:\b c.mst" NAME="two ""words""" EMPTY="" ALLUSERS=1"#
    );
    assert_eq!(install_line(all).unwrap(), line);
    let per_user = [("ALLUSERS".to_owned(), "2".to_owned())];
    let line = install_line(Install { properties: &per_user, ..plain }).unwrap();
    assert!(line.ends_with(r#"/norestart ALLUSERS="2""#));
    let line = uninstall_line(CODE, None, Some(r"C:\log")).unwrap();
    assert_eq!(line, format!(r#"/x {CODE} /qn /norestart /l*v "C:\log""#));
    for name in ["", "name", "A B", "1A", "A=B"] {
        let wrong = [(name.to_owned(), String::new())];
        let error = install_line(Install { properties: &wrong, ..plain }).unwrap_err();
        assert_eq!(error, CommandError::Property(name.to_owned()));
    }
    assert!(install_line(Install { file: "a\" /x", ..plain }).is_err());
    assert!(install_line(Install { arguments: Some("/qn\n"), ..plain }).is_err());
    assert!(uninstall_line("{x} /i evil", None, None).is_err());
}

#[test]
fn exit_codes_have_meanings() {
    for (code, expect) in [
        (0, Ended::Done),
        (3010, Ended::NeedsRestart),
        (1641, Ended::IsRestarting),
        (1605, Ended::NotInstalled),
        (1618, Ended::Busy),
        (1602, Ended::Failed("a user cancelled it")),
        (1603, Ended::Failed("it failed and was rolled back; its log says where")),
        (1638, Ended::Failed("another version of the product is installed")),
        (-1, Ended::Failed("the installer failed")),
    ] {
        assert_eq!(ended(code), expect);
    }
}

#[test]
fn windows_keeps_products_under_two_keys() {
    let [wide, narrow] = installed_keys(CODE).unwrap();
    let below = format!(r"Microsoft\Windows\CurrentVersion\Uninstall\{CODE}");
    assert_eq!(wide.to_string(), format!(r"HKEY_LOCAL_MACHINE\SOFTWARE\{below}"));
    assert_eq!(narrow.to_string(), format!(r"HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node\{below}"));
    assert!(is_code(CODE) && !is_code("{}") && !is_code(&CODE[1..]));
}

proptest! {
    #[test]
    fn damage_does_no_harm(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = viewer();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(length.index(bytes.len() + 1));
        let _ = read(Cursor::new(bytes));
    }
}
