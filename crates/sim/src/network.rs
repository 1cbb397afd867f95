//! Links between agents and the server: they come and go, and lose, double, delay and reorder.
//!
//! A link is a session. Each end notices its end by itself, some time later, and takes nothing from
//! a session that it does not believe in any more.

use travel::{TakerInput, ToAgent, ToServer};

use crate::world::{Happening, World};

impl World {
    /// An agent connects, unless it is down, connected, or nobody is there.
    pub fn agent_dials(&mut self, agent: usize) {
        let state = &self.agents[agent];
        let Some(taker) = state.taker.as_ref().filter(|_| state.session.is_none()) else { return };
        if self.server.is_down() {
            let after = self.chance.between(1_000, 5_000) as i64;
            return self.queue.plan(self.now + after, Happening::AgentDials { agent });
        }
        let holdings = taker.holdings();
        let session = self.token();
        self.agents[agent].session = Some(session);
        self.agents[agent].busy = [self.now; 2];
        let at = self.arrival(agent, 0);
        self.queue.plan(at, Happening::ServerGreets { agent, session, holdings });
        if self.rates.link_lasts > 0 {
            let lasts = self.chance.between(100, self.rates.link_lasts) as i64;
            self.queue.plan(self.now + lasts, Happening::LinkBreaks { agent, session });
        }
        let name = self.agents[agent].name.clone();
        self.tell(&name, || "connects".into());
        self.agent_handles(agent, TakerInput::Linked);
    }

    pub fn link_breaks(&mut self, agent: usize, session: u64) {
        if self.agents[agent].session != Some(session) || self.is_quiet {
            return;
        }
        self.faults += 1;
        let name = self.agents[agent].name.clone();
        self.tell(&name, || "the link breaks".into());
        let after = self.chance.between(0, 20_000) as i64;
        self.queue.plan(self.now + after, Happening::AgentLosesLink { agent, session });
        self.server_notices(agent, session);
    }

    pub fn server_notices(&mut self, agent: usize, session: u64) {
        let after = self.chance.between(0, 20_000) as i64;
        self.queue.plan(self.now + after, Happening::ServerLosesLink { agent, session });
    }

    pub fn agent_loses_link(&mut self, agent: usize, session: u64) {
        if self.agents[agent].session != Some(session) {
            return;
        }
        self.agents[agent].session = None;
        self.agent_handles(agent, TakerInput::Unlinked);
        let after = self.chance.between(50, self.rates.away.max(5_000)) as i64;
        self.queue.plan(self.now + after, Happening::AgentDials { agent });
    }

    pub fn send_to_server(&mut self, agent: usize, message: &ToServer) {
        let Some(session) = self.agents[agent].session else { return };
        for _ in 0..self.copies() {
            let at = self.arrival(agent, 0);
            let message = Box::new(message.clone());
            self.queue.plan(at, Happening::ServerHears { agent, session, message });
        }
    }

    pub fn send_to_agent(&mut self, agent: usize, session: u64, message: &ToAgent) {
        for _ in 0..self.copies() {
            let at = self.arrival(agent, 1);
            let message = Box::new(message.clone());
            self.queue.plan(at, Happening::AgentHears { agent, session, message });
        }
        if self.strikes(self.rates.stale) {
            let at = self.now + self.chance.below(3_600_000) as i64;
            let message = Box::new(message.clone());
            self.queue.plan(at, Happening::AgentHearsLate { agent, message });
        }
    }

    /// What somebody kept back arrives over a link that it was not said on.
    pub fn agent_hears_late(&mut self, agent: usize, message: ToAgent) {
        if self.agents[agent].taker.is_some() {
            if let ToAgent::Give(give) = &message {
                self.laws.given_late.insert(give.run);
            }
            self.agent_handles(agent, TakerInput::Message(message));
        }
    }

    /// How often a message arrives: once, if nothing happens to it.
    fn copies(&mut self) -> u32 {
        if self.strikes(self.rates.loss) {
            0
        } else if self.strikes(self.rates.duplicate) {
            2
        } else {
            1
        }
    }

    /// When a message sent now arrives: after those before it, unless it overtakes them.
    fn arrival(&mut self, agent: usize, direction: usize) -> i64 {
        let at = self.now + self.chance.between(1, self.rates.delay.max(1)) as i64;
        if self.strikes(self.rates.reorder) {
            return at + self.chance.below(30_000) as i64;
        }
        let busy = &mut self.agents[agent].busy[direction];
        *busy = at.max(*busy);
        *busy
    }
}
