//! The runs: which faults there are, and what must be true after each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use machine::change::{AfterDeath, Ground, Recovered, Undone, forget, recover};
use model::registry::Data;

use super::child::{self, APPLY, DONE, FINISH, LEFT, RECOVER, UNDONE};
use super::power;
use super::scene::{Scene, picture, registry_picture, set_up_registry};
use super::trace::{self, Fault, Traced};

/// Calls that change nothing outside the child: killed after one is killed after the call before.
pub const LOOKING: &[i64] = &[
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_readlinkat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_getdents64,
    libc::SYS_flistxattr,
    libc::SYS_fgetxattr,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_geteuid,
    libc::SYS_getegid,
    libc::SYS_getrandom,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_futex,
    libc::SYS_sched_getaffinity,
];

/// Which of the faults there are is tried where not all are.
const LOOKING_STRIDE: usize = 9;
const FIRST_STRIDE: usize = 5;
const SECOND_STRIDE: usize = 61;

type Case = (&'static str, fn(&Runs));

const CASES: &[Case] = &[
    ("killed_after_every_call", |runs| runs.killed(false)),
    ("killed_after_every_call_without_exchange", |runs| runs.killed(true)),
    ("killed_while_recovering", Runs::killed_twice),
    ("every_call_fails", Runs::failing),
    (power::CASE, power::lost),
];

/// As a harness would: all cases, or those whose name contains a word.
pub fn run(words: &[String]) {
    if words.iter().any(|word| word == "--list") {
        CASES.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let asked: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|word| name.contains(*word));
    let runs = Runs::new();
    for (name, case) in CASES.iter().filter(|(name, _)| is_asked(name)) {
        let began = Instant::now();
        case(&runs);
        println!("test {name} ... ok, {:.1} s", began.elapsed().as_secs_f64());
    }
}

/// What can be told of a machine: its files, its registry.
#[derive(PartialEq)]
struct Picture {
    files: BTreeMap<PathBuf, String>,
    registry: BTreeMap<String, Vec<(String, Data)>>,
}

impl Picture {
    fn of(base: &Path) -> Self {
        Self {
            files: picture(&Scene::new(base).root()),
            registry: registry_picture(&child::registry(base)),
        }
    }

    fn difference(&self, other: &Self) -> String {
        let files = self.files.iter().filter(|(path, told)| other.files.get(*path) != Some(told));
        let missing = other.files.keys().filter(|path| !self.files.contains_key(*path));
        let registry = if self.registry == other.registry { "same" } else { "other" };
        format!(
            "{:#?}, missing {:#?}, registry {registry}",
            files.collect::<Vec<_>>(),
            missing.collect::<Vec<_>>()
        )
    }
}

pub struct Runs {
    before: Picture,
    after: Picture,
    is_full: bool,
}

impl Runs {
    fn new() -> Self {
        let base = set_up();
        let before = Picture::of(base.path());
        let done = trace::run(APPLY, base.path(), Fault::default());
        assert_eq!(done.code, Some(DONE), "without any fault");
        let after = Picture::of(base.path());
        assert!(before != after);
        Self { before, after, is_full: std::env::var_os("DESKHAND_CRASH_FULL").is_some() }
    }

    /// The calls after which a kill is tried.
    fn kills(&self, calls: &[i64]) -> Vec<usize> {
        let all = 0..calls.len();
        let acts = |at: &usize| !LOOKING.contains(&calls[*at]) || at.is_multiple_of(LOOKING_STRIDE);
        all.filter(|at| self.is_full || acts(at)).collect()
    }

    /// Without exchanging also gone on with where that is possible.
    fn killed(&self, without_exchange: bool) {
        let after_death = if without_exchange { AfterDeath::Finish } else { AfterDeath::Undo };
        let fault = Fault { without_exchange, ..Fault::default() };
        let calls = trace::run(APPLY, set_up().path(), fault).calls;
        let kills = self.kills(&calls);
        let mut ends = [0, 0];
        for at in &kills {
            let base = set_up();
            let fault = Fault { killed_after: Some(*at), ..fault };
            let traced = trace::run(APPLY, base.path(), fault);
            let what = format!("{fault:?}");
            let is_after = self.check_recovered(base.path(), &what, &traced, after_death);
            ends[usize::from(is_after)] += 1;
        }
        println!(
            "{} calls, killed after {} of them: {} undone, {} finished",
            calls.len(),
            kills.len(),
            ends[0],
            ends[1]
        );
        assert!(ends[0] > 0 && ends[1] > 0);
    }

    /// Killed, and killed again while that is recovered. What recovering has most to do after is
    /// killed at every call: once where nothing was in its place yet, once where all was and is
    /// undone or gone on with, once where it was decided that it stays.
    fn killed_twice(&self) {
        let calls = trace::run(APPLY, set_up().path(), Fault::default()).calls;
        let mut longest: BTreeMap<(usize, &str), (usize, Vec<i64>)> = BTreeMap::new();
        let mut sparse = Vec::new();
        let first_stride = if self.is_full { 1 } else { FIRST_STRIDE };
        for first in self.kills(&calls).into_iter().rev().step_by(first_stride) {
            let fault = Fault { killed_after: Some(first), ..Fault::default() };
            for word in [RECOVER, FINISH] {
                let base = set_up();
                trace::run(APPLY, base.path(), fault);
                let records = records(base.path());
                let calls = trace::run(word, base.path(), Fault::default()).calls;
                let most = longest.entry((records, word)).or_default();
                if calls.len() > most.1.len() {
                    *most = (first, calls.clone());
                }
                sparse.push((first, word, calls));
            }
        }
        let mut count = [0, 0];
        for ((_, word), (first, calls)) in &longest {
            for second in self.kills(calls) {
                self.kill_recovering(*first, word, second);
                count[0] += 1;
            }
        }
        let stride = if self.is_full { 1 } else { SECOND_STRIDE };
        for (nth, (first, word, calls)) in sparse.into_iter().enumerate() {
            for second in self.kills(&calls).into_iter().skip(nth % stride).step_by(stride) {
                self.kill_recovering(first, word, second);
                count[1] += 1;
            }
        }
        let ways: Vec<_> = longest.keys().collect();
        assert_eq!(ways.len(), 8, "{ways:?}");
        println!(
            "killed while recovering: at {} calls of {} ways, and {} times elsewhere",
            count[0],
            ways.len(),
            count[1]
        );
    }

    fn kill_recovering(&self, first: usize, word: &str, second: usize) {
        let base = set_up();
        let killed_after = |at| Fault { killed_after: Some(at), ..Fault::default() };
        trace::run(APPLY, base.path(), killed_after(first));
        let traced = trace::run(word, base.path(), killed_after(second));
        let what = format!("killed after {first}, then after {second} of {word}");
        let after_death = if word == FINISH { AfterDeath::Finish } else { AfterDeath::Undo };
        self.check_recovered(base.path(), &what, &traced, after_death);
    }

    fn failing(&self) {
        let calls = trace::run(APPLY, set_up().path(), Fault::default()).calls;
        let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, call) in calls.iter().enumerate() {
            let errors: &[i32] = match LOOKING.contains(call) {
                _ if self.is_full => &[libc::ENOSPC, libc::EIO, libc::EACCES],
                true => &[libc::EIO],
                false => &[libc::ENOSPC, libc::EACCES],
            };
            for errno in errors.iter().copied() {
                let base = set_up();
                let fault = Fault { fails: Some((at, errno)), ..Fault::default() };
                let traced = trace::run(APPLY, base.path(), fault);
                let what = format!("{fault:?}, call {call}");
                let now = Picture::of(base.path());
                let end = match traced.code {
                    Some(DONE) => {
                        assert!(now == self.after, "{what}: {}", now.difference(&self.after));
                        "tolerated"
                    }
                    Some(UNDONE) => {
                        assert!(now == self.before, "{what}: {}", now.difference(&self.before));
                        "undone"
                    }
                    Some(LEFT) => "left to be recovered",
                    Some(101) | None => "died",
                    other => panic!("{what}: {other:?}"),
                };
                *ends.entry(end).or_default() += 1;
                self.check_recovered(base.path(), &what, &traced, AfterDeath::Undo);
            }
        }
        println!("{} calls failed: {ends:?}", calls.len());
    }

    /// After recovering it is as before or as after, and recovering again finds nothing to do.
    /// Answers whether it is as after.
    pub fn check_recovered(
        &self,
        base: &Path,
        what: &str,
        traced: &Traced,
        after_death: AfterDeath,
    ) -> bool {
        let (scene, mut registry) = (Scene::new(base), child::registry(base));
        let (work, ground) = (scene.work(), Ground { after_death, ..scene.ground() });
        let recovered = recover(&work, &ground, &mut registry)
            .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let now = Picture::of(base);
        let is_after = match recovered {
            Some(Recovered::Undone { undone, .. }) => {
                assert_eq!(undone, Undone::default(), "{what}");
                false
            }
            Some(Recovered::Done { done, .. }) => {
                assert_eq!(done.left, Vec::<String>::new(), "{what}");
                for (_, kept) in &done.kept {
                    assert!(ground.kept.holds(kept), "{what}: {kept:?}");
                }
                forget(&work).unwrap();
                true
            }
            // Nothing was begun, or all had come to its end.
            None => now == self.after,
        };
        let expect = if is_after { &self.after } else { &self.before };
        assert!(now == *expect, "{what}, {traced:?}: {}", now.difference(expect));
        assert_eq!(recover(&work, &ground, &mut registry).unwrap(), None, "{what}");
        is_after
    }
}

/// How many of a transaction's records are there.
fn records(base: &Path) -> usize {
    let work = Scene::new(base).work();
    ["journal", "staged", "done"].iter().filter(|name| work.join(name).exists()).count()
}

/// A machine as before, in memory where there is room.
fn set_up() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir())
    } else {
        tempfile::tempdir()
    };
    let base = made.unwrap();
    set_up_in(base.path());
    base
}

pub fn set_up_in(base: &Path) {
    let scene = Scene::new(base);
    let kept = scene.set_up();
    assert_eq!(kept, scene.earlier());
    set_up_registry(&mut child::registry(base));
}
