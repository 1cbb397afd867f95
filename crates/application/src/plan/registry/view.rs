//! Where Windows keeps what programs of 32 bits see ("Registry Keys Affected by WOW64").

use model::registry::{Key, Root, folded};

use crate::View;

const NODE: &str = "WOW6432Node";

/// Below `HKLM\Software`: keys that both kinds of programs share.
const SHARED: [&str; 21] = [
    r"Classes",
    r"Clients",
    r"Policies",
    r"RegisteredApplications",
    r"Microsoft\COM3",
    r"Microsoft\EventSystem",
    r"Microsoft\EnterpriseCertificates",
    r"Microsoft\MSMQ",
    r"Microsoft\Ole",
    r"Microsoft\RAS",
    r"Microsoft\Rpc",
    r"Microsoft\SystemCertificates",
    r"Microsoft\TermServLicensing",
    r"Microsoft\Transaction Server",
    r"Microsoft\Windows\CurrentVersion\Group Policy",
    r"Microsoft\Windows\CurrentVersion\Policies",
    r"Microsoft\Windows\CurrentVersion\Setup",
    r"Microsoft\Windows NT\CurrentVersion\Fonts",
    r"Microsoft\Windows NT\CurrentVersion\NetworkCards",
    r"Microsoft\Windows NT\CurrentVersion\ProfileList",
    r"Microsoft\Windows NT\CurrentVersion\Time Zones",
];

/// Below a key of classes: what each kind of programs has for itself.
const OWN_CLASSES: [&str; 5] =
    ["CLSID", "DirectShow", "Interface", "Media Type", "MediaFoundation"];

/// The key, in the view of 64 bits, that a key of that view is.
pub fn seen_by(view: View, key: Key) -> Key {
    if view == View::Bits64 {
        return key;
    }
    let insert = |depth: usize| {
        let parts: Vec<&str> = key.path().split('\\').collect();
        let (above, below) = parts.split_at(depth);
        let path = [above, &[NODE], below].concat().join("\\");
        Key::new(key.root(), &path).unwrap_or_else(|_| key.clone())
    };
    match node_depth(&key) {
        Some(depth) => insert(depth),
        None => key,
    }
}

/// How many names stand before the one that is put in.
fn node_depth(key: &Key) -> Option<usize> {
    let path = folded(key.path());
    let parts: Vec<&str> = path.split('\\').collect();
    match (key.root(), parts.as_slice()) {
        (Root::ClassesRoot, below) => has_own_classes(below).then_some(0),
        (Root::LocalMachine | Root::CurrentUser, ["SOFTWARE", "CLASSES", below @ ..]) => {
            has_own_classes(below).then_some(2)
        }
        (Root::LocalMachine, ["SOFTWARE", below @ ..]) => {
            let is_shared = SHARED.iter().any(|shared| {
                let shared = folded(shared);
                let shared: Vec<&str> = shared.split('\\').collect();
                below.starts_with(&shared)
            });
            let is_there = below.first() == Some(&"WOW6432NODE");
            (!is_shared && !is_there).then_some(1)
        }
        _ => None,
    }
}

fn has_own_classes(below: &[&str]) -> bool {
    below.first().is_some_and(|first| OWN_CLASSES.iter().any(|own| folded(own) == *first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_32_bits_are_found_in_the_view_of_64() {
        for (key, expect) in [
            (r"HKLM\Software\Maker", r"HKEY_LOCAL_MACHINE\Software\WOW6432Node\Maker"),
            (r"HKLM\SOFTWARE", r"HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node"),
            (r"HKLM\Software\Wow6432Node\M", r"HKEY_LOCAL_MACHINE\Software\Wow6432Node\M"),
            (r"HKLM\Software\Classes\.txt", r"HKEY_LOCAL_MACHINE\Software\Classes\.txt"),
            (
                r"HKLM\Software\Classes\CLSID\{1}",
                r"HKEY_LOCAL_MACHINE\Software\Classes\WOW6432Node\CLSID\{1}",
            ),
            (r"HKLM\Software\Policies\X", r"HKEY_LOCAL_MACHINE\Software\Policies\X"),
            (r"HKLM\System\X", r"HKEY_LOCAL_MACHINE\System\X"),
            (r"HKCU\Software\Maker", r"HKEY_CURRENT_USER\Software\Maker"),
            (r"HKCR\clsid\{1}", r"HKEY_CLASSES_ROOT\WOW6432Node\clsid\{1}"),
            (r"HKCR\.txt", r"HKEY_CLASSES_ROOT\.txt"),
        ] {
            let key = Key::parse(key).unwrap();
            assert_eq!(seen_by(View::Bits64, key.clone()), key);
            assert_eq!(seen_by(View::Bits32, key).to_string(), expect);
        }
    }
}
