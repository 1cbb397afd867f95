//! The Windows registry in words: keys, values, and what a script asks of them.
//!
//! Only names and data; whoever reads or changes a registry is in `machine`, whoever reads a script
//! in `format`.

use std::fmt;

/// Characters of one part of a key's path, and of a value's name (Windows, "Registry element size
/// limits").
const PART_CHARS_MAX: usize = 255;
const NAME_CHARS_MAX: usize = 16_383;
/// Keys below one another.
const DEPTH_MAX: usize = 512;

/// Where the tree of keys begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    ClassesRoot,
    CurrentUser,
    LocalMachine,
    Users,
    CurrentConfig,
}

impl Root {
    pub const ALL: [Self; 5] = [
        Self::ClassesRoot,
        Self::CurrentUser,
        Self::LocalMachine,
        Self::Users,
        Self::CurrentConfig,
    ];

    /// As `.reg` files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClassesRoot => "HKEY_CLASSES_ROOT",
            Self::CurrentUser => "HKEY_CURRENT_USER",
            Self::LocalMachine => "HKEY_LOCAL_MACHINE",
            Self::Users => "HKEY_USERS",
            Self::CurrentConfig => "HKEY_CURRENT_CONFIG",
        }
    }

    pub fn short_name(self) -> &'static str {
        match self {
            Self::ClassesRoot => "HKCR",
            Self::CurrentUser => "HKCU",
            Self::LocalMachine => "HKLM",
            Self::Users => "HKU",
            Self::CurrentConfig => "HKCC",
        }
    }

    /// By its full or short name, in any case.
    pub fn by_name(name: &str) -> Option<Self> {
        let is = |root: &Self| {
            name.eq_ignore_ascii_case(root.name()) || name.eq_ignore_ascii_case(root.short_name())
        };
        Self::ALL.into_iter().find(is)
    }
}

/// A text that names no key or value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("`{0}` is no root of the registry")]
    Root(String),
    #[error("a part of the key's path is empty")]
    EmptyPart,
    #[error("a part of the key's path has more than {PART_CHARS_MAX} characters")]
    LongPart,
    #[error("more than {DEPTH_MAX} keys below one another")]
    Deep,
    #[error("a value's name has more than {NAME_CHARS_MAX} characters")]
    LongName,
    #[error("a name contains a zero character")]
    Zero,
}

/// A key: a root and the path below it, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    root: Root,
    path: String,
}

impl Key {
    /// `path` has its parts between backslashes.
    pub fn new(root: Root, path: &str) -> Result<Self, NameError> {
        let parts = path.split('\\').filter(|_| !path.is_empty());
        for (depth, part) in parts.enumerate() {
            match part.encode_utf16().count() {
                0 => return Err(NameError::EmptyPart),
                count if count > PART_CHARS_MAX => return Err(NameError::LongPart),
                _ if part.contains('\0') => return Err(NameError::Zero),
                _ if depth >= DEPTH_MAX => return Err(NameError::Deep),
                _ => {}
            }
        }
        Ok(Self { root, path: path.to_owned() })
    }

    /// `HKLM\Software\Maker`, with a full or short root in any case.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (name, path) = text.split_once('\\').unwrap_or((text, ""));
        let root = Root::by_name(name).ok_or_else(|| NameError::Root(name.to_owned()))?;
        if text.ends_with('\\') {
            return Err(NameError::EmptyPart);
        }
        Self::new(root, path)
    }

    pub fn root(&self) -> Root {
        self.root
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    /// The key that this one is in; none of a root.
    pub fn parent(&self) -> Option<Self> {
        let path = match self.path.rsplit_once('\\') {
            Some((path, _)) => path,
            None if self.path.is_empty() => return None,
            None => "",
        };
        Some(Self { root: self.root, path: path.to_owned() })
    }

    pub fn child(&self, name: &str) -> Self {
        let separator = if self.path.is_empty() { "" } else { "\\" };
        Self { root: self.root, path: format!("{}{separator}{name}", self.path) }
    }

    /// The same for two spellings of one key: Windows does not tell capitals from small letters.
    pub fn folded(&self) -> Self {
        Self { root: self.root, path: folded(&self.path) }
    }

    /// Whether `other` is this key or lies below it, however they are spelled.
    pub fn contains(&self, other: &Self) -> bool {
        let (mine, theirs) = (folded(&self.path), folded(&other.path));
        let below = || theirs.strip_prefix(&mine).is_some_and(|rest| rest.starts_with('\\'));
        self.root == other.root && (mine.is_empty() || mine == theirs || below())
    }
}

/// A name as Windows compares it.
pub fn folded(name: &str) -> String {
    name.to_uppercase()
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.name())?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "\\{}", self.path) }
    }
}

/// A value's name; the empty one is the key's default value.
pub fn check_value_name(name: &str) -> Result<(), NameError> {
    if name.contains('\0') {
        return Err(NameError::Zero);
    }
    if name.encode_utf16().count() > NAME_CHARS_MAX { Err(NameError::LongName) } else { Ok(()) }
}

/// What a value holds: its type's number and its bytes as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    pub kind: u32,
    pub bytes: Vec<u8>,
}

impl Data {
    pub const TEXT: u32 = 1;
    pub const EXPANDED_TEXT: u32 = 2;
    pub const BINARY: u32 = 3;
    pub const DWORD: u32 = 4;
    pub const TEXTS: u32 = 7;

    /// A `REG_SZ`: UTF-16, ended by a zero.
    pub fn text(text: &str) -> Self {
        let units = text.encode_utf16().chain([0]);
        Self { kind: Self::TEXT, bytes: units.flat_map(u16::to_le_bytes).collect() }
    }

    pub fn dword(number: u32) -> Self {
        Self { kind: Self::DWORD, bytes: number.to_le_bytes().into() }
    }

    /// The text of a `REG_SZ` that is whole: UTF-16 with one zero, at its end.
    pub fn as_text(&self) -> Option<String> {
        let (units, rest) = self.bytes.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        let (last, text) = units.split_last()?;
        let whole = self.kind == Self::TEXT && rest.is_empty() && *last == 0 && !text.contains(&0);
        whole.then(|| String::from_utf16(text).ok()).flatten()
    }

    /// Whether both say the same: programs store texts with a zero at the end and without.
    pub fn says(&self, other: &Self) -> bool {
        let bytes = |data: &Self| match data.kind {
            Self::TEXT | Self::EXPANDED_TEXT => {
                let mut bytes = data.bytes.clone();
                while bytes.len() >= 2 && bytes.ends_with(&[0, 0]) {
                    bytes.truncate(bytes.len() - 2);
                }
                bytes
            }
            _ => data.bytes.clone(),
        };
        self.kind == other.kind && bytes(self) == bytes(other)
    }
}

/// What one statement of a script asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// The key exists.
    TestKey {
        key: Key,
    },
    /// The value exists.
    TestValue {
        key: Key,
        name: String,
    },
    /// The value exists and holds this.
    CompareValue {
        key: Key,
        name: String,
        data: Data,
    },
    /// With the keys above it.
    CreateKey {
        key: Key,
    },
    /// With everything below it; fine when it is not there.
    DeleteKey {
        key: Key,
    },
    SetValue {
        key: Key,
        name: String,
        data: Data,
    },
    /// Fine when it is not there.
    DeleteValue {
        key: Key,
        name: String,
    },
}

impl Operation {
    pub fn key(&self) -> &Key {
        match self {
            Self::TestKey { key }
            | Self::TestValue { key, .. }
            | Self::CompareValue { key, .. }
            | Self::CreateKey { key }
            | Self::DeleteKey { key }
            | Self::SetValue { key, .. }
            | Self::DeleteValue { key, .. } => key,
        }
    }

    /// It asks and changes nothing.
    pub fn is_test(&self) -> bool {
        matches!(self, Self::TestKey { .. } | Self::TestValue { .. } | Self::CompareValue { .. })
    }
}

/// One statement and the line it stands in, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub line: usize,
    pub operation: Operation,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_every_spelling() {
        for (text, expect) in [
            (r"HKLM\Software", r"HKEY_LOCAL_MACHINE\Software"),
            (r"Hkey_Local_Machine\Software\Microsoft", r"HKEY_LOCAL_MACHINE\Software\Microsoft"),
            ("hku", "HKEY_USERS"),
            (r"HKCU\a b\[x]", r"HKEY_CURRENT_USER\a b\[x]"),
        ] {
            assert_eq!(Key::parse(text).unwrap().to_string(), expect);
        }
        for (text, expect) in [
            (r"HKXX\a", NameError::Root("HKXX".into())),
            (r"HKLM\", NameError::EmptyPart),
            (r"HKLM\a\\b", NameError::EmptyPart),
            ("HKLM\\a\0", NameError::Zero),
        ] {
            assert_eq!(Key::parse(text).unwrap_err(), expect, "{text}");
        }
        assert_eq!(Key::new(Root::Users, &"x".repeat(256)), Err(NameError::LongPart));
    }

    #[test]
    fn keys_contain_what_is_below_them() {
        let key = |text| Key::parse(text).unwrap();
        assert!(key(r"HKLM\A").contains(&key(r"hklm\a\b")));
        assert!(key("HKLM").contains(&key(r"HKLM\x")));
        assert!(!key(r"HKLM\a").contains(&key(r"HKLM\ab")));
        assert!(!key(r"HKLM\a").contains(&key(r"HKCU\a")));
        assert_eq!(key(r"HKLM\a\b").parent(), Some(key(r"HKLM\a")));
        assert_eq!(key(r"HKLM\a").parent(), Some(key("HKLM")));
        assert_eq!(key("HKLM").parent(), None);
    }

    #[test]
    fn texts_say_the_same_with_and_without_their_end() {
        let text = Data::text("a");
        assert!(text.says(&Data { kind: 1, bytes: vec![b'a', 0] }));
        assert!(!text.says(&Data { kind: 2, bytes: text.bytes.clone() }));
        assert_eq!(text.as_text().as_deref(), Some("a"));
    }
}
