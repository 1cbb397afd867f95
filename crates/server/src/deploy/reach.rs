//! How each target is reached: by its agent, or over SSH where it has none.

use std::collections::HashMap;

use model::{Computer, ComputerId};
use store::rows::{Agent, AgentState};
use travel::Reach;
use trust::{Leaf, VerifyingKey};

use crate::hall::Hall;
use crate::ssh::{WayError, Ways};

/// What is known of the ways to computers.
pub struct Reaches {
    agents: HashMap<ComputerId, Agent>,
    ways: Ways,
    /// Whose key stands in the leaf of a target without agent: the server acts for it.
    own_key: VerifyingKey,
    /// All over SSH, also those with agents.
    only_ssh: bool,
}

impl Reaches {
    pub async fn read(hall: &Hall, agents: Vec<Agent>, only_ssh: bool) -> Result<Self, WayError> {
        let agents = agents.into_iter().map(|agent| (agent.computer, agent)).collect();
        let (ways, own_key) = (Ways::read(hall).await?, hall.identity.verifying_key());
        Ok(Self { agents, ways, own_key, only_ssh })
    }

    /// Computers that can be targets at all.
    pub fn reachable(&self) -> impl Iterator<Item = ComputerId> {
        let is_enrolled = |agent: &&Agent| agent.state == AgentState::Enrolled;
        let enrolled = self.agents.values().filter(is_enrolled).map(|agent| agent.computer);
        enrolled.chain(self.ways.computers())
    }

    /// The leaf of a computer, if there is a way to it; else why there is none.
    pub fn leaf(&self, computer: &Computer) -> Result<(Leaf, Reach), String> {
        if self.only_ssh {
            return self.over_ssh(computer).map_err(|why| why.to_string());
        }
        match (by_agent(computer, self.agents.get(&computer.id)), self.over_ssh(computer)) {
            (Ok(leaf), _) => Ok((leaf, Reach::Agent)),
            (Err(_), Ok(found)) => Ok(found),
            (Err(why), Err(WayError::Unknown)) => Err(why.to_owned()),
            (Err(why), Err(and)) => Err(format!("{why}, and {and}")),
        }
    }

    fn over_ssh(&self, computer: &Computer) -> Result<(Leaf, Reach), WayError> {
        self.ways.of(computer.id)?;
        let leaf = Leaf { computer: computer.id, key: self.own_key, told: computer.told() };
        Ok((leaf, Reach::Ssh))
    }
}

/// The leaf of a computer, if its agent can be given runs.
fn by_agent(computer: &Computer, agent: Option<&Agent>) -> Result<Leaf, &'static str> {
    let agent = agent.ok_or("no agent is enrolled for it")?;
    match agent.state {
        AgentState::Enrolled => {}
        AgentState::Pending => return Err("its agent has yet to be approved"),
        AgentState::Revoked => return Err("its agent was revoked"),
    }
    let key = VerifyingKey::from_bytes(&agent.signing_key).map_err(|_| "its key is damaged")?;
    Ok(Leaf { computer: computer.id, key, told: computer.told() })
}
