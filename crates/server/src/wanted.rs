//! What each machine is to have: worked out from associations, signed, told, and what comes back.
//!
//! One task looks again whenever something may have changed what a machine is to have, and tells
//! only those for which it did. Agents check the signature themselves; what they were told is kept,
//! so that one that was away is told when it returns. Invariant: what was told is durable before it
//! is sent, and the serial of a machine only rises.

mod heard;
mod sets;
mod standings;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{ApplicationId, ComputerId, Digest};
use store::rows::{Agent, AgentState, WantedSet as Told};
use store::{CommitError, ReadError, Write};
use tokio::sync::{Notify, watch};
use trust::{
    NoTree, Signed, TargetTree, VerifyingKey, Wanted as Statement, WantedLeaf, WantedPresented,
    WantedSet,
};
use wire::wanted::WantedNews;

use crate::applications;
use crate::clock::now;
use crate::core::chain;
use crate::fleet::Fleet;
use crate::gateway::cleaned;
use crate::hall::{About, Hall};
use heard::Heard;
pub use sets::{Publication, sets};
pub use standings::hear_standings;

/// What comes in quick succession is looked at together.
const PAUSE: Duration = Duration::from_millis(300);
/// Queries go by the clock too, and by who is connected.
const LOOK: Duration = Duration::from_secs(60);
/// Longest text that is kept of what an agent says.
const TEXT_CHARS_MAX: usize = 1_000;

#[derive(Default)]
pub struct Wanted {
    news: Notify,
    /// Documents by hash, so that each is read once.
    read: Mutex<HashMap<Digest, Arc<application::Application>>>,
    heard: Heard,
}

/// Why machines were not told what they are to have.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    #[error("what machines are to have could not be read")]
    Read(#[from] ReadError),
    #[error("what machines are to have could not be kept")]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Tree(#[from] NoTree),
}

impl Wanted {
    /// Something was changed on which it depends what machines are to have.
    pub fn look_again(&self) {
        self.news.notify_one();
    }

    /// The document of a publication, unless this version cannot read it any more.
    fn read(&self, row: &store::rows::Application) -> Option<Arc<application::Application>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(&row.digest) {
            return Some(known.clone());
        }
        let known = Arc::new(applications::check(&row.text).0?);
        read.insert(row.digest, known.clone());
        Some(known)
    }

    /// The latest publication of each application.
    pub async fn publications(
        &self,
        hall: &Hall,
    ) -> Result<BTreeMap<ApplicationId, Publication>, ReadError> {
        let rows = hall.store.applications().await?;
        let read = rows.into_iter().map(|row| {
            let document = self.read(&row);
            (row.id, Publication { row, document })
        });
        Ok(read.collect())
    }

    /// Works out what every machine is to have, and tells those for which it changed. How many.
    pub async fn tell(&self, hall: &Hall) -> Result<usize, TellError> {
        let associations = hall.store.associations().await?;
        let told = hall.store.wanted_sets().await?;
        let last = told.iter().map(|row| row.serial).max().unwrap_or(0);
        let last = last.max(self.heard.last_serial());
        if associations.is_empty() && last == 0 {
            return Ok(0);
        }
        let publications = self.publications(hall).await?;
        let fleet = Fleet::read(hall).await?;
        let wanted = sets(&fleet, &associations, &publications);
        let told: BTreeMap<ComputerId, Told> =
            told.into_iter().map(|row| (row.computer, row)).collect();
        let mut changed = Vec::new();
        for agent in fleet.agents().filter(|agent| agent.state == AgentState::Enrolled) {
            let set = wanted.get(&agent.computer);
            let Some(leaf) = leaf(agent, set.unwrap_or(&WantedSet::default())) else { continue };
            let heard = self.heard.serial(agent.computer);
            let is_same = match told.get(&agent.computer) {
                Some(row) => {
                    let is_ours = row.leaf == leaf.encode() && self.is_signed_by_us(hall, row);
                    is_ours && row.serial >= heard
                }
                None => set.is_none() && heard == 0,
            };
            if !is_same {
                changed.push((leaf, set.cloned().unwrap_or_default()));
            }
        }
        let rows = sign(hall, last, &changed)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let writes = rows.iter().cloned().map(Write::PutWantedSet).collect();
        hall.writer.submit(writes).await?;
        let count = rows.len();
        for row in rows {
            hall.links.want(row.computer, presented(row));
        }
        Ok(count)
    }

    /// After a change of keys everybody is told anew.
    fn is_signed_by_us(&self, hall: &Hall, row: &Told) -> bool {
        let statement =
            Signed::decode(&row.envelope).and_then(|signed| Statement::decode(signed.payload()));
        statement.is_ok_and(|statement| statement.key == hall.identity.key_id())
    }

    /// What an agent that has just been welcomed is to have.
    pub async fn greet(&self, hall: &Hall, computer: ComputerId) -> Option<WantedPresented> {
        let row = hall.store.wanted_set(computer).await.ok()??;
        Some(presented(row))
    }

    /// What an agent says of the set that it goes by: when it is linked, and when it was presented
    /// one. One that it knows and the database does not is followed by a later one.
    pub async fn hear(&self, hall: &Hall, computer: ComputerId, news: WantedNews) {
        let WantedNews { serial, refused } = news;
        let refused = refused.map(|why| short(&why));
        let is_news = self.heard.note(computer, serial, refused.as_deref());
        if let Some(why) = refused.filter(|_| is_news) {
            let text = format!("the agent does not take its set of applications: {why}");
            hall.log("refused", About::computer(computer), "agent", text);
        }
        let Ok(row) = hall.store.wanted_set(computer).await else { return };
        let known = row.map_or(0, |row| row.serial);
        if serial <= known {
            // Told again with the next greeting, if this is lost.
            drop(hall.writer.submit(vec![Write::WantedSetTaken { computer, serial }]));
        } else if is_news {
            self.look_again();
        }
    }

    /// Presents once more what agents have not said that they go by.
    async fn present_again(&self, hall: &Hall) {
        // A store that cannot be read is told of by whoever looks next.
        let told = hall.store.wanted_sets().await.unwrap_or_default();
        let untaken = told.into_iter().filter(|row| row.taken < row.serial);
        for row in untaken.filter(|row| hall.links.is_online(row.computer)) {
            hall.links.want(row.computer, presented(row));
        }
    }
}

fn short(text: &str) -> String {
    cleaned(text).chars().take(TEXT_CHARS_MAX).collect()
}

/// None where the agent's key makes no sense; nothing can be told to that one.
fn leaf(agent: &Agent, set: &WantedSet) -> Option<WantedLeaf> {
    let key = VerifyingKey::from_bytes(&agent.signing_key).ok()?;
    Some(WantedLeaf { computer: agent.computer, key, set: set.digest() })
}

/// One statement over all that changed.
fn sign(hall: &Hall, last: u64, changed: &[(WantedLeaf, WantedSet)]) -> Result<Vec<Told>, NoTree> {
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let tree = TargetTree::new(changed.iter().map(|(leaf, _)| leaf.digest()).collect())?;
    let issued_at = now();
    // By the clock, so that a database that was restored does not go back to serials that machines
    // have seen.
    let serial = issued_at.as_millis().cast_unsigned().max(last + 1);
    let statement = Statement {
        serial,
        issued_at,
        targets_root: tree.root(),
        targets_count: tree.count(),
        key: hall.identity.key_id(),
    };
    let envelope = hall.identity.sign_wanted(statement);
    let rows = (0u32..).zip(changed).map(|(index, (leaf, set))| Told {
        computer: leaf.computer,
        serial,
        set: set.encode(),
        envelope: envelope.clone(),
        leaf: leaf.encode(),
        proof: tree.proof(index).map(|proof| proof.encode()).unwrap_or_default(),
        made_at: issued_at,
        taken: 0,
    });
    Ok(rows.collect())
}

fn presented(row: Told) -> WantedPresented {
    let Told { set, envelope, leaf, proof, .. } = row;
    WantedPresented { envelope, leaf, proof, set }
}

/// Goes on until `stopping`.
pub async fn run(hall: Arc<Hall>, mut stopping: watch::Receiver<bool>) {
    let mut looking = tokio::time::interval(LOOK);
    loop {
        let is_by_the_clock = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            () = hall.wanted.news.notified() => false,
            _ = looking.tick() => true,
        };
        if is_by_the_clock {
            hall.wanted.present_again(&hall).await;
        }
        match hall.wanted.tell(&hall).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "machines were told what they are to have"),
            Err(error) => {
                tracing::error!(error = %chain(&error), "machines were not told what to have");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
