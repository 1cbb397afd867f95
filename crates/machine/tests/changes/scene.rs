//! A machine with something of every kind, and changes of every kind to make to it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use application::{Before, Change, Content, Kept, Meta};
use machine::change::{ChangeError, Ground, KeptStore, Supplied, Supply, Transaction};
use machine::registry::{MemoryRegistry, Registry};
use model::Digest;
use model::registry::{Data, Key};

/// Folders of one scene: the machine's root, what a transaction needs, the source.
pub struct Scene {
    pub base: PathBuf,
}

/// A folder as a source.
pub struct Shelf(pub PathBuf);

impl Supply for Shelf {
    fn open(&self, path: &str, _digest: &Digest) -> io::Result<Supplied> {
        File::open(self.0.join(path)).map(Supplied::File)
    }
}

const EARLIER: &str = "what an earlier application replaced";
pub const SOURCE_TEXT: &str = "from the source\n";

impl Scene {
    pub fn new(base: &Path) -> Self {
        Self { base: base.to_owned() }
    }

    pub fn root(&self) -> PathBuf {
        self.base.join("root")
    }

    pub fn work(&self) -> PathBuf {
        self.base.join("work")
    }

    pub fn shelf(&self) -> Shelf {
        Shelf(self.base.join("source"))
    }

    pub fn ground(&self) -> Ground {
        Ground {
            root: Some(self.root()),
            kept: KeptStore::open(&self.base.join("kept"), 1 << 30).unwrap(),
            patience: Duration::from_millis(200),
            after_death: machine::change::AfterDeath::Undo,
            owner: None,
        }
    }

    /// A place in the scene on the disk.
    pub fn real(&self, name: &str) -> PathBuf {
        let drive = if cfg!(windows) { "C" } else { "" };
        self.root().join(drive).join("app").join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.real(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + text.len() as u64);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }

    /// The machine as it is in the beginning. What an earlier application replaced is kept.
    pub fn set_up(&self) -> Kept {
        fs::create_dir_all(self.base.join("source")).unwrap();
        fs::write(self.base.join("source/a"), SOURCE_TEXT).unwrap();
        for (name, text) in [
            ("replaced", "old text"),
            ("twice", "a file with two names"),
            ("gone", "to be removed"),
            ("swap", "a file that becomes a folder"),
            ("stays", "left alone"),
            ("old/inner", "in a folder that goes"),
            ("earlier", EARLIER),
        ] {
            self.write(name, text);
        }
        fs::create_dir_all(self.real("old/empty")).unwrap();
        fs::hard_link(self.real("twice"), self.real("twice-b")).unwrap();
        #[cfg(unix)]
        self.set_up_unix();
        let change = Change::RemoveFile { path: path("earlier"), before: self.before("earlier") };
        let done = carry_out(self, &[change], &mut MemoryRegistry::default());
        done[0].1.clone()
    }

    /// What [`Self::set_up`] answered.
    pub fn earlier(&self) -> Kept {
        let digest = digest(EARLIER.as_bytes());
        let mut names = fs::read_dir(self.base.join("kept")).unwrap().map(|one| one.unwrap());
        let is_it = |name: &str| name.starts_with(&digest.to_string());
        let entry = names.find(|entry| is_it(&entry.file_name().to_string_lossy())).unwrap();
        let name = entry.file_name().into_string().unwrap();
        let rights = u64::from_str_radix(name.split_once('-').unwrap().1, 16).unwrap();
        let found = entry.metadata().unwrap();
        let since = found.modified().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let mtime_ns = i64::try_from(since.as_nanos()).unwrap();
        let mode = if cfg!(windows) { 0x20 } else { 0o644 };
        Kept { digest, size: found.len(), mode, mtime_ns, is_link: false, rights }
    }

    #[cfg(unix)]
    fn set_up_unix(&self) {
        use std::os::unix::fs::{PermissionsExt, symlink};
        symlink("nowhere/at all", self.real("link")).unwrap();
        symlink("stays", self.real("gone-link")).unwrap();
        fs::set_permissions(self.real("replaced"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::set_permissions(self.real("gone"), fs::Permissions::from_mode(0o4711)).unwrap();
        for name in ["replaced", "gone", "old"] {
            let file = File::open(self.real(name)).unwrap();
            let flags = rustix::fs::XattrFlags::empty();
            match rustix::fs::fsetxattr(&file, "user.note", name.as_bytes(), flags) {
                Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
                Err(errno) => panic!("{errno}"),
            }
        }
    }

    pub fn before(&self, name: &str) -> Before {
        let real = self.real(name);
        let Ok(found) = fs::symlink_metadata(&real) else { return Before::Absent };
        if found.is_symlink() {
            let target = fs::read_link(real).unwrap().to_string_lossy().into_owned();
            return Before::Link { target };
        }
        let since = found.modified().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let mtime_ns = i64::try_from(since.as_nanos()).unwrap();
        Before::File { size: found.len(), mtime_ns }
    }

    pub fn write_change(&self, name: &str, content: Content, meta: Meta) -> Change {
        Change::WriteFile { path: path(name), before: self.before(name), content, meta }
    }

    /// Changes of every kind, from the beginning.
    pub fn changes(&self, kept: Kept) -> Vec<Change> {
        let source = || Content::Source {
            path: "a".to_owned(),
            digest: digest(SOURCE_TEXT.as_bytes()),
            size: SOURCE_TEXT.len() as u64,
        };
        let stays = fs::read(self.real("stays")).unwrap();
        let machine = Content::Machine {
            path: path("stays"),
            digest: digest(&stays),
            size: stays.len() as u64,
        };
        let plain = || Meta { mode: None, mtime_ns: Some(1_650_000_000_000_000_000) };
        let dated = || Meta { mode: Some(mode()), mtime_ns: Some(1_600_000_000_123_456_700) };
        let folder = |name| Change::CreateFolder { path: path(name) };
        let remove = |name| Change::RemoveFile { path: path(name), before: self.before(name) };
        let within = |name, content| Change::WriteFile {
            path: path(name),
            before: Before::Absent,
            content,
            meta: plain(),
        };
        let mut changes = vec![
            self.write_change("new", bytes("new text"), dated()),
            self.write_change("replaced", source(), plain()),
            self.write_change("twice", bytes("one name only"), dated()),
            folder("made"),
            folder("made/deep"),
            within("made/deep/a", source()),
            within("made/b", bytes("")),
            remove("gone"),
            remove("old/inner"),
            Change::RemoveFolder { path: path("old/empty") },
            Change::RemoveFolder { path: path("old") },
            remove("swap"),
            folder("swap"),
            within("swap/inner", machine),
            self.write_change("earlier", Content::Kept(kept), plain()),
        ];
        if cfg!(unix) {
            changes.push(self.write_change("link", bytes("no link any more"), plain()));
            changes.push(remove("gone-link"));
        }
        changes.extend(registry_changes());
        changes
    }
}

pub fn prepared(
    scene: &Scene,
    changes: &[Change],
    registry: &mut dyn Registry,
) -> Result<Transaction, ChangeError> {
    let (ground, shelf) = (scene.ground(), scene.shelf());
    Transaction::prepare(&scene.work(), changes, b"note", &ground, registry, &shelf)
}

pub fn carry_out(
    scene: &Scene,
    changes: &[Change],
    registry: &mut dyn Registry,
) -> Vec<(usize, Kept)> {
    let mut transaction = prepared(scene, changes, registry).unwrap();
    transaction.apply(registry).unwrap();
    let done = transaction.commit(registry).unwrap();
    transaction.forget().unwrap();
    done.kept
}

pub fn bytes(text: &str) -> Content {
    Content::Bytes(text.as_bytes().into())
}

pub fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(*blake3::hash(bytes).as_bytes())
}

/// Of the machine in the scene, as a plan writes it.
pub fn path(name: &str) -> String {
    if cfg!(windows) {
        format!(r"C:\app\{}", name.replace('/', "\\"))
    } else {
        format!("/app/{name}")
    }
}

/// Read-only and hidden on Windows.
fn mode() -> u32 {
    if cfg!(windows) { 0x21 } else { 0o751 }
}

pub fn key(name: &str) -> Key {
    Key::parse(&format!(r"HKCU\Software\DeskhandChanges\{name}")).unwrap()
}

/// What the registry holds in the beginning.
pub fn set_up_registry(registry: &mut dyn Registry) {
    for name in ["Kept", r"Old\Below"] {
        registry.create(&key(name)).unwrap();
    }
    for (name, value) in [("one", 1), ("two", 2), ("", 3)] {
        registry.set(&key("Kept"), name, &Data::dword(value)).unwrap();
        registry.set(&key(r"Old\Below"), name, &Data::dword(value)).unwrap();
    }
}

fn registry_changes() -> Vec<Change> {
    let set = |name: &str, value: &str, before, data| Change::SetValue {
        key: key(name),
        name: value.to_owned(),
        before,
        data,
    };
    vec![
        Change::CreateKey { key: key("New") },
        Change::CreateKey { key: key(r"New\Deep") },
        set(r"New\Deep", "text", None, Data::text("new")),
        set("Kept", "one", Some(Data::dword(1)), Data::text("other")),
        set("Kept", "three", None, Data { kind: 11, bytes: vec![3; 8] }),
        Change::DeleteValue { key: key("Kept"), name: "two".to_owned(), before: Data::dword(2) },
        Change::DeleteKey { key: key(r"Old\Below") },
        Change::DeleteKey { key: key("Old") },
    ]
}

/// Everything that can be told of what is below a folder.
pub fn picture(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut told = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder_now) = waiting.pop() {
        for entry in fs::read_dir(&folder_now).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let content = if found.is_dir() {
                waiting.push(path.clone());
                "folder".to_owned()
            } else if found.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else {
                let bytes = fs::read(&path).unwrap();
                let bytes = String::from_utf8_lossy(&bytes);
                format!("{bytes:?} of {:?}", found.modified().unwrap())
            };
            let name = path.strip_prefix(folder).unwrap().to_owned();
            told.insert(name, format!("{content}{}", system_told(&path, &found)));
        }
    }
    told
}

#[cfg(unix)]
fn system_told(path: &Path, found: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    let mut room = [0u8; 4096];
    let length = rustix::fs::lgetxattr(path, "user.note", &mut room[..]).unwrap_or(0);
    let note = String::from_utf8_lossy(&room[..length]);
    let links = if found.is_dir() { 0 } else { found.nlink() };
    let (mode, owner, group) = (found.mode(), found.uid(), found.gid());
    format!(", mode {mode:o}, of {owner}:{group}, {links} links, note {note:?}")
}

#[cfg(windows)]
fn system_told(_path: &Path, found: &fs::Metadata) -> String {
    use std::os::windows::fs::MetadataExt;
    format!(", attributes {:#x}", found.file_attributes() & 0x27)
}

/// Everything below the scene's key.
pub fn registry_picture(registry: &dyn Registry) -> BTreeMap<String, Vec<(String, Data)>> {
    let mut told = BTreeMap::new();
    let mut waiting = vec![Key::parse(r"HKCU\Software\DeskhandChanges").unwrap()];
    while let Some(key) = waiting.pop() {
        let mut values = registry.values(&key).unwrap();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        told.insert(key.to_string(), values);
        let keys = registry.keys(&key).unwrap();
        waiting.extend(keys.iter().map(|name| key.child(name)));
    }
    told
}
