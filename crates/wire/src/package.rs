//! What an agent keeps beside a run's journal, as bytes.

use std::sync::Arc;

use model::codec::{CodecError, Reader, Writer};
use travel::Package;
use workflow::Epoch;

const VERSION: u8 = 2;

pub fn encode(package: &Package) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(VERSION).run(package.run).deployment(package.deployment).u32(package.epoch.0);
    out.bytes(&package.warrant).bytes(&package.leaf).bytes(&package.definition);
    out.map(&package.variables);
    let secrets: Vec<_> = package.secrets.iter().collect();
    out.list(&secrets, |out, (name, sealed)| _ = out.text(name).bytes(sealed));
    let mut bytes = out.finish();
    let checksum = blake3::hash(&bytes);
    bytes.extend(&checksum.as_bytes()[..8]);
    bytes
}

pub fn decode(bytes: &[u8]) -> Result<Package, CodecError> {
    let split = bytes.len().checked_sub(8).ok_or(CodecError("it is cut short"))?;
    let (content, checksum) = bytes.split_at(split);
    if blake3::hash(content).as_bytes()[..8] != *checksum {
        return Err(CodecError("the checksum does not match"));
    }
    let mut from = Reader::new(content);
    if from.u8()? != VERSION {
        return Err(CodecError("its version is newer than this program"));
    }
    let package = Package {
        run: from.run()?,
        deployment: from.deployment()?,
        epoch: Epoch(from.u32()?),
        warrant: from.bytes()?.into(),
        leaf: from.bytes()?.to_vec(),
        definition: from.bytes()?.into(),
        variables: Arc::new(from.map()?),
        secrets: from
            .list(|from| Ok::<_, CodecError>((from.text()?, from.bytes()?.to_vec())))?
            .into_iter()
            .collect(),
    };
    from.end()?;
    Ok(package)
}
