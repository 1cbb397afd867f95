//! Random commits on all implementors at once: each ends alike everywhere and leaves the same.

use model::Outcome;
use store::Write;
use store::rows::{Assigned, Deployment, Setting};

use crate::place::{Memory, Place, Sqlite};
use crate::samples::*;

/// A small generator: the same seed, the same commits.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u8) -> u8 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let high = (self.0 >> 33) % u64::from(bound);
        u8::try_from(high).unwrap()
    }

    fn writes(&mut self) -> Vec<Write> {
        (0..=self.below(4)).map(|_| self.write()).collect()
    }

    fn write(&mut self) -> Write {
        let (a, b) = (1 + self.below(4), 1 + self.below(4));
        let number = u64::from(b);
        match self.below(30) {
            0 => Write::PutServer(server(a, number)),
            1 | 2 => Write::PutComputer(group(a, &format!("G{a}"), (b != a).then_some(b))),
            3 => Write::PutComputer(computer(a, &format!("c{b}"), None)),
            4 => Write::RemoveComputer(computer_id(a)),
            5 => Write::PutAgent(agent(a, b)),
            6 => Write::PutToken(token(a, u32::from(b))),
            7 => Write::UseToken { id: token_id(a), at: at(1) },
            8 => Write::RevokeToken(token_id(a)),
            9 => Write::PutWorkflow(workflow(&format!("w{a}"), number)),
            20 => Write::PutDeploymentCopy(copy(a, number)),
            10 => {
                let origin = (b > 2).then(|| origin(b));
                Write::PutDeployment(Deployment { origin, ..deployment(a) })
            }
            11 => Write::PutWarrant(warrant(a, number)),
            12 => Write::PutRun(run(a, (b > 2).then_some(Outcome::Failure))),
            13 | 14 => journal(a, number),
            15 => Write::AppendEvent(event(a, "refused")),
            16 => Write::PutDocument(document("action", &format!("d{a}"), b)),
            18 => Write::PutMessage(message(a)),
            19 => Write::ReadMessage { seq: number, reading: reading() },
            17 => Write::RemoveDocument { kind: "action".into(), name: format!("D{a}") },
            22 => Write::PutApplication(application(a, number, &format!("A{b}"))),
            23 => Write::RemoveApplication(application_id(a)),
            24 => Write::PutAssociation(association(a, Assigned::User(format!("u{b}")))),
            25 => Write::RemoveAssociation {
                application: application_id(a),
                to: Assigned::User(format!("u{b}")),
            },
            26 => Write::PutWantedSet(wanted_set(a, number)),
            27 => Write::WantedSetTaken { computer: computer_id(a), serial: number },
            28 => Write::PutApplicationState(application_state(a, "", i64::from(b))),
            _ => Write::PutSetting(Setting { key: format!("k{a}"), value: vec![b] }),
        }
    }
}

#[tokio::test]
async fn all_places_agree_on_random_commits() {
    for seed in 0..12 {
        let mut chance = Chance(seed);
        let (memory, sqlite) = (Memory::default(), Sqlite::default());
        let (memory, sqlite) = (memory.open().await, sqlite.open().await);
        for step in 0..60 {
            let writes = chance.writes();
            let ended = [&memory, &sqlite].map(|store| store.commit(writes.clone()));
            let [in_memory, in_sqlite] = ended;
            let (in_memory, in_sqlite) = (in_memory.await, in_sqlite.await);
            let told = format!("seed {seed}, step {step}: {writes:?}");
            assert_eq!(in_memory.is_ok(), in_sqlite.is_ok(), "{told}");
            if writes.len() == 1 {
                assert_eq!(format!("{in_memory:?}"), format!("{in_sqlite:?}"), "{told}");
            }
        }
        let pictures = (picture(memory.as_ref()).await, picture(sqlite.as_ref()).await);
        assert_eq!(pictures.0, pictures.1, "seed {seed}");
    }
}
