//! Disks of a test's own: it runs once more in a program of its own whose mounts nobody else sees.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

const WITHIN: &str = "DESKHAND_OWN_MOUNTS";

/// Carries `body` out where mounting harms nobody. `test` is the test's full name.
pub fn with_own_mounts(test: &str, body: impl FnOnce()) {
    within(test, "exec \"$@\"", body);
}

/// Carries `body` out on a machine that is as this one, and of which nothing stays.
pub fn with_own_machine(test: &str, body: impl FnOnce()) {
    within(test, MACHINE, body);
}

/// This machine below, what is written in memory above. The program need not be on the same disk.
const MACHINE: &str = r#"
    mount -t tmpfs -o mode=755 tmpfs /mnt
    mkdir /mnt/machine /mnt/written /mnt/work
    layers=lowerdir=/,upperdir=/mnt/written,workdir=/mnt/work
    mount -t overlay -o "$layers" overlay /mnt/machine
    touch /mnt/machine/test-program
    mount --bind "$1" /mnt/machine/test-program
    shift
    for folder in proc dev sys; do mount --rbind "/$folder" "/mnt/machine/$folder"; done
    cd /
    exec chroot /mnt/machine /test-program "$@"
"#;

/// The test runs once more, by a script that gets the program and its words.
fn within(test: &str, script: &str, body: impl FnOnce()) {
    if std::env::var_os(WITHIN).is_some() {
        return body();
    }
    let unshare = |script: &str, words: &[&OsStr]| {
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--", "sh", "-ec", script, "sh"])
            .args(words)
            .env(WITHIN, "1")
            .env_remove("TMPDIR")
            .output()
    };
    let probe = unshare("mount -t tmpfs tmpfs /mnt", &[]);
    if !probe.as_ref().is_ok_and(|probe| probe.status.success()) {
        println!("skipped: nothing can be mounted here (root in a container may not): {probe:?}");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let words = [program.as_ref(), "--exact".as_ref(), test.as_ref(), "--nocapture".as_ref()];
    let output = unshare(script, &words).unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("1 passed"), "no test has the name {test}: {told}");
}

fn mount(words: &[&str], place: &Path) {
    let output = Command::new("mount").args(words).arg(place).output().unwrap();
    assert!(output.status.success(), "mount {words:?}: {output:?}");
}

/// A disk in memory.
pub fn small_disk(place: &Path, bytes: u64) -> PathBuf {
    std::fs::create_dir_all(place).unwrap();
    mount(&["-t", "tmpfs", "-o", &format!("size={bytes},mode=755"), "tmpfs"], place);
    place.to_owned()
}

/// The folder can be read only from now on.
pub fn protect(folder: &Path) {
    mount(&["--bind", folder.to_str().unwrap()], folder);
    mount(&["-o", "remount,bind,ro"], folder);
}

/// After [`protect`].
pub fn unprotect(folder: &Path) {
    let output = Command::new("umount").arg(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

pub fn resize(disk: &Path, bytes: u64) {
    mount(&["-o", &format!("remount,size={bytes}")], disk);
}

/// Nothing more fits onto the disk.
pub fn fill(disk: &Path) -> PathBuf {
    let filler = disk.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    let bytes = [1; 4096];
    while std::io::Write::write_all(&mut file, &bytes).is_ok() {}
    filler
}
