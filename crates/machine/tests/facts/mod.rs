//! What a machine tells of itself.

use machine::{boot_id, disk_free, facts};

#[test]
fn a_machine_knows_itself() {
    let facts = facts();
    assert_eq!(facts["os"], std::env::consts::OS);
    assert!(!facts["host_name"].is_empty());
    assert!(!facts["os_version"].is_empty());
    if let Some(ip) = facts.get("ip") {
        assert!(ip.parse::<std::net::IpAddr>().is_ok(), "{ip}");
    }
    if let Some(mac) = facts.get("mac") {
        assert_eq!(mac.split(':').count(), 6, "{mac}");
    }
}

#[test]
fn the_boot_is_the_same_while_it_lasts() {
    let boot = boot_id().unwrap();
    assert!(!boot.is_empty());
    assert_eq!(boot_id().unwrap(), boot);
}

#[test]
fn free_space_is_told_for_what_does_not_exist_yet() {
    let folder = tempfile::tempdir().unwrap();
    assert!(disk_free(&folder.path().join("not/there/yet")).unwrap() > 0);
}
