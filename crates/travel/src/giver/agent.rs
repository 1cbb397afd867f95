//! What agents say, and what they are told: connecting, reconciling, journals, questions.

use super::*;

impl Giver {
    pub(super) fn connected(
        &mut self,
        computer: ComputerId,
        session: u64,
        holdings: &[Holding],
        now: Timestamp,
    ) {
        if self.newest.get(&computer).is_some_and(|newest| *newest > session) {
            // Told late: the agent has connected anew since, and may have gone again.
            return;
        }
        self.newest.insert(computer, session);
        self.links.insert(computer, Link { session });
        self.last_seen.insert(computer, now);
        let mine: BTreeSet<RunId> = self.by_computer.get(&computer).cloned().unwrap_or_default();
        for holding in holdings {
            self.reconcile(computer, holding, now);
        }
        for id in mine.iter().filter(|id| !holdings.iter().any(|held| held.run == **id)) {
            self.missing(*id, now);
        }
        let plans: BTreeSet<DeploymentId> =
            mine.iter().filter_map(|id| self.runs.get(id)).map(|given| given.deployment).collect();
        for id in plans {
            self.tell_plan(id, deployment::Input::Connected(computer), now);
        }
        for id in mine {
            self.changed.insert(id);
            self.after(id, now);
            self.send_wanted(id);
        }
    }

    pub(super) fn disconnected(&mut self, computer: ComputerId, session: u64, now: Timestamp) {
        if self.links.get(&computer).is_none_or(|link| link.session != session) {
            return;
        }
        self.links.remove(&computer);
        self.last_seen.insert(computer, now);
        let mine: BTreeSet<RunId> = self.by_computer.get(&computer).cloned().unwrap_or_default();
        for id in mine {
            let deployment = self.runs.get(&id).map(|given| given.deployment);
            if let Some(deployment) = deployment {
                self.tell_plan(deployment, deployment::Input::Disconnected(computer), now);
            }
            self.changed.insert(id);
            self.account(id, now);
        }
    }

    /// Compares what an agent holds with what is known here.
    fn reconcile(&mut self, computer: ComputerId, holding: &Holding, now: Timestamp) {
        let run = holding.run;
        let session = self.links.get(&computer).map(|link| link.session);
        let is_its = |given: &&mut Given| given.computer == computer && given.reach == Reach::Agent;
        let Some(given) = self.runs.get_mut(&run).filter(is_its) else {
            self.look_up(computer, run);
            return;
        };
        given.held = Some((holding.frames, holding.is_leaving));
        given.leaves_in = session.filter(|_| holding.is_leaving);
        let ours = given.chain.frames();
        let is_ended = given.run.state().outcome().is_some();
        match given.run.state().owner() {
            _ if is_closed_here(given) => self.send(computer, ToAgent::Fenced { run }),
            _ if is_ended && holding.frames == ours => self.send(computer, ToAgent::Forget { run }),
            // It ended here, after the agent had given it back.
            _ if is_ended && is_held_back(given, holding) => {
                self.send(computer, ToAgent::Forget { run });
            }
            Owner::Server | Owner::Giving(_) if is_held_back(given, holding) => {
                self.agrees(run, now);
                self.send(computer, ToAgent::Acked { run, frames: holding.frames });
                // Where it is on its way there already.
                self.send_give(run, now);
            }
            Owner::Giving(epoch) | Owner::Target(epoch)
                if epoch == holding.epoch && holding.frames > ours =>
            {
                self.send(computer, ToAgent::Resend { run, from: ours });
            }
            Owner::Giving(epoch) | Owner::Target(epoch)
                if epoch == holding.epoch
                    && holding.frames == ours
                    && holding.head == given.chain.head() =>
            {
                self.agrees(run, now);
                self.send(computer, ToAgent::Acked { run, frames: ours });
            }
            _ => {
                let why = format!(
                    "the agent holds {} records under epoch {}, the server {ours}: one of them was \
                     restored from an older copy",
                    holding.frames, holding.epoch.0
                );
                self.diverge(run, &why, now);
                // An agent tells only what it has kept, so one that holds less than it once told
                // was rolled back: what it would go on with has been done before.
                if holding.frames < ours {
                    self.send(computer, ToAgent::Fenced { run });
                }
            }
        }
    }

    /// An agent came without a run that was on its way to it, or that it owned.
    fn missing(&mut self, id: RunId, now: Timestamp) {
        let Some(given) = self.runs.get(&id) else { return };
        match given.run.state().owner() {
            Owner::Server | Owner::Returning(_) => {}
            Owner::Giving(_) => self.send_give(id, now),
            Owner::Target(_) => {
                let reason =
                    "the machine came back without the run: its disk was wiped or restored, or \
                     its journal there was damaged (the agent's own log says so)"
                        .to_owned();
                self.event("diverged", given.computer, id, &reason);
                self.close(id, Outcome::Lost, reason, now);
            }
        }
    }

    pub(super) fn hear(&mut self, computer: ComputerId, message: ToServer, now: Timestamp) {
        let run = message.run();
        match self.runs.get(&run) {
            Some(given) if given.computer == computer && given.reach == Reach::Agent => {}
            Some(_) => {
                self.event(
                    "refused",
                    computer,
                    run,
                    "the agent spoke of a run that is not its own",
                );
                return;
            }
            None => return self.look_up(computer, run),
        }
        match message {
            ToServer::Frames { epoch, first, frames, .. } => {
                self.adopt(run, epoch, first, &frames, now);
            }
            ToServer::Refused { epoch, reason, .. } => self.refused(run, epoch, reason, now),
            ToServer::Ask { effect, activity, call } => {
                self.asked(computer, effect, (activity, call), now);
            }
            ToServer::Cancel { effect } => {
                self.orders.push_back(GiverOrder::Interrupt { effect });
            }
        }
    }

    fn adopt(&mut self, run: RunId, epoch: Epoch, first: u64, frames: &[Vec<u8>], now: Timestamp) {
        let Some(given) = self.runs.get_mut(&run) else { return };
        let (computer, ours) = (given.computer, given.chain.frames());
        if is_closed_here(given) {
            return self.send(computer, ToAgent::Fenced { run });
        }
        if given.run.state().outcome().is_some() {
            let is_whole = first + frames.len() as u64 >= ours;
            let end = if is_whole { ToAgent::Forget { run } } else { ToAgent::Fenced { run } };
            return self.send(computer, end);
        }
        let owner = given.run.state().owner();
        let told = first + frames.len() as u64;
        let is_returned = given.returned.is_some_and(|chain| told <= chain.frames());
        if is_returned && !matches!(owner, Owner::Target(_)) {
            return self.send(computer, ToAgent::Acked { run, frames: told });
        }
        if !matches!(owner, Owner::Giving(held) | Owner::Target(held) if held == epoch) {
            return self.event(
                "refused",
                computer,
                run,
                "frames of an epoch that the agent does not own",
            );
        }
        if first > ours {
            return self.send(computer, ToAgent::Resend { run, from: ours });
        }
        let known = (ours - first) as usize;
        for frame in frames.iter().skip(known) {
            if let Err(why) = self.adopt_frame(run, frame, now) {
                self.diverge(run, &why, now);
                return self.account(run, now);
            }
        }
        if frames.len() > known {
            self.agrees(run, now);
        }
        let Some(given) = self.runs.get_mut(&run) else { return };
        let (frames, last_order) = (given.chain.frames(), given.run.state().last_order());
        given.wanted.retain(|(number, ..)| *number > last_order);
        if matches!(given.run.state().owner(), Owner::Target(_)) {
            given.frames = Vec::new();
        }
        let is_over = given.run.state().outcome().is_some();
        let is_returning = matches!(given.run.state().owner(), Owner::Returning(_));
        if is_returning {
            // Told of before in this session, the machine may be back already.
            let is_leaving =
                given.held.is_none_or(|(held, is_leaving)| held < frames || is_leaving);
            let session = self.links.get(&computer).map(|link| link.session);
            given.leaves_in = session.filter(|_| is_leaving);
        }
        self.send(computer, ToAgent::Acked { run, frames });
        if is_over {
            self.send(computer, ToAgent::Forget { run });
        } else if matches!(owner, Owner::Giving(_)) {
            self.send_wanted(run);
        }
        if is_returning {
            return self.after(run, now);
        }
        self.account(run, now);
    }

    /// Folds in one record of an agent, if a run of this workflow could have gone so.
    fn adopt_frame(&mut self, id: RunId, frame: &[u8], now: Timestamp) -> Result<(), String> {
        let Some(given) = self.runs.get_mut(&id) else { return Ok(()) };
        let mut chain = given.chain;
        let (record, length) = chain.read(frame).map_err(|error| error.to_string())?;
        if length != frame.len() {
            return Err("bytes are left over behind a frame".into());
        }
        if let Record::Giving { .. } | Record::Opened { .. } | Record::Regained { .. } = record {
            return Err(format!("a record of the server ({}) came from the agent", record.kind()));
        }
        if let Record::Closed {
            outcome: Outcome::Lost | Outcome::NotBegun | Outcome::Refused,
            ..
        } = record
        {
            return Err("an outcome that only the server gives came from the agent".into());
        }
        let attempt = given.run.state().attempt();
        given.run.adopt(&record).map_err(|error| error.to_string())?;
        let seq = given.chain.frames();
        given.chain = chain;
        given.changed = now;
        self.changed.insert(id);
        self.writes.push(GiverWrite::Journal { run: id, seq, frame: frame.to_vec() });
        if let Record::Ended { visit, .. } = record {
            // Ended without the answer: it was cancelled, which may not have been heard here.
            self.interrupt_begun(EffectId::new(id, attempt, visit));
        }
        Ok(())
    }

    fn refused(&mut self, run: RunId, epoch: Epoch, reason: String, now: Timestamp) {
        let Some(given) = self.runs.get(&run) else { return };
        if given.run.state().owner() != Owner::Giving(epoch) {
            return;
        }
        let text = format!("the agent refused the run: {reason}");
        self.event("refused", given.computer, run, &text);
        self.close(run, Outcome::Refused, reason, now);
    }

    fn look_up(&mut self, computer: ComputerId, run: RunId) {
        if let Some(link) = self.links.get(&computer) {
            let session = link.session;
            self.orders.push_back(GiverOrder::LookUp { computer, session, run });
        }
    }

    fn diverge(&mut self, run: RunId, why: &str, now: Timestamp) {
        let Some(given) = self.runs.get_mut(&run) else { return };
        let computer = given.computer;
        if given.diverged.as_deref() != Some(why) {
            given.diverged = Some(why.to_owned());
            given.changed = now;
            self.changed.insert(run);
            self.event("diverged", computer, run, why);
        }
    }

    /// What the agent holds continues this journal, whatever was thought of it before.
    fn agrees(&mut self, run: RunId, now: Timestamp) {
        if let Some(given) = self.runs.get_mut(&run).filter(|given| given.diverged.is_some()) {
            given.diverged = None;
            given.changed = now;
            self.changed.insert(run);
        }
    }

    pub(super) fn event(
        &mut self,
        kind: &'static str,
        computer: ComputerId,
        run: RunId,
        text: &str,
    ) {
        let text = text.to_owned();
        let (computer, run) = (Some(computer), Some(run));
        self.writes.push(GiverWrite::Event { kind, computer, run, text });
    }

    pub(super) fn send_wanted(&mut self, id: RunId) {
        let Some(given) = self.runs.get(&id) else { return };
        let computer = given.computer;
        if given.run.state().owner() == Owner::Server || given.run.state().outcome().is_some() {
            return;
        }
        for (number, control, _) in given.wanted.clone() {
            self.send(computer, ToAgent::Control { run: id, number, control });
        }
    }

    pub(super) fn send_give(&mut self, id: RunId, now: Timestamp) {
        let Some(given) = self.runs.get(&id) else { return };
        let (Owner::Giving(epoch), Some(plan)) =
            (given.run.state().owner(), self.plans.get(&given.deployment))
        else {
            return;
        };
        let Some(permit) = plan.permits.get(given.warrant) else { return };
        let Some(proof) = permit.tree.proof(given.index) else { return };
        let give = Give {
            run: id,
            deployment: given.deployment,
            epoch,
            warrant: permit.envelope.clone(),
            leaf: given.leaf.clone(),
            proof: proof.encode(),
            definition: permit.definition.clone(),
            variables: plan.variables.clone(),
            secrets: BTreeMap::new(),
            first: given.returned.map_or(0, |chain| chain.frames()),
            frames: given.frames.clone(),
            remaining: given.run.remaining(now),
        };
        let computer = given.computer;
        // People's orders go ahead of the run, so that it begins nothing against them.
        self.send_wanted(id);
        self.send(computer, ToAgent::Give(Box::new(give)));
    }
}

/// Whether an agent holds what it once gave back, and nothing else of this run since.
fn is_held_back(given: &Given, holding: &Holding) -> bool {
    let Some(mut chain) = given.returned else { return false };
    for frame in &given.frames {
        if chain.frames() >= holding.frames {
            break;
        }
        if chain.read(frame).is_err() {
            return false;
        }
    }
    chain.frames() == holding.frames && chain.head() == holding.head
}

/// The server ended the run without its agent, which must not go on with it.
fn is_closed_here(given: &Given) -> bool {
    let outcome = given.run.state().outcome().map(|(outcome, _)| outcome);
    matches!(outcome, Some(Outcome::Lost | Outcome::Refused | Outcome::NotBegun))
}
