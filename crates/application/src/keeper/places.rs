//! The parts of a machine, in the order in which they are looked at.

use std::collections::BTreeSet;

use model::ApplicationId;

use super::{Keeper, Place, Wish};
use crate::Part;

impl Keeper {
    /// Every part there is something to say of: what is to go first, users' parts ahead of the
    /// machine's, then what is wanted in its order.
    pub(super) fn places(&self) -> Vec<Place> {
        let is_wanted = |(id, part): &Place| self.wish(*id).is_some_and(|wish| wish.is_of(part));
        let gone = self.held.keys().filter(|place| !is_wanted(place)).rev().cloned();
        let mut places: Vec<Place> = gone.collect();
        for wish in self.in_order() {
            places.push((wish.application, Part::Machine));
            let users = self.users.iter().filter(|user| wish.users.include(user));
            places.extend(users.map(|user| (wish.application, Part::User(user.clone()))));
            let absent = self.held.keys().filter(|(id, part)| {
                let is_absent =
                    |user: &String| !self.users.contains(user) && wish.users.include(user);
                *id == wish.application && matches!(part, Part::User(user) if is_absent(user))
            });
            places.extend(absent.cloned());
        }
        places
    }

    /// Dependencies stand before what needs them; otherwise as the set has them.
    fn in_order(&self) -> Vec<&Wish> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for wish in &self.wishes {
            self.place_in_order(wish, &mut seen, &mut order);
        }
        order
    }

    fn place_in_order<'a>(
        &'a self,
        wish: &'a Wish,
        seen: &mut BTreeSet<ApplicationId>,
        order: &mut Vec<&'a Wish>,
    ) {
        if !seen.insert(wish.application) {
            return;
        }
        for need in &wish.needs {
            if let Some(needed) = self.wish(need.application) {
                self.place_in_order(needed, seen, order);
            }
        }
        order.push(wish);
    }
}
