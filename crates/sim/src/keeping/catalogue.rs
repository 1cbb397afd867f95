//! What the pretended applications are: decided by seed, application and version alone, as if their
//! documents said it.

use application::keeper::{Needs, Restart, Users, VerifyPolicy, Wish};
use application::{Clock, Dates, PreInstall, When};
use jiff::civil::{Weekday, date, time};
use model::{ApplicationId, Digest};
use trust::WantedApplication;

use crate::chance::{Chance, hash};

pub const APPLICATIONS: u8 = 4;
pub const USERS: [&str; 3] = ["ada", "bob", "eve"];
const ALL_DAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// One version of an application.
#[derive(Debug, Clone)]
pub struct Document {
    pub needs: Vec<Needs>,
    pub pre_install: PreInstall,
    pub always: bool,
    pub restart: Option<Restart>,
    /// What its own file says about the end of its association.
    pub uninstall: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Catalogue {
    pub seed: u64,
}

pub fn id(n: u8) -> ApplicationId {
    ApplicationId::from_bytes([n; 16])
}

impl Catalogue {
    fn chance(self, application: ApplicationId, what: &[u8], more: &[u8]) -> Chance {
        Chance::new(hash(self.seed, &[application.as_bytes(), what, more]))
    }

    /// The hash of the document's text.
    pub fn digest(application: ApplicationId, version: u16) -> Digest {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(application.as_bytes());
        bytes[16..18].copy_from_slice(&version.to_be_bytes());
        Digest::from_bytes(bytes)
    }

    pub fn document(self, application: ApplicationId, version: u16) -> Document {
        let mut chance = self.chance(application, b"document", &version.to_be_bytes());
        // Larger ones need smaller ones: no circles.
        let n = application.as_bytes()[0];
        let mut needs = Vec::new();
        for other in 1..n {
            if chance.happens(250_000) {
                let continue_if_it_fails = chance.happens(300_000);
                needs.push(Needs { application: id(other), continue_if_it_fails });
            }
        }
        let restart = match chance.below(8) {
            0 => Some(Restart::Awaited),
            1 => Some(Restart::Due { ask: chance.happens(500_000) }),
            _ => None,
        };
        Document {
            needs,
            pre_install: pre_install(&mut chance),
            always: chance.happens(200_000),
            restart,
            uninstall: chance.happens(600_000),
        }
    }

    /// Some applications are not for some machines.
    pub fn is_available(self, application: ApplicationId, version: u16, machine: usize) -> bool {
        let more = (machine as u64) << 16 | u64::from(version);
        !self.chance(application, b"available", &more.to_be_bytes()).happens(60_000)
    }

    /// What is wanted of one whose files are here.
    pub fn wish(self, wanted: &WantedApplication) -> Wish {
        let document = self.document(wanted.application, wanted.version);
        let users = Users::of(wanted.users.as_deref());
        let verify = wanted.verify_every.map(|every| VerifyPolicy { every, repair: wanted.repair });
        Wish {
            application: wanted.application,
            version: wanted.version,
            pre_install: users.pre_install(document.pre_install),
            users,
            always: document.always,
            needs: document.needs,
            supersedes: Vec::new(),
            verify,
            uninstall: wanted.uninstall,
            is_ready: true,
        }
    }

    /// While the files of a version are on their way.
    pub fn unready(wanted: &WantedApplication, installed: Option<u16>) -> Wish {
        let users = Users::of(wanted.users.as_deref());
        let version = installed.unwrap_or(wanted.version);
        Wish::on_its_way(wanted.application, version, users, wanted.uninstall)
    }
}

/// At once, at first use, or within some hours of every night.
fn pre_install(chance: &mut Chance) -> PreInstall {
    match chance.below(5) {
        0 => PreInstall::No,
        1 => PreInstall::Scheduled(When {
            dates: Dates::Range {
                first: date(2020, 1, 1),
                last: date(2040, 1, 1),
                weekdays: ALL_DAYS.to_vec(),
            },
            from: time(22, 0, 0, 0),
            until: Some(time(4, 0, 0, 0)),
            spread_minutes: chance.below(300) as u32,
            clock: if chance.happens(500_000) { Clock::Local } else { Clock::Everywhere },
        }),
        _ => PreInstall::AsSoonAsAssociated,
    }
}
