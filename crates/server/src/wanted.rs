//! What each machine is to have: worked out from associations, signed, told, and what comes back.
//!
//! One task looks again whenever something may have changed what a machine is to have, and tells
//! only those for which it did. Agents check the signature themselves; what they were told is kept,
//! so that one that was away is told when it returns. Invariant: what was told is durable before it
//! is sent, and the serial of a machine only rises.

mod heard;
mod sets;
mod standings;
mod statements;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{ApplicationId, ComputerId, Digest};
use store::rows::{self, Agent, AgentState, WantedHead, WantedSet as Told};
use store::{CommitError, ReadError, Write};
use tokio::sync::{Notify, watch};
use trust::{
    NoTree, TargetTree, VerifyingKey, Wanted as Statement, WantedLeaf, WantedPresented, WantedSet,
};
use wire::wanted::WantedNews;

use crate::applications;
use crate::clock::now;
use crate::core::{Gone, chain};
use crate::fleet::Fleet;
use crate::gateway::cleaned;
use crate::hall::{About, Hall, SELF};
use heard::Heard;
pub use sets::{Publication, sets};
pub use standings::hear_standings;
use statements::{Standing, Statements};

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
    statements: Statements,
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
    #[error(transparent)]
    Gone(#[from] Gone),
}

impl Wanted {
    /// Something was changed on which it depends what machines are to have.
    pub fn look_again(&self) {
        self.news.notify_one();
    }

    /// The latest publication of each application; documents of others are let go of.
    fn publications(&self, rows: Vec<rows::Application>) -> BTreeMap<ApplicationId, Publication> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = std::mem::take(&mut *read);
        let publications = rows.into_iter().map(|row| {
            let document = known.remove(&row.digest).or_else(|| read.get(&row.digest).cloned());
            // One that this version cannot read any more has none.
            let document = document.or_else(|| applications::check(&row.text).0.map(Arc::new));
            if let Some(document) = &document {
                read.insert(row.digest, document.clone());
            }
            (row.id, Publication { row, document })
        });
        publications.collect()
    }

    /// Works out what every machine is to have, and tells those for which it changed. How many.
    pub async fn tell(&self, hall: &Arc<Hall>) -> Result<usize, TellError> {
        let associations = hall.store.associations().await?;
        let heads = hall.store.wanted_heads().await?;
        let last = heads.iter().map(|head| head.serial).max().unwrap_or(0);
        let last = last.max(self.heard.last_serial());
        if associations.is_empty() && last == 0 {
            return Ok(0);
        }
        let standing = self.statements.judge(hall, &heads).await?;
        self.release(hall, &heads, &standing).await?;
        let published = hall.store.applications().await?;
        let (fleet, of) = (Fleet::read(hall).await?, hall.clone());
        let signing = tokio::task::spawn_blocking(move || {
            let publications = of.wanted.publications(published);
            let wanted = sets(&fleet, &associations, &publications);
            sign(&of, last, &of.wanted.changed(&fleet, &wanted, heads, &standing))
        });
        let rows = signing.await.map_err(|_| Gone)??;
        let Some(first) = rows.first() else { return Ok(0) };
        let (serial, is_whole) = (first.serial, self.statements.is_signed(hall, first));
        let mut writes: Vec<Write> = rows.iter().cloned().map(Write::PutWantedSet).collect();
        let count = rows.len();
        if !is_whole {
            let text = format!(
                "what {count} computers are to have waits for an operator's signature: `deskhand \
                 keys operator list`"
            );
            writes.push(hall.event("keys", About::NOTHING, SELF, text));
        }
        hall.writer.submit(writes).await?;
        if !is_whole {
            self.statements.withhold(serial);
            return Ok(0);
        }
        for row in rows {
            hall.links.want(row.computer, presented(row));
        }
        Ok(count)
    }

    /// What machines are to have that is not what they were told last. Where anything changes, what
    /// waits for signatures is stated anew with it, so that what waits is always whole.
    fn changed(
        &self,
        fleet: &Fleet,
        wanted: &BTreeMap<ComputerId, WantedSet>,
        heads: Vec<WantedHead>,
        standing: &Standing,
    ) -> Vec<(WantedLeaf, WantedSet)> {
        let told: BTreeMap<ComputerId, WantedHead> =
            heads.into_iter().map(|head| (head.computer, head)).collect();
        let (mut changed, mut waiting) = (Vec::new(), Vec::new());
        let mut is_whole = true;
        for agent in fleet.agents().filter(|agent| agent.state == AgentState::Enrolled) {
            let set = wanted.get(&agent.computer);
            let Some(leaf) = leaf(agent, set.unwrap_or(&WantedSet::default())) else { continue };
            let head = told.get(&agent.computer);
            let heard = self.heard.serial(agent.computer);
            let is_same = match head {
                Some(head) => {
                    let is_ours = head.leaf == leaf.encode() && standing.is_ours(head.serial);
                    is_ours && head.serial >= heard
                }
                None => set.is_none() && heard == 0,
            };
            let pair = (leaf, set.cloned().unwrap_or_default());
            match head {
                _ if !is_same => changed.push(pair),
                Some(head) if standing.is_open(head.serial) && head.taken < head.serial => {
                    is_whole &= standing.is_whole(head.serial);
                    waiting.push(pair);
                }
                _ => {}
            }
        }
        if !changed.is_empty() || !is_whole {
            changed.append(&mut waiting);
        }
        changed
    }

    /// Tells machines what they were not told before enough had signed it.
    async fn release(
        &self,
        hall: &Hall,
        heads: &[WantedHead],
        standing: &Standing,
    ) -> Result<(), ReadError> {
        let freed = self.statements.release(standing);
        for head in heads.iter().filter(|head| freed.contains(&head.serial)) {
            if let Some(row) = hall.store.wanted_set(head.computer).await?
                && row.serial == head.serial
            {
                hall.links.want(row.computer, presented(row));
            }
        }
        Ok(())
    }

    /// What an agent that has just been welcomed is to have.
    pub async fn greet(&self, hall: &Hall, computer: ComputerId) -> Option<WantedPresented> {
        let row = hall.store.wanted_set(computer).await.ok()??;
        if !self.statements.is_signed(hall, &row) {
            self.statements.withhold(row.serial);
            return None;
        }
        Some(presented(row))
    }

    /// Whether that waits for signatures before its machine is told.
    pub fn is_waiting(&self, hall: &Hall, row: &Told) -> bool {
        row.taken < row.serial && !self.statements.is_signed(hall, row)
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
        let heads = hall.store.wanted_heads().await.unwrap_or_default();
        let untaken = heads.into_iter().filter(|head| head.taken < head.serial);
        for head in untaken.filter(|head| hall.links.is_online(head.computer)) {
            if let Some(wanted) = self.greet(hall, head.computer).await {
                hall.links.want(head.computer, wanted);
            }
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
