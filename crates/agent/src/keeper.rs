//! Applications that this machine is to have: what was signed for it, and bringing that about.
//!
//! [`application::keeper`] decides; here are the set it goes by ([`Held`]), the documents and files
//! that it needs ([`Stock`]), and the hands. All of it goes on while no server is there: what was
//! fetched once is used from disk. Invariants: an order acts on content only that the set names by
//! hash; an application whose new files are not here yet stays as it is, and is never taken for
//! one that is not wanted any more.

mod doing;
mod fetching;
mod hands;
mod notes;
mod stock;
mod told;
mod wanted;
mod wishes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use application::keeper::{Ended, Held as HeldPart, Input as Heard, Keeper, Known, Order};
use application::{Application, Part};
use jiff::tz::TimeZone;
use machine::power::Power;
use model::{ApplicationId, ComputerId, Timestamp};
use tokio::sync::{Notify, mpsc};
use trust::WantedSet;
use wire::wanted::{Standing, Standings};

use crate::application::Document;
use crate::clock::now;
use crate::driver::{Input, due};
use crate::state::StateFolder;
use crate::transfer::Transfers;
use doing::{Asks, Doing};
pub(crate) use hands::{Brought, Came, Hands, HandsError, differing};
use notes::{Notes, Said};
use stock::Stock;
pub(crate) use wanted::{Current, Held};

/// How often it is looked who is logged on.
const LOOK: Duration = Duration::from_secs(10);

/// What a keeper works with.
pub(crate) struct Parts {
    pub computer: ComputerId,
    pub folder: StateFolder,
    pub current: Current,
    /// A server wants to be told where everything stands.
    pub asked: Arc<Notify>,
    pub transfers: Arc<Transfers>,
    pub inputs: mpsc::Sender<Input>,
    /// None where nothing of the machine itself may be touched.
    pub power: Option<Arc<dyn Power>>,
    pub hands: Hands,
}

struct Task {
    parts: Parts,
    engine: Keeper,
    notes: Notes,
    stock: Stock,
    set: Arc<WantedSet>,
    /// A set is known. Before that nothing is done: what is here would be taken for unwanted.
    is_told: bool,
    documents: BTreeMap<ApplicationId, Arc<Document>>,
    names: BTreeMap<ApplicationId, String>,
    versions: BTreeMap<(ApplicationId, Part), u16>,
    users: BTreeSet<String>,
    /// What is not in stock, and why not.
    untouched: BTreeMap<ApplicationId, String>,
    said: Vec<Standing>,
    /// Whoever is there is asked whether what is in progress may be.
    is_asking: bool,
}

/// What happened beside.
enum News {
    /// With all that is on record after it.
    Ended(Order, Ended, Option<BTreeSet<(ApplicationId, Part)>>),
    Fetched,
    NotFetched(ApplicationId, String),
    Users(BTreeSet<String>),
}

/// Keeps for ever; without hands, which is told, it ends.
pub(crate) async fn keep(mut parts: Parts) {
    parts.hands = parts.hands.restarting();
    let hands = parts.hands.clone();
    let opened = tokio::task::spawn_blocking(move || hands.on_record()).await;
    let (here, restarts) = match opened {
        Ok(Ok((here, restarts))) => (here, restarts),
        Ok(Err(error)) => {
            tracing::error!("applications are not kept: {}", error.in_words());
            return std::future::pending().await;
        }
        Err(error) => {
            tracing::error!("applications are not kept: {error}");
            return std::future::pending().await;
        }
    };
    let notes = Notes::open(&parts.folder);
    let held = |one: &hands::OnRecord| {
        let looked = notes.looked(one.application, &one.part);
        HeldPart {
            application: one.application,
            part: one.part.clone(),
            version: one.version,
            verified_at: looked.map_or(Timestamp::EPOCH, notes::Looked::at),
            drift: looked.map_or(0, |looked| looked.drift),
            uninstall_when_unassociated: notes.goes(one.application, &one.part),
        }
    };
    let users = parts.users().await;
    let known = Known {
        held: here.iter().map(held).collect(),
        users: users.clone(),
        restarts,
        restart_put_off: notes.restart_put_off(now()),
    };
    let engine = Keeper::open(parts.computer, TimeZone::system(), known);
    let task = Task {
        engine,
        notes,
        stock: Stock::of(&parts.folder),
        set: Arc::default(),
        is_told: false,
        documents: BTreeMap::new(),
        names: here.iter().map(|one| (one.application, one.name.clone())).collect(),
        versions: here.into_iter().map(|one| ((one.application, one.part), one.version)).collect(),
        users,
        untouched: BTreeMap::new(),
        said: Vec::new(),
        is_asking: false,
        parts,
    };
    task.run().await;
}

impl Parts {
    async fn users(&self) -> BTreeSet<String> {
        let hands = self.hands.clone();
        let found = tokio::task::spawn_blocking(move || hands.users()).await;
        found.unwrap_or_default()
    }
}

impl Task {
    async fn run(mut self) {
        let (tell, mut news) = mpsc::channel(16);
        let mut current = self.parts.current.clone();
        let asked = self.parts.asked.clone();
        let mut looking = tokio::time::interval(LOOK);
        let fetching = fetching::fetch(
            self.stock.clone(),
            self.parts.transfers.clone(),
            self.parts.current.clone(),
            tell.clone(),
        );
        let mut fetching = std::pin::pin!(fetching);
        let known = current.borrow_and_update().clone();
        self.want(known);
        loop {
            while self.is_told
                && let Some(order) = self.engine.poll_order(now())
            {
                self.begin(order, tell.clone());
            }
            self.report(false).await;
            let timeout = self.engine.poll_timeout(now()).map(|(at, _)| at);
            let timeout = timeout.filter(|_| self.is_told);
            tokio::select! {
                changed = current.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // Whoever has come meanwhile is asked about what is new.
                    let users = self.parts.users().await;
                    self.hear(News::Users(users));
                    let set = current.borrow_and_update().clone();
                    self.want(set);
                }
                Some(news) = news.recv() => self.hear(news),
                () = &mut fetching => return,
                () = asked.notified() => self.report(true).await,
                () = due(timeout) => {}
                _ = looking.tick() => {
                    let users = self.parts.users().await;
                    self.hear(News::Users(users));
                }
            }
        }
    }

    /// Without a set nothing is wanted and nothing is gone: it has not been told yet.
    fn want(&mut self, set: Option<Arc<WantedSet>>) {
        let Some(set) = set else { return };
        for wanted in &set.applications {
            self.names.insert(wanted.application, wanted.name.clone());
        }
        (self.set, self.is_told) = (set, true);
        self.untouched.clear();
        self.renew();
    }

    /// Tells the engine what is wanted, as far as its files are here.
    fn renew(&mut self) {
        self.documents.clear();
        let set = self.set.clone();
        let mut wishes = Vec::with_capacity(set.applications.len());
        let mut is_whole = true;
        for wanted in &set.applications {
            let id = wanted.application;
            let missing = self.stock.ready(wanted).map(|document| {
                let is_here = |id| self.versions.contains_key(&(id, Part::Machine));
                let missing = wishes::missing(&document.application, &set.applications, is_here);
                (document, missing)
            });
            if let Some((document, None)) = missing {
                wishes.push(wishes::wish(wanted, &document.application));
                self.documents.insert(id, Arc::new(document));
                self.untouched.remove(&id);
                continue;
            }
            is_whole = false;
            match missing {
                Some((_, needed)) => {
                    let needed = needed.unwrap_or_default();
                    let why = format!("the application {needed}, which it needs and nobody gives");
                    self.untouched.insert(id, why);
                }
                None => {
                    let on_their_way = || "its files, which are on their way".to_owned();
                    self.untouched.entry(id).or_insert_with(on_their_way);
                }
            }
            let here = self.versions.get(&(id, Part::Machine)).copied();
            wishes.push(wishes::unready(wanted, here));
        }
        self.engine.handle(Heard::Wanted(wishes), now());
        self.notes.note(&self.engine);
        if is_whole && let Err(error) = self.stock.sweep(&set) {
            tracing::debug!("files of applications that are not wanted stay: {error}");
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Fetched => self.renew(),
            News::NotFetched(id, why) => drop(self.untouched.insert(id, why)),
            News::Users(users) => {
                for user in users.difference(&self.users) {
                    self.engine.handle(Heard::LoggedOn(user.clone()), now());
                }
                for user in self.users.difference(&users) {
                    self.engine.handle(Heard::LoggedOff(user.clone()), now());
                }
                self.users = users;
            }
            News::Ended(order, ended, here) => {
                self.note(&order, &ended);
                self.engine.handle(Heard::Ended(ended), now());
                if let Some(here) = here {
                    self.versions.retain(|place, _| here.contains(place));
                    self.engine.handle(Heard::OnRecord(here), now());
                }
                self.notes.note(&self.engine);
            }
        }
    }

    fn note(&mut self, order: &Order, ended: &Ended) {
        let Some((application, part)) = order.place() else { return };
        let name = self.names.get(&application).cloned().unwrap_or_default();
        self.note_said(application, ended);
        match ended {
            Ended::InPlace { version, .. } => {
                tracing::info!("{name} version {version} is in place");
                self.versions.insert((application, part.clone()), *version);
            }
            Ended::Verified { .. } => {}
            Ended::Uninstalled { .. } => {
                tracing::info!("{name} is uninstalled");
                self.versions.remove(&(application, part.clone()));
            }
            Ended::Failed { why } => tracing::error!("{name}: {why}"),
            Ended::Unavailable { why } => tracing::info!("{name} is not for this machine: {why}"),
            Ended::Declined => tracing::info!("{name} was declined"),
            Ended::Restarting => {}
        }
    }

    /// So that whoever was asked is not asked again after a failure or a restart.
    fn note_said(&mut self, id: ApplicationId, ended: &Ended) {
        let is_asking = std::mem::take(&mut self.is_asking);
        let document = self.documents.get(&id).filter(|_| is_asking);
        let Some(document) = document else { return };
        let said = if *ended == Ended::Declined { Said::No } else { Said::Yes };
        self.notes.note_said(id, document.application.version, said, now());
    }

    fn begin(&mut self, order: Order, tell: mpsc::Sender<News>) {
        // Whatever becomes of the agent, it is known whether what comes now goes some day.
        self.notes.note(&self.engine);
        let (doing, hands) = (self.doing(&order), self.parts.hands.clone());
        tokio::spawn(async move {
            let ended = doing.carry_out(&order).await;
            let here = match order {
                Order::Distribute { .. } => doing::places(hands).await,
                _ => None,
            };
            // The keeper ends with the agent.
            let _ = tell.send(News::Ended(order, ended, here)).await;
        });
    }

    /// All that carrying an order out needs of what is known here.
    fn doing(&mut self, order: &Order) -> Doing {
        let id = order.place().map(|(id, _)| id);
        let wanted =
            id.and_then(|id| self.set.applications.iter().find(|one| one.application == id));
        let document = id.and_then(|id| self.documents.get(&id).cloned());
        let asks = match (order, &document) {
            (Order::Distribute { application, .. }, Some(document)) => {
                self.asks(*application, document)
            }
            (Order::Restart { ask: true, .. }, _) if !self.users.is_empty() => Asks::Whole,
            _ => Asks::Nothing,
        };
        self.is_asking = asks == Asks::Whole;
        Doing {
            hands: self.parts.hands.clone(),
            power: self.parts.power.clone(),
            source: wanted.and_then(|wanted| self.stock.source(wanted.source)),
            document,
            asks,
        }
    }

    /// What somebody is asked before an application comes: the first time whether it may (AP-11),
    /// and about files that want it. Where nobody is logged on, it comes without.
    fn asks(&self, id: ApplicationId, document: &Document) -> Asks {
        let Application { version, options, .. } = &document.application;
        let is_here = self.versions.keys().any(|(other, _)| *other == id);
        let said = self.notes.said(id, *version, now());
        match said {
            Said::No if options.prompt && !is_here => Asks::Declined,
            _ if self.users.is_empty() => Asks::Nothing,
            Said::Nothing if options.prompt && !is_here => Asks::Whole,
            _ => Asks::Files,
        }
    }

    /// Tells a server where everything stands, if that is news or it has asked.
    async fn report(&mut self, is_asked: bool) {
        let instant = now();
        let mut told = told::told(self.engine.standings(instant), &self.names, instant);
        for wanted in &self.set.applications {
            let Some(why) = self.untouched.get(&wanted.application) else { continue };
            let known = told
                .iter_mut()
                .find(|one| one.application == wanted.application && one.user.is_none());
            match known {
                Some(known) => {
                    known.wanted = Some(wanted.version);
                    known.state = "pending".to_owned();
                    known.pending.clone_from(why);
                }
                None => told.push(told::untouched(wanted, why, instant)),
            }
        }
        if !self.is_told || (!is_asked && is_same(&told, &self.said)) {
            return;
        }
        self.said.clone_from(&told);
        let standings = Standings { are_all: true, parts: told };
        // Without a driver the agent is ending.
        let _ = self.parts.inputs.send(Input::Standings(standings)).await;
    }
}

/// Apart from when it was told.
fn is_same(one: &[Standing], other: &[Standing]) -> bool {
    let same = |(a, b): (&Standing, &Standing)| Standing { at: b.at, ..a.clone() } == *b;
    one.len() == other.len() && one.iter().zip(other).all(same)
}
