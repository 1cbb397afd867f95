//! An application on this machine: 10,000 small files put in place, looked at again, and beside
//! them what `rsync -a` takes for the same; a file of 4 GB, and how much memory that needs.
//!
//! `applications [DIR [ROUNDS]]`

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use application::encoding::Convention;
use application::{
    Application, Change, Content, Given, Installed, Occasion, Part, Plan, Unconfirmed, Wish,
};
use machine::change::{AfterDeath, Ground, KeptStore, Supplied, Supply, Transaction};
use machine::registry::MemoryRegistry;
use machine::survey::{Digests, FolderSource, SystemSurvey};
use model::{Digest, Timestamp};

const FOLDERS: usize = 100;
const FILES_EACH: usize = 100;
const INI_FILES: usize = 25;
const TEXT_FILES: usize = 25;
/// Items in each INI and each text file.
const ITEMS_EACH: usize = 100;
const LARGE_BYTES: u64 = 4 << 30;

fn main() -> Result<()> {
    let dir = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let rounds = deskhand_bench::argument(2, 5);
    let dir = tempfile::Builder::new().prefix("applications-").tempdir_in(dir)?;
    let bench = Bench { dir: dir.path().to_owned() };
    let (time, memory) = bench.large()?;
    println!(
        "applications: a sparse file of 4 GB in {:.1} s, {memory} KB more memory at its peak",
        time.as_secs_f64()
    );
    let bytes = bench.fill_source()?;
    let (mut ours, mut plain, mut synced, mut cold, mut warm) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (plan, apply) = bench.apply()?;
        cold.push(plan);
        ours.push(apply);
        warm.push(bench.plan_again()?);
        let (copied, all) = bench.rsync()?;
        plain.push(copied);
        synced.push(all);
    }
    let spread = deskhand_bench::spread;
    println!(
        "applications: {} files of {} MB and {} items of INI and text files, durable: {}; the \
         same files by `rsync -a`: {}, with `sync -f` after it: {} [{}]",
        FOLDERS * FILES_EACH,
        bytes >> 20,
        (INI_FILES + TEXT_FILES) * ITEMS_EACH,
        spread(ours),
        spread(plain),
        spread(synced),
        deskhand_bench::machine()
    );
    println!("applications: plan of all that: {}, once in place: {}", spread(cold), spread(warm));
    Ok(())
}

/// Hashes, as the agent keeps them.
#[derive(Default)]
struct Noted(Mutex<HashMap<String, (machine::Meta, Digest)>>);

impl Digests for Noted {
    fn get(&self, path: &str, meta: &machine::Meta) -> Option<Digest> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(path).filter(|(seen, _)| seen == meta).map(|(_, digest)| *digest)
    }

    fn put(&self, path: &str, meta: &machine::Meta, digest: Digest) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_owned(), (*meta, digest));
    }
}

/// A folder that gives its files.
struct Shelf(PathBuf);

impl Supply for Shelf {
    fn open(&self, path: &str, _digest: &Digest) -> io::Result<Supplied> {
        File::open(self.0.join(path)).map(Supplied::File)
    }
}

struct Bench {
    dir: PathBuf,
}

/// What a round leaves for the next look.
struct InPlace {
    application: Application,
    noted: Noted,
    installed: Installed,
}

impl Bench {
    fn source(&self) -> PathBuf {
        self.dir.join("source")
    }

    fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// Files of 1 to 8 KB that do not compress; their bytes together.
    fn fill_source(&self) -> Result<u64> {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut total = 0;
        for folder in 0..FOLDERS {
            let folder = self.source().join(format!("f{folder:03}"));
            fs::create_dir_all(&folder)?;
            for file in 0..FILES_EACH {
                let mut next = || {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    random
                };
                let words = 128 + next() % 896;
                let bytes: Vec<u8> = (0..words).flat_map(|_| next().to_le_bytes()).collect();
                total += bytes.len() as u64;
                fs::write(folder.join(format!("file-{file:03}.dat")), bytes)?;
            }
        }
        sync(&self.dir)?;
        Ok(total)
    }

    fn document() -> Result<Application> {
        let mut text = String::from(
            "application: Bench\nid: 01890a5d-ac96-774b-bcce-b302099a8057\nversion: 1\nfiles:\n  \
             - { copy_folder: '%SOURCE_PATH%', to: /opt/bench, subfolders: true }\nini:\n",
        );
        for file in 0..INI_FILES {
            text += &format!("  - file: /etc/bench/{file}.ini\n    sections:\n");
            text += "      - section: Main\n        values:\n";
            for item in 0..ITEMS_EACH {
                text += &format!("          - {{ name: name{item}, data: value {item} }}\n");
            }
        }
        text += "text:\n";
        for file in 0..TEXT_FILES {
            text += &format!("  - file: /etc/bench/{file}.txt\n    changes:\n");
            for item in 0..ITEMS_EACH {
                text += &format!(
                    "      - {{ find: setting {item}=, then: append_to_file_if_not_found, \
                     text: setting {item}=on }}\n"
                );
            }
        }
        let parsed = format::parse_application(&text);
        parsed.application.with_context(|| format!("{:#?}", parsed.problems.first()))
    }

    fn ground(&self) -> Result<Ground> {
        Ok(Ground {
            root: Some(self.root()),
            kept: KeptStore::open(&self.dir.join("kept"), 8 << 30)?,
            patience: Duration::ZERO,
            after_death: AfterDeath::Undo,
            owner: None,
        })
    }

    fn carry_out(&self, changes: &[Change]) -> Result<Vec<(usize, application::Kept)>> {
        let (ground, shelf, work) = (self.ground()?, Shelf(self.source()), self.dir.join("work"));
        let mut registry = MemoryRegistry::default();
        let mut transaction =
            Transaction::prepare(&work, changes, b"", &ground, &mut registry, &shelf)?;
        transaction.apply(&mut registry)?;
        let done = transaction.commit(&mut registry)?;
        transaction.forget()?;
        Ok(done.kept)
    }

    /// The plan of everything on an empty machine, and all of it put in place.
    fn apply(&self) -> Result<(Duration, Duration)> {
        for folder in ["root", "work", "kept"] {
            let folder = self.dir.join(folder);
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
        fs::create_dir_all(self.root().join("opt"))?;
        fs::create_dir_all(self.root().join("etc"))?;
        sync(&self.dir)?;
        let (application, noted) = (Self::document()?, Noted::default());
        let began = Instant::now();
        let plan = self.plan(&application, &noted, None, Occasion::Distribute)?;
        let planned = began.elapsed();
        let began = Instant::now();
        let kept = self.carry_out(&plan.changes)?;
        let applied = began.elapsed();
        let at = Timestamp::from_millis(1);
        let installed = Installed::after(&plan, &application.name, &kept, at)?;
        self.check(&InPlace { application, noted, installed })?;
        Ok((planned, applied))
    }

    /// Everything is in place, and a second look finds it so.
    fn check(&self, place: &InPlace) -> Result<()> {
        let files = fs::read_dir(self.root().join("opt/bench"))?.count();
        ensure!(files == FOLDERS, "{files} folders in place");
        let InPlace { application, noted, installed } = place;
        let plan = self.plan(application, noted, Some(installed), Occasion::Verify)?;
        ensure!(plan.changes.is_empty(), "not in place: {:?}", plan.changes.first());
        Ok(())
    }

    /// With what is in place, whose hashes are known.
    fn plan_again(&self) -> Result<Duration> {
        let (application, noted) = (Self::document()?, Noted::default());
        let look = || self.plan(&application, &noted, None, Occasion::Distribute);
        look()?;
        let began = Instant::now();
        let plan = look()?;
        ensure!(plan.changes.is_empty(), "not in place: {:?}", plan.changes.first());
        Ok(began.elapsed())
    }

    fn plan(
        &self,
        application: &Application,
        noted: &Noted,
        installed: Option<&Installed>,
        occasion: Occasion,
    ) -> Result<Plan> {
        let survey = SystemSurvey::open(Some(&self.root()), None, noted)?;
        let source = FolderSource::new(&self.source(), noted);
        let given = Given {
            answers: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            unconfirmed: Unconfirmed::Copy,
            attributes: BTreeMap::new(),
            launcher: None,
            source_path: Some("/source".to_owned()),
            now: jiff::civil::date(2026, 11, 21).at(12, 0, 0, 0),
            convention: Convention::LINUX,
            kept_bytes_max: 8 << 30,
        };
        let part = &Part::Machine;
        let wish = Wish { application, part, occasion, installed, others: &[], given: &given };
        let plan = application::plan(&wish, &survey, &source);
        if let Some(finding) = plan.findings.first() {
            bail!("{}: {}", finding.code, finding.message);
        }
        Ok(plan)
    }

    /// What `rsync` takes for the same files, and with making them durable.
    fn rsync(&self) -> Result<(Duration, Duration)> {
        let to = self.dir.join("rsync");
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        sync(&self.dir)?;
        let began = Instant::now();
        let mut rsync = Command::new("rsync");
        let status = rsync.arg("-a").arg(self.source().join("")).arg(&to).status();
        ensure!(status.context("rsync is needed")?.success(), "rsync failed");
        let copied = began.elapsed();
        sync(&self.dir)?;
        Ok((copied, began.elapsed()))
    }

    /// A file of 4 GB, nearly all of it a hole, and how many KB of memory that takes.
    fn large(&self) -> Result<(Duration, u64)> {
        fs::create_dir_all(self.source())?;
        fs::create_dir_all(self.root())?;
        let path = self.source().join("large");
        let file = File::create(&path)?;
        file.set_len(LARGE_BYTES)?;
        std::os::unix::fs::FileExt::write_at(&file, b"the end", LARGE_BYTES - 7)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(&path)?)?;
        let digest = Digest::from_bytes(*hasher.finalize().as_bytes());
        let content = Content::Source { path: "large".to_owned(), digest, size: LARGE_BYTES };
        let change = Change::WriteFile {
            path: "/large".to_owned(),
            before: application::Before::Absent,
            content,
            meta: application::Meta::default(),
        };
        let before = memory_peak()?;
        let began = Instant::now();
        self.carry_out(&[change])?;
        let (took, memory) = (began.elapsed(), memory_peak()? - before);
        let found = fs::metadata(self.root().join("large"))?;
        ensure!(found.len() == LARGE_BYTES, "{} bytes arrived", found.len());
        fs::remove_file(path)?;
        fs::remove_file(self.root().join("large"))?;
        Ok((took, memory))
    }
}

/// The most memory that this process has had, in KB.
fn memory_peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kb.and_then(|kb| kb.trim().parse().ok()).context("the system does not tell its memory")
}

/// Makes everything on the disk of a folder durable.
fn sync(folder: &Path) -> Result<()> {
    let status = Command::new("sync").arg("-f").arg(folder).status()?;
    ensure!(status.success(), "sync failed");
    Ok(())
}
