//! Shortcuts (AP-03).

use super::Group;
use super::make::{Planner, Refusal};

impl Planner<'_> {
    pub fn plan_shortcuts(&mut self) {
        for (index, item) in self.wish.application.items.shortcuts.iter().enumerate() {
            if self.wants(item.handling(), !item.is_for_all()) {
                let refusal = Refusal::new("DH-P012", "shortcuts are not planned yet");
                self.refuse(Group::Shortcuts, (index, None), refusal);
            }
        }
    }
}
