//! The registry of users who are not logged on: files that are loaded for as long as they are
//! needed.

use std::fs;

use machine::account::Account;
use machine::registry::{Registry, SystemRegistry};
use model::registry::{Data, Key};

/// As Wine writes files of the registry, which are texts.
fn hive(value: &str) -> String {
    format!(
        "WINE REGISTRY Version 2\n;; All keys relative to \\\\User\\\\x\n\n#arch=win64\n\n\
         [Software\\\\Trial] 1\n\"word\"=\"{value}\"\n"
    )
}

#[test]
fn a_users_own_keys_and_classes_are_read_from_their_files() {
    let home = tempfile::tempdir().unwrap();
    let classes = home.path().join(r"AppData\Local\Microsoft\Windows");
    fs::create_dir_all(&classes).unwrap();
    fs::write(home.path().join("NTUSER.DAT"), hive("own")).unwrap();
    fs::write(classes.join("UsrClass.dat"), hive("classes")).unwrap();
    let account = Account {
        name: "nobody".to_owned(),
        home: home.path().to_str().unwrap().to_owned(),
        sid: "S-1-5-21-7-7-7-7007".to_owned(),
    };
    let key = |path: &str| Key::parse(path).unwrap();
    let word = |registry: &SystemRegistry, path: &str| {
        registry.value(&key(path), "word").unwrap().and_then(|data| data.as_text())
    };
    let mut registry = SystemRegistry::open_of(&account).unwrap();
    assert_eq!(word(&registry, r"HKCU\Software\Trial").as_deref(), Some("own"));
    let in_classes = r"HKCU\SOFTWARE\classes\Software\Trial";
    assert_eq!(word(&registry, in_classes).as_deref(), Some("classes"));
    assert!(registry.exists(&key(r"HKCU\Software\Classes")).unwrap());
    registry.create(&key(r"HKCU\Software\Classes\.trial")).unwrap();
    registry.set(&key(r"HKCU\Software\Classes\.trial"), "", &Data::text("Trial")).unwrap();
    let loaded = |name: &str| {
        let system = SystemRegistry::open(None).unwrap();
        system.exists(&key(&format!(r"HKU\Deskhand-{}{name}", account.sid))).unwrap()
    };
    assert!(loaded(r"_Classes\.trial") && !loaded(r"\Software\Classes"));
    drop(registry);
    assert!(!loaded("") && !loaded("_Classes"), "they are loaded no longer");
}
