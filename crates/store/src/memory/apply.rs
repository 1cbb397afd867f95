//! Carrying out writes in memory, and the laws that refuse them.

use model::{ComputerId, DeploymentId, RunId, ServerId, Timestamp, TokenId};

use super::State;
use crate::rows::{
    Agent, Computer, Deployment, DeploymentCopy, Effect, KeptMessage, LoggedEvent, Message,
    Reading, Run, Server, Token, Warrant, Workflow,
};
use crate::write::{FIRST, FIRST_COPY, check_numbers, name_key};
use crate::{Refusal, Write};

impl State {
    pub(super) fn apply(&mut self, write: Write) -> Result<(), Refusal> {
        check_numbers(&write)?;
        match write {
            Write::PutServer(server) => self.put_server(server),
            Write::PutComputer(computer) => self.put_computer(computer),
            Write::RemoveComputer(id) => self.remove_computer(id),
            Write::PutAgent(agent) => self.put_agent(agent),
            Write::TouchAgent { computer, last_seen, counter, address } => {
                let mut agent =
                    self.agents.get(&computer).cloned().ok_or(Refusal::NoAgent(computer))?;
                (agent.last_seen, agent.counter, agent.address) = (last_seen, counter, address);
                self.agents.put(computer, agent);
                Ok(())
            }
            Write::AgentTrust { computer, number } => {
                let agent = self.agents.get(&computer).cloned();
                let agent = agent.ok_or(Refusal::NoAgent(computer))?;
                self.agents.put(computer, Agent { trust_number: number, ..agent });
                Ok(())
            }
            Write::PutToken(token) => {
                self.tokens.put(token.id, token);
                Ok(())
            }
            Write::UseToken { id, at } => self.use_token(id, at),
            Write::RevokeToken(id) => {
                let token = self.token(id)?;
                self.tokens.put(id, Token { revoked: true, ..token });
                Ok(())
            }
            Write::PutWorkflow(workflow) => self.put_workflow(workflow),
            Write::PutDeployment(deployment) => self.put_deployment(deployment),
            Write::AppendDeploymentRecord { deployment, seq, bytes } => {
                self.append_deployment_record(deployment, seq, bytes)
            }
            Write::PutDeploymentCopy(copy) => self.put_copy(copy),
            Write::PutWarrant(warrant) => self.put_warrant(warrant),
            Write::PutRun(run) => self.put_run(run),
            Write::AppendJournal { run, seq, bytes } => self.append_journal(run, seq, bytes),
            Write::PutEffect(effect) => self.put_effect(effect),
            Write::AppendEvent(event) => {
                let seq = self.events.range(..).next_back().map_or(FIRST, |(last, _)| last + 1);
                self.events.put(seq, LoggedEvent { seq, event });
                Ok(())
            }
            Write::PutSetting(setting) => {
                self.settings.put(setting.key.clone(), setting);
                Ok(())
            }
            Write::PutMessage(message) => {
                self.put_message(message);
                Ok(())
            }
            Write::ReadMessage { seq, reading } => self.read_message(seq, reading),
            Write::PutDocument(document) => {
                let key = (document.kind.clone(), name_key(&document.name));
                self.documents.put(key, document);
                Ok(())
            }
            Write::RemoveDocument { kind, name } => {
                let key = (kind, name_key(&name));
                if self.documents.get(&key).is_none() {
                    return Err(Refusal::NoDocument { kind: key.0, name });
                }
                self.documents.remove(&key);
                Ok(())
            }
            write => self.apply_to_applications(write),
        }
    }

    fn put_server(&mut self, server: Server) -> Result<(), Refusal> {
        let key = name_key(&server.name);
        let holder = self.servers.values().find(|other| name_key(&other.name) == key);
        if let Some(other) = holder.filter(|other| other.id != server.id) {
            return Err(Refusal::NameTaken { name: server.name, by: other.id.to_string() });
        }
        let held = self.servers.get(&server.id).map_or(0, |known| known.fence);
        if server.fence < held {
            return Err(Refusal::FenceWentBack { server: server.id, held, got: server.fence });
        }
        self.servers.put(server.id, server);
        Ok(())
    }

    fn put_computer(&mut self, row: Computer) -> Result<(), Refusal> {
        let (id, key) = (row.computer.id, name_key(&row.computer.name));
        if let Some(holder) = self.names.get(&key).filter(|holder| **holder != id) {
            let (name, by) = (row.computer.name, holder.to_string());
            return Err(Refusal::NameTaken { name, by });
        }
        if let Some(parent) = row.computer.parent {
            self.check_parent(&row, parent)?;
        }
        let known = self.computers.get(&id).cloned();
        if !row.computer.is_group && known.as_ref().is_some_and(|known| known.computer.is_group) {
            self.check_no_members(&row)?;
        }
        if let Some(known) = known {
            self.names.remove(&name_key(&known.computer.name));
        }
        self.names.put(key, id);
        self.computers.put(id, row);
        Ok(())
    }

    fn check_parent(&self, row: &Computer, parent: ComputerId) -> Result<(), Refusal> {
        let name = row.computer.name.clone();
        if parent == row.computer.id {
            return Err(Refusal::GroupInItself { parent: name.clone(), name });
        }
        let Some(group) = self.computers.get(&parent) else {
            return Err(Refusal::NoParent { name, parent });
        };
        let parent = group.computer.name.clone();
        if !group.computer.is_group {
            return Err(Refusal::ParentIsNoGroup { name, parent });
        }
        let mut above = group.computer.parent;
        while let Some(id) = above {
            if id == row.computer.id {
                return Err(Refusal::GroupInItself { name, parent });
            }
            above = self.computers.get(&id).and_then(|next| next.computer.parent);
        }
        Ok(())
    }

    fn check_no_members(&self, row: &Computer) -> Result<(), Refusal> {
        let id = Some(row.computer.id);
        if self.computers.values().any(|member| member.computer.parent == id) {
            return Err(Refusal::GroupHasMembers { name: row.computer.name.clone() });
        }
        Ok(())
    }

    fn remove_computer(&mut self, id: ComputerId) -> Result<(), Refusal> {
        let row = self.computers.get(&id).cloned().ok_or(Refusal::NoComputer(id))?;
        self.check_no_members(&row)?;
        self.names.remove(&name_key(&row.computer.name));
        self.drop_key(id);
        self.agents.remove(&id);
        self.forget_applications_of(id);
        self.computers.remove(&id);
        Ok(())
    }

    fn put_agent(&mut self, agent: Agent) -> Result<(), Refusal> {
        let computer = agent.computer;
        if self.computers.get(&computer).is_none() {
            return Err(Refusal::NoComputer(computer));
        }
        let owner = self.agent_keys.get(&agent.signing_key).copied();
        if let Some(owner) = owner.filter(|owner| *owner != computer) {
            return Err(Refusal::KeyTaken { computer, owner });
        }
        self.drop_key(computer);
        self.agent_keys.put(agent.signing_key, computer);
        self.agents.put(computer, agent);
        Ok(())
    }

    fn drop_key(&mut self, computer: ComputerId) {
        if let Some(key) = self.agents.get(&computer).map(|agent| agent.signing_key) {
            self.agent_keys.remove(&key);
        }
    }

    fn token(&self, id: TokenId) -> Result<Token, Refusal> {
        self.tokens.get(&id).cloned().ok_or(Refusal::NoToken(id))
    }

    fn use_token(&mut self, id: TokenId, at: Timestamp) -> Result<(), Refusal> {
        let mut token = self.token(id)?;
        token.take_use(at)?;
        self.tokens.put(id, token);
        Ok(())
    }

    fn put_workflow(&mut self, workflow: Workflow) -> Result<(), Refusal> {
        let key = name_key(&workflow.name);
        let all = (key.clone(), 0)..=(key.clone(), u64::MAX);
        let last = self.workflows.range(all).next_back().map(|((_, revision), _)| *revision);
        let (expected, got) = (last.map_or(FIRST, |last| last + 1), workflow.revision);
        if got != expected {
            return Err(Refusal::RevisionGap { name: workflow.name, expected, got });
        }
        self.workflows.put((key, got), workflow);
        Ok(())
    }

    fn put_deployment(&mut self, row: Deployment) -> Result<(), Refusal> {
        if let Some(origin) = row.origin {
            if let Some(by) = self.origins.get(&origin).copied().filter(|by| *by != row.id) {
                return Err(Refusal::OriginTaken { origin, by });
            }
            self.origins.put(origin, row.id);
        }
        self.deployments.put(row.id, row);
        Ok(())
    }

    fn append_deployment_record(
        &mut self,
        deployment: DeploymentId,
        seq: u64,
        bytes: Vec<u8>,
    ) -> Result<(), Refusal> {
        let all = (deployment, 0)..=(deployment, u64::MAX);
        let last = self.deployment_records.range(all).next_back().map(|((_, seq), _)| *seq);
        let expected = last.map_or(FIRST, |last| last + 1);
        if seq != expected {
            return Err(Refusal::DeploymentGap { deployment, expected, got: seq });
        }
        self.deployment_records.put((deployment, seq), bytes);
        Ok(())
    }

    fn put_copy(&mut self, copy: DeploymentCopy) -> Result<(), Refusal> {
        let deployment = copy.deployment;
        let all = (deployment, 0)..=(deployment, u64::MAX);
        let last = self.copies.range(all).next_back().map(|((_, number), _)| *number);
        let (expected, got) = (last.map_or(FIRST_COPY, |last| last + 1), copy.number);
        if got != expected {
            return Err(Refusal::CopyGap { deployment, expected, got });
        }
        self.copies.put((deployment, got), copy);
        Ok(())
    }

    fn put_warrant(&mut self, warrant: Warrant) -> Result<(), Refusal> {
        let (deployment, seq) = (warrant.deployment, warrant.seq);
        match self.warrants.get(&(deployment, seq)) {
            Some(known) if *known == warrant => Ok(()),
            Some(_) => Err(Refusal::WarrantDiffers { deployment, seq }),
            None => {
                self.warrants.put((deployment, seq), warrant);
                Ok(())
            }
        }
    }

    fn put_run(&mut self, run: Run) -> Result<(), Refusal> {
        let is_other =
            |known: &Run| (known.deployment, known.computer) != (run.deployment, run.computer);
        if self.runs.get(&run.run).is_some_and(is_other) {
            return Err(Refusal::RunMoved(run.run));
        }
        self.runs.put(run.run, run);
        Ok(())
    }

    fn append_journal(&mut self, run: RunId, seq: u64, bytes: Vec<u8>) -> Result<(), Refusal> {
        let all = (run, 0)..=(run, u64::MAX);
        let last = self.journal.range(all).next_back().map(|((_, seq), _)| *seq);
        let expected = last.map_or(FIRST, |last| last + 1);
        if seq != expected {
            return Err(Refusal::JournalGap { run, expected, got: seq });
        }
        self.journal.put((run, seq), bytes);
        Ok(())
    }

    fn put_effect(&mut self, effect: Effect) -> Result<(), Refusal> {
        let Effect { run, attempt, visit, part, .. } = effect;
        let key = (run, attempt, visit, part);
        let call = match self.effects.get(&key) {
            Some(known) if known.result == effect.result => return Ok(()),
            Some(known) if !known.result.is_empty() => {
                return Err(Refusal::EffectDiffers { run, attempt, visit, part });
            }
            Some(known) if effect.result.is_empty() => known.call.clone(),
            None if effect.result.is_empty() => effect.call,
            _ => Vec::new(),
        };
        self.effects.put(key, Effect { call, ..effect });
        Ok(())
    }

    fn put_message(&mut self, message: Message) {
        if self.message_keys.get(&message.key).is_some() {
            return;
        }
        let seq = self.messages.range(..).next_back().map_or(FIRST, |(last, _)| last + 1);
        self.message_keys.put(message.key, seq);
        self.messages.put(seq, KeptMessage { seq, message, read: None });
    }

    fn read_message(&mut self, seq: u64, reading: Reading) -> Result<(), Refusal> {
        let kept = self.messages.get(&seq).cloned().ok_or(Refusal::NoMessage(seq))?;
        if kept.read.is_none() {
            self.messages.put(seq, KeptMessage { read: Some(reading), ..kept });
        }
        Ok(())
    }

    /// The fence that the server's row holds.
    pub(super) fn fence(&self, server: ServerId) -> Option<u64> {
        self.servers.get(&server).map(|row| row.fence)
    }
}
