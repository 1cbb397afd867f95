//! Records as bytes: a version, then the fields in their order.

use model::ApplicationId;
use model::codec::{CodecError, Reader, Writer};
use model::registry::{Data, Key, Root};

use super::Installed;
use crate::plan::{Group, Kept, Owned, Part, Prior, TextDone, Thing};

const VERSION: u8 = 1;
const GROUPS: [Group; 5] =
    [Group::Shortcuts, Group::Registry, Group::Files, Group::Ini, Group::Text];

impl Installed {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION).raw(self.application.as_bytes()).text(&self.name);
        out.u32(self.version.into()).time(self.at);
        match &self.part {
            Part::Machine => _ = out.u8(0),
            Part::User(name) => _ = out.u8(1).text(name),
        }
        out.list(&self.answers, |out, (name, value)| _ = out.text(name).text(value));
        out.list(&self.owns, put_owned);
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = Reader::new(bytes);
        if from.u8()? != VERSION {
            return Err(CodecError("a record of another version of this program"));
        }
        let record = Self {
            application: ApplicationId::from_bytes(from.array()?),
            name: from.text()?,
            version: number(&mut from)?,
            at: from.time()?,
            part: match from.u8()? {
                0 => Part::Machine,
                1 => Part::User(from.text()?),
                _ => return Err(CodecError("no part of an application")),
            },
            answers: from.list(|from| Ok::<_, CodecError>((from.text()?, from.text()?)))?,
            owns: from.list(take_owned)?,
        };
        from.end()?;
        Ok(record)
    }
}

fn number(from: &mut Reader<'_>) -> Result<u16, CodecError> {
    u16::try_from(from.u32()?).map_err(|_| CodecError("a version beyond 65535"))
}

fn put_owned(out: &mut Writer, owned: &Owned) {
    let group = GROUPS.iter().position(|group| *group == owned.group).unwrap_or(0);
    out.u8(u8::try_from(group).unwrap_or(0));
    match &owned.thing {
        Thing::File { path, prior, ours, shared } => {
            put_prior(out.u8(1).text(path), prior);
            out.digest(ours).switch(*shared);
        }
        Thing::Removed { path, prior } => put_prior(out.u8(2).text(path), prior),
        Thing::Folder { path } => _ = out.u8(3).text(path),
        Thing::RemovedFolder { path } => _ = out.u8(4).text(path),
        Thing::Key { key } => put_key(out.u8(5), key),
        Thing::RemovedKey { key } => put_key(out.u8(6), key),
        Thing::Value { key, name, prior, ours } => {
            put_key(out.u8(7), key);
            out.text(name).option(prior.as_ref(), put_data).option(ours.as_ref(), put_data);
        }
        Thing::Ini { path, section, name, prior, ours, above } => {
            let tag = if above.is_some() { 12 } else { 8 };
            out.u8(tag).text(path).text(section).text(name);
            put_texts(out, prior);
            put_texts(out, ours);
            above.iter().for_each(|above| put_texts(out, above));
        }
        Thing::IniSection { path, section } => _ = out.u8(9).text(path).text(section),
        Thing::Text { path, prior, ours, done } => {
            put_prior(out.u8(10).text(path), prior);
            out.digest(ours).list(done, |out, done| put_texts(out.text(&done.edit), &done.added));
        }
        Thing::IniFile { path, prior, ours } => {
            put_prior(out.u8(11).text(path), prior);
            out.digest(ours);
        }
    }
}

fn take_owned(from: &mut Reader<'_>) -> Result<Owned, CodecError> {
    let group = GROUPS.get(usize::from(from.u8()?)).copied();
    let thing = match from.u8()? {
        1 => Thing::File {
            path: from.text()?,
            prior: take_prior(from)?,
            ours: from.digest()?,
            shared: from.switch()?,
        },
        2 => Thing::Removed { path: from.text()?, prior: take_prior(from)? },
        3 => Thing::Folder { path: from.text()? },
        4 => Thing::RemovedFolder { path: from.text()? },
        5 => Thing::Key { key: take_key(from)? },
        6 => Thing::RemovedKey { key: take_key(from)? },
        7 => Thing::Value {
            key: take_key(from)?,
            name: from.text()?,
            prior: from.option(take_data)?,
            ours: from.option(take_data)?,
        },
        tag @ (8 | 12) => Thing::Ini {
            path: from.text()?,
            section: from.text()?,
            name: from.text()?,
            prior: from.list(Reader::text)?,
            ours: from.list(Reader::text)?,
            above: (tag == 12).then(|| from.list(Reader::text)).transpose()?,
        },
        9 => Thing::IniSection { path: from.text()?, section: from.text()? },
        10 => Thing::Text {
            path: from.text()?,
            prior: take_prior(from)?,
            ours: from.digest()?,
            done: from.list(take_done)?,
        },
        11 => Thing::IniFile { path: from.text()?, prior: take_prior(from)?, ours: from.digest()? },
        _ => return Err(CodecError("no thing that an application owns")),
    };
    Ok(Owned { group: group.ok_or(CodecError("no group of items"))?, thing })
}

fn put_prior(out: &mut Writer, prior: &Prior) {
    match prior {
        Prior::Absent => _ = out.u8(0),
        Prior::Same => _ = out.u8(1),
        Prior::Kept(kept) => {
            out.u8(3).digest(&kept.digest).u64(kept.size).u32(kept.mode);
            out.raw(&kept.mtime_ns.to_le_bytes()).switch(kept.is_link).u64(kept.rights);
        }
        // Never in a record; refused by whoever reads it.
        Prior::Change(_) => _ = out.u8(u8::MAX),
    }
}

fn take_prior(from: &mut Reader<'_>) -> Result<Prior, CodecError> {
    match from.u8()? {
        0 => Ok(Prior::Absent),
        1 => Ok(Prior::Same),
        // Only the latter says its rights.
        tag @ (2 | 3) => Ok(Prior::Kept(Kept {
            digest: from.digest()?,
            size: from.u64()?,
            mode: from.u32()?,
            mtime_ns: from.array().map(i64::from_le_bytes)?,
            is_link: from.switch()?,
            rights: if tag == 3 { from.u64()? } else { 0 },
        })),
        _ => Err(CodecError("nothing that can have been before")),
    }
}

fn put_key(out: &mut Writer, key: &Key) {
    let root = Root::ALL.iter().position(|root| *root == key.root()).unwrap_or(0);
    out.u8(u8::try_from(root).unwrap_or(0)).text(key.path());
}

fn take_key(from: &mut Reader<'_>) -> Result<Key, CodecError> {
    let root = Root::ALL.get(usize::from(from.u8()?)).ok_or(CodecError("no root of a registry"))?;
    Key::new(*root, &from.text()?).map_err(|_| CodecError("no key of a registry"))
}

fn put_data(out: &mut Writer, data: &Data) {
    out.u32(data.kind).bytes(&data.bytes);
}

fn take_data(from: &mut Reader<'_>) -> Result<Data, CodecError> {
    Ok(Data { kind: from.u32()?, bytes: from.bytes()?.to_vec() })
}

fn put_texts(out: &mut Writer, texts: &[String]) {
    out.list(texts, |out, text| _ = out.text(text));
}

fn take_done(from: &mut Reader<'_>) -> Result<TextDone, CodecError> {
    Ok(TextDone { edit: from.text()?, added: from.list(Reader::text)? })
}

#[cfg(test)]
mod tests {
    use model::{Digest, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn digest() -> impl Strategy<Value = Digest> {
        any::<[u8; 32]>().prop_map(Digest::from_bytes)
    }

    fn prior() -> impl Strategy<Value = Prior> {
        let kept = (digest(), any::<(u64, u32, i64, bool, u64)>());
        prop_oneof![
            Just(Prior::Absent),
            Just(Prior::Same),
            kept.prop_map(|(digest, (size, mode, mtime_ns, is_link, rights))| {
                Prior::Kept(Kept { digest, size, mode, mtime_ns, is_link, rights })
            }),
        ]
    }

    fn key() -> impl Strategy<Value = Key> {
        (0..5usize, r"[a-zA-Z ]{1,9}(\\[a-z]{1,9}){0,3}")
            .prop_map(|(root, path)| Key::new(Root::ALL[root], &path).unwrap())
    }

    fn data() -> impl Strategy<Value = Option<Data>> {
        prop::option::of(
            (any::<u32>(), any::<Vec<u8>>()).prop_map(|(kind, bytes)| Data { kind, bytes }),
        )
    }

    fn done() -> impl Strategy<Value = TextDone> {
        any::<(String, Vec<String>)>().prop_map(|(edit, added)| TextDone { edit, added })
    }

    fn thing() -> impl Strategy<Value = Thing> {
        let file = (any::<String>(), prior(), digest(), any::<bool>());
        let value = (key(), any::<String>(), data(), data());
        let ini = any::<(String, String, String, Vec<String>, Vec<String>, Option<Vec<String>>)>();
        let text = (any::<String>(), prior(), digest(), prop::collection::vec(done(), 0..3));
        prop_oneof![
            file.prop_map(|(path, prior, ours, shared)| Thing::File { path, prior, ours, shared }),
            (any::<String>(), prior()).prop_map(|(path, prior)| Thing::Removed { path, prior }),
            any::<String>().prop_map(|path| Thing::Folder { path }),
            any::<String>().prop_map(|path| Thing::RemovedFolder { path }),
            key().prop_map(|key| Thing::Key { key }),
            key().prop_map(|key| Thing::RemovedKey { key }),
            value.prop_map(|(key, name, prior, ours)| Thing::Value { key, name, prior, ours }),
            ini.prop_map(|(path, section, name, prior, ours, above)| {
                Thing::Ini { path, section, name, prior, ours, above }
            }),
            any::<(String, String)>()
                .prop_map(|(path, section)| Thing::IniSection { path, section }),
            (any::<String>(), prior(), digest()).prop_map(|(path, prior, ours)| Thing::IniFile {
                path,
                prior,
                ours
            }),
            text.prop_map(|(path, prior, ours, done)| Thing::Text { path, prior, ours, done }),
        ]
    }

    prop_compose! {
        fn record()(
            id in any::<[u8; 16]>(),
            (name, version, at) in any::<(String, u16, i64)>(),
            user in any::<Option<String>>(),
            answers in any::<Vec<(String, String)>>(),
            owns in prop::collection::vec((0..5usize, thing()), 0..9),
        ) -> Installed {
            Installed {
                application: ApplicationId::from_bytes(id),
                name,
                version,
                part: user.map_or(Part::Machine, Part::User),
                at: Timestamp::from_millis(at),
                answers,
                owns: owns
                    .into_iter()
                    .map(|(group, thing)| Owned { group: GROUPS[group], thing })
                    .collect(),
            }
        }
    }

    #[test]
    fn a_prior_that_says_no_rights_is_read() {
        let kept = Kept {
            digest: Digest::from_bytes([1; 32]),
            size: 2,
            mode: 3,
            mtime_ns: 4,
            is_link: false,
            rights: 0,
        };
        let mut out = Writer::new();
        out.u8(2).digest(&kept.digest).u64(2).u32(3).raw(&4i64.to_le_bytes()).switch(false);
        let bytes = out.finish();
        let mut from = Reader::new(&bytes);
        assert_eq!(take_prior(&mut from), Ok(Prior::Kept(kept)));
        from.end().unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn records_read_back(record in record()) {
            prop_assert_eq!(Installed::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn what_is_cut_short_or_changed_is_no_panic(
            record in record(),
            cut in any::<prop::sample::Index>(),
            flip in any::<(prop::sample::Index, u8)>(),
        ) {
            let mut bytes = record.encode();
            prop_assert!(Installed::decode(&bytes[..cut.index(bytes.len())]).is_err());
            let at = flip.0.index(bytes.len());
            bytes[at] ^= flip.1;
            let _ = Installed::decode(&bytes);
        }
    }
}
