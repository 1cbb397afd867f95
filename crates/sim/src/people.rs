//! What people do meanwhile: suspend, resume, abort, move the stop date, change how many go on at
//! once, give machines up.

use std::collections::BTreeSet;

use deployment::Scope;
use model::{ComputerId, Span};
use travel::GiverInput;
use workflow::Control;

use crate::world::{Happening, World};

impl World {
    pub fn people_later(&mut self) {
        let after = self.chance.between(1_000, 300_000) as i64;
        self.queue.plan(self.now + after, Happening::PeopleAct);
    }

    pub fn people_act(&mut self) {
        if self.is_quiet {
            for input in std::mem::take(&mut self.last_words) {
                self.server_takes(input);
            }
            return;
        }
        self.people_later();
        let (deployment, by) = (self.deployment, "ann".to_owned());
        let input = match self.chance.below(12) {
            0..4 => GiverInput::Control {
                deployment,
                scope: self.some(),
                control: Control::Suspend,
                by,
            },
            4..8 => {
                GiverInput::Control { deployment, scope: self.some(), control: Control::Resume, by }
            }
            8 => GiverInput::Control { deployment, scope: self.few(), control: Control::Abort, by },
            9 => {
                let max = self.chance.between(1, 8) as usize;
                self.server.set_max_targets(max);
                GiverInput::SetMaxTargets(max)
            }
            10 => {
                let at = self.server_clock() + Span::from_secs(self.chance.between(60, 3_600));
                let at = self.chance.happens(500_000).then_some(at);
                GiverInput::StopMoved { deployment, at, by }
            }
            _ => GiverInput::CloseLost { deployment, scope: self.few(), by },
        };
        self.tell("people", || format!("{input:?}"));
        self.server_takes(input);
    }

    /// What was held back goes on, so that everything can end.
    pub fn people_let_go(&mut self) {
        if !self.options.has_people {
            return;
        }
        let (deployment, by) = (self.deployment, "ann".to_owned());
        self.server.set_max_targets(self.options.max_targets);
        self.queue.plan(self.now + 60_000, Happening::PeopleAct);
        let resume =
            GiverInput::Control { deployment, scope: Scope::All, control: Control::Resume, by };
        self.last_words = vec![resume, GiverInput::SetMaxTargets(self.options.max_targets)];
    }

    fn some(&mut self) -> Scope {
        if self.chance.happens(500_000) { Scope::All } else { self.few() }
    }

    fn few(&mut self) -> Scope {
        let mut chosen: BTreeSet<ComputerId> = BTreeSet::new();
        for _ in 0..=self.chance.below(2) {
            let index = self.chance.below(self.agents.len() as u64) as usize;
            chosen.insert(self.agents[index].computer);
        }
        Scope::Some(chosen)
    }
}
