//! Taking a run over: what was given is checked, kept, then begun.

use super::*;

impl Taker {
    pub(super) fn take(&mut self, give: Give, now: Timestamp) {
        let (run, epoch) = (give.run, give.epoch);
        // Given back under an earlier epoch, or taken again only half when the agent died.
        let was_given_back = |held: &Held| match held.run.state().owner() {
            Owner::Returning(held) => held < epoch,
            Owner::Server => true,
            Owner::Giving(held) => held <= epoch,
            Owner::Target(_) => false,
        };
        let is_open = |held: &&Held| held.run.state().outcome().is_none();
        let is_back = self.runs.get(&run).filter(is_open).is_some_and(was_given_back);
        if let Some(held) = self.runs.get_mut(&run).filter(|_| !is_back) {
            if held.run.state().epoch() == epoch {
                held.sent = Some(give.first + give.frames.len() as u64);
                self.send_frames(run, true);
            }
            return;
        }
        let taken = if self.refused.contains(&(run, epoch)) {
            Err("it was refused before".to_owned())
        } else if is_back {
            self.take_again(give, now)
        } else {
            self.try_take(give, now)
        };
        if let Err(reason) = taken {
            self.refuse(run, epoch, reason);
        }
    }

    /// Does not take what was given, nor its repetition on this link.
    pub fn refuse(&mut self, run: RunId, epoch: Epoch, reason: String) {
        self.refused.insert((run, epoch));
        let text = format!("not taken: {reason}");
        self.orders.push_back(TakerOrder::Note { run, text });
        self.orders.push_back(TakerOrder::Send(ToServer::Refused { run, epoch, reason }));
    }

    pub(super) fn try_take(&mut self, give: Give, now: Timestamp) -> Result<(), String> {
        let granted = self.verify(&give, now)?;
        if granted.usage() == Use::Repeated {
            return Err("this run has ended here; its warrant is used up".into());
        }
        if give.first > 0 {
            return Err("this machine does not hold what it once gave back of this run".into());
        }
        let workflow = Arc::new((self.parse)(&give.definition)?);
        let package = Package {
            run: give.run,
            deployment: granted.warrant().deployment,
            epoch: give.epoch,
            warrant: give.warrant,
            leaf: give.leaf,
            definition: give.definition,
            variables: give.variables,
            secrets: give.secrets,
        };
        let mut chain = Chain::new(give.run);
        let records = read(&mut chain, &give.frames)?;
        let base = self.context(&workflow, &package, granted.told().clone());
        let mut run = Run::open(give.run, Place::Target, workflow, base, records)
            .map_err(|error| format!("its journal: {error}"))?;
        if run.state().owner() != Owner::Giving(give.epoch) {
            return Err("its journal does not end with this hand-over".into());
        }
        let controls = self.early.remove(&give.run).unwrap_or_default().into_iter().collect();
        let take = Input::Take { epoch: give.epoch, remaining: give.remaining, controls };
        run.handle(take, now).map_err(|error| error.to_string())?;
        let given = give.frames.len() as u64;
        let held = Held {
            package,
            run,
            chain,
            frames: give.frames,
            acked: given,
            sent: self.is_linked.then_some(given),
            is_fenced: false,
            is_over: false,
            end_by: Some(now + granted.warrant().run_limit),
            leaving: None,
            asked: BTreeMap::new(),
        };
        self.hold(held, &granted.spending());
        Ok(())
    }

    /// Takes a run again that was given back before this machine went off: what the server did
    /// with it must continue what is kept here.
    fn take_again(&mut self, give: Give, now: Timestamp) -> Result<(), String> {
        self.verify(&give, now)?;
        let Some(held) = self.runs.get(&give.run) else { return Ok(()) };
        let known = held.frames.get(give.first as usize..).unwrap_or_default();
        let is_continued = give.first as usize <= held.frames.len()
            && give.frames.len() >= known.len()
            && give.frames[..known.len()] == *known;
        if !is_continued {
            return Err("its journal does not continue the one that is kept here".into());
        }
        let (mut run, mut chain) = (held.run.clone(), held.chain);
        let new = give.frames[known.len()..].to_vec();
        for record in read(&mut chain, &new)? {
            run.adopt(&record).map_err(|error| format!("its journal: {error}"))?;
        }
        if run.state().owner() != Owner::Giving(give.epoch) {
            return Err("its journal does not end with this hand-over".into());
        }
        let controls = self.early.remove(&give.run).unwrap_or_default().into_iter().collect();
        let take = Input::Take { epoch: give.epoch, remaining: give.remaining, controls };
        run.handle(take, now).map_err(|error| error.to_string())?;
        let (id, is_linked) = (give.run, self.is_linked);
        let Some(held) = self.runs.get_mut(&id) else { return Ok(()) };
        held.frames.extend(new.iter().cloned());
        (held.run, held.chain, held.leaving) = (run, chain, None);
        held.acked = chain.frames();
        held.sent = is_linked.then_some(chain.frames());
        self.writes.extend(new.into_iter().map(|frame| TakerWrite::Append { run: id, frame }));
        self.pump(id);
        Ok(())
    }

    /// Keeps a run that was just taken, with the records that taking it led to.
    pub(super) fn hold(&mut self, mut held: Held, spending: &Spending) {
        while let Some(record) = held.run.poll_record() {
            held.frames.push(held.chain.push(&record));
        }
        let (id, frames) = (held.package.run, held.frames.clone());
        let package = Box::new(held.package.clone());
        self.writes.push_back(TakerWrite::Take { package, frames });
        self.writes.push_back(TakerWrite::Spend(*spending));
        self.spent.spend(spending);
        self.runs.insert(id, held);
        self.pump(id);
    }

    pub(super) fn verify(&self, give: &Give, now: Timestamp) -> Result<Granted, String> {
        let presented = Presented {
            run: give.run,
            warrant: &give.warrant,
            proof: &give.proof,
            leaf: &give.leaf,
            definition: &give.definition,
            variables: &give.variables,
        };
        let recipient = Recipient {
            computer: self.me.computer,
            key: self.me.key,
            trust: &self.trust,
            spent: &self.spent,
        };
        trust::verify(&presented, &recipient, now).map_err(|refusal| refusal.to_string())
    }

    pub(super) fn context(&self, workflow: &Workflow, package: &Package, told: Facts) -> Context {
        let mut variables = workflow.variables.clone();
        variables
            .extend(package.variables.iter().map(|(name, value)| (name.clone(), value.clone())));
        Context {
            computer: told,
            deployment: deployment_facts(package.deployment, workflow),
            agent: self.me.told.clone(),
            variables,
            ..Context::default()
        }
    }
}

/// The records of frames that follow `chain`.
fn read(chain: &mut Chain, frames: &[Vec<u8>]) -> Result<Vec<Record>, String> {
    let record = |frame: &Vec<u8>| {
        let (record, length) =
            chain.read(frame).map_err(|error| format!("its journal: {error}"))?;
        match length == frame.len() {
            true => Ok(record),
            false => Err("its journal: bytes are left over".to_owned()),
        }
    };
    frames.iter().map(record).collect()
}
