//! A registry plan as bytes, so that it outlives the agent: a version, then what the plan holds.

use model::codec::{CodecError, Reader, Writer};
use model::registry::{Data, Key, Operation, Root, Step};

use super::RegistryPlan;
use super::plan::{Before, Branch};

const VERSION: u8 = 1;

/// Bytes that are no plan of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored plan for the registry cannot be read ({0}); the activity cannot be redone")]
pub struct RegistryBytesError(CodecError);

impl From<CodecError> for RegistryBytesError {
    fn from(error: CodecError) -> Self {
        Self(error)
    }
}

impl RegistryPlan {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        let Before { absent, trees, values } = &self.before;
        out.u8(VERSION);
        out.list(&self.steps, write_step);
        out.list(absent, write_key);
        out.list(trees, |out, tree| {
            out.list(tree, |out, Branch { key, protection, values }| {
                write_key(out, key);
                out.bytes(protection).list(values, |out, (name, data)| {
                    out.text(name);
                    write_data(out, data);
                });
            });
        });
        out.list(values, |out, (key, name, data)| {
            write_key(out, key);
            out.text(name).option(data.as_ref(), write_data);
        });
        out.finish()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RegistryBytesError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(CodecError("another version").into());
        }
        let steps = input.list(read_step)?;
        let absent = input.list(read_key)?;
        let trees = input.list(|input| input.list(read_branch))?;
        let values = input.list(|input| {
            let key = read_key(input)?;
            let name = input.text()?;
            Ok::<_, CodecError>((key, name, input.option(read_data)?))
        })?;
        input.end()?;
        Ok(Self { steps, before: Before { absent, trees, values } })
    }
}

fn write_key(out: &mut Writer, key: &Key) {
    out.text(key.root().short_name()).text(key.path());
}

fn read_key(input: &mut Reader<'_>) -> Result<Key, CodecError> {
    let (root, path) = (input.text()?, input.text()?);
    let root = Root::by_name(&root).ok_or(CodecError("an unknown root"))?;
    Key::new(root, &path).map_err(|_| CodecError("a key that cannot be"))
}

fn write_data(out: &mut Writer, data: &Data) {
    out.u32(data.kind).bytes(&data.bytes);
}

fn read_data(input: &mut Reader<'_>) -> Result<Data, CodecError> {
    Ok(Data { kind: input.u32()?, bytes: input.bytes()?.to_vec() })
}

fn read_branch(input: &mut Reader<'_>) -> Result<Branch, CodecError> {
    let key = read_key(input)?;
    let protection = input.bytes()?.to_vec();
    let values = input.list(|input| Ok((input.text()?, read_data(input)?)))?;
    Ok(Branch { key, protection, values })
}

fn write_step(out: &mut Writer, Step { line, operation }: &Step) {
    out.len(*line);
    let (letter, name, data) = match operation {
        Operation::TestKey { .. } => (b'K', None, None),
        Operation::TestValue { name, .. } => (b'V', Some(name), None),
        Operation::CompareValue { name, data, .. } => (b'E', Some(name), Some(data)),
        Operation::CreateKey { .. } => (b'C', None, None),
        Operation::DeleteKey { .. } => (b'D', None, None),
        Operation::SetValue { name, data, .. } => (b'S', Some(name), Some(data)),
        Operation::DeleteValue { name, .. } => (b'R', Some(name), None),
    };
    out.u8(letter);
    write_key(out, operation.key());
    if let Some(name) = name {
        out.text(name);
    }
    if let Some(data) = data {
        write_data(out, data);
    }
}

fn read_step(input: &mut Reader<'_>) -> Result<Step, CodecError> {
    let line = usize::try_from(input.u32()?).unwrap_or(usize::MAX);
    let letter = input.u8()?;
    let key = read_key(input)?;
    let operation = match letter {
        b'K' => Operation::TestKey { key },
        b'V' => Operation::TestValue { key, name: input.text()? },
        b'E' => Operation::CompareValue { key, name: input.text()?, data: read_data(input)? },
        b'C' => Operation::CreateKey { key },
        b'D' => Operation::DeleteKey { key },
        b'S' => Operation::SetValue { key, name: input.text()?, data: read_data(input)? },
        b'R' => Operation::DeleteValue { key, name: input.text()? },
        _ => return Err(CodecError("an unknown operation")),
    };
    Ok(Step { line, operation })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> RegistryPlan {
        let key = Key::parse(r"HKLM\Software\Maker").unwrap();
        let (name, data) = ("n".to_owned(), Data::dword(7));
        let operations = vec![
            Operation::TestKey { key: key.clone() },
            Operation::TestValue { key: key.clone(), name: name.clone() },
            Operation::CompareValue { key: key.clone(), name: name.clone(), data: data.clone() },
            Operation::CreateKey { key: key.clone() },
            Operation::DeleteKey { key: key.clone() },
            Operation::SetValue { key: key.clone(), name: name.clone(), data: data.clone() },
            Operation::DeleteValue { key: key.clone(), name: name.clone() },
        ];
        let steps = operations.into_iter().map(|operation| Step { line: 9, operation }).collect();
        let values = vec![(name.clone(), data.clone())];
        let branch = Branch { key: key.clone(), protection: vec![1, 2], values };
        RegistryPlan {
            steps,
            before: Before {
                absent: vec![key.clone()],
                trees: vec![vec![branch]],
                values: vec![(key.clone(), name.clone(), Some(data)), (key, name, None)],
            },
        }
    }

    #[test]
    fn plans_read_back_and_every_cut_is_an_error() {
        let bytes = sample().to_bytes();
        assert_eq!(RegistryPlan::from_bytes(&bytes), Ok(sample()));
        for len in 0..bytes.len() {
            assert!(RegistryPlan::from_bytes(&bytes[..len]).is_err(), "{len}");
        }
        assert!(RegistryPlan::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            let _ = RegistryPlan::from_bytes(&[&[VERSION, 0, 0, 0, 0][..], &bytes].concat());
        }
    }
}
