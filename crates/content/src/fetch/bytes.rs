//! A plan as bytes, for the journal: versioned, little-endian, texts with their length.

use machine::Spot;

use super::{FetchPlan, PlannedFile, PlannedFolder, PlannedLink, Rules, Todo};
use crate::bytes::{BytesError, Input, Output, wrong};

const VERSION: u8 = 1;

impl FetchPlan {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Output::default();
        out.byte(VERSION);
        out.text(self.from.as_str());
        out.blob(&self.to.to_bytes());
        for flag in [self.rules.replace, self.rules.force, self.rules.resume] {
            out.byte(u8::from(flag));
        }
        out.u64(self.skipped);
        out.count(self.folders.len());
        for folder in &self.folders {
            out.text(folder.path.as_str());
            out.u32(folder.mode);
        }
        out.count(self.links.len());
        for link in &self.links {
            out.text(link.path.as_str());
            out.text(&link.target);
        }
        out.count(self.files.len());
        for file in &self.files {
            out.text(file.path.as_str());
            out.u64(file.size);
            out.u32(file.mode);
            out.i64(file.mtime_ms);
            out.digest(&file.digest);
        }
        out.0
    }

    /// What each file still needs is found out when the plan is carried out.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut input = Input(bytes);
        input.version(VERSION)?;
        let from = input.path()?;
        let to = Spot::from_bytes(input.blob()?).map_err(|_| wrong("a place that is none"))?;
        let rules = Rules { replace: input.flag()?, force: input.flag()?, resume: input.flag()? };
        let skipped = input.u64()?;
        let folders = (0..input.u32()?)
            .map(|_| Ok(PlannedFolder { path: input.path()?, mode: input.u32()? }))
            .collect::<Result<_, BytesError>>()?;
        let links = (0..input.u32()?)
            .map(|_| Ok(PlannedLink { path: input.path()?, target: input.text()?.to_owned() }))
            .collect::<Result<_, BytesError>>()?;
        let files = (0..input.u32()?)
            .map(|_| {
                Ok(PlannedFile {
                    path: input.path()?,
                    size: input.u64()?,
                    mode: input.u32()?,
                    mtime_ms: input.i64()?,
                    digest: input.digest()?,
                    todo: Todo::Fetch,
                })
            })
            .collect::<Result<_, BytesError>>()?;
        input.end()?;
        Ok(Self { from, to, rules, folders, links, files, skipped, fresh: false })
    }
}
