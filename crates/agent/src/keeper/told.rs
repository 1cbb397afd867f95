//! Where applications stand, in the words that a server keeps.

use std::collections::BTreeMap;

use application::Part;
use application::keeper::{Standing, State, Why};
use model::{ApplicationId, Timestamp};
use trust::WantedApplication;
use wire::wanted;

/// `names` has what people call the applications.
pub(super) fn told(
    standings: Vec<Standing>,
    names: &BTreeMap<ApplicationId, String>,
    at: Timestamp,
) -> Vec<wanted::Standing> {
    standings.into_iter().map(|standing| one(standing, names, at)).collect()
}

fn one(
    standing: Standing,
    names: &BTreeMap<ApplicationId, String>,
    at: Timestamp,
) -> wanted::Standing {
    let state = word(&standing);
    let (pending, next_attempt) = match &standing.state {
        // The engine says that one itself; nobody waits for it.
        State::Waiting(why, until) => (why.to_string(), *until),
        State::InProgress(_) | State::InPlace { .. } => (String::new(), None),
    };
    let pending = if standing.restart_pending && pending.is_empty() {
        "a restart of the machine".to_owned()
    } else {
        pending
    };
    let name = names.get(&standing.application);
    wanted::Standing {
        application: standing.application,
        user: match standing.part {
            Part::Machine => None,
            Part::User(user) => Some(user),
        },
        name: name.cloned().unwrap_or_else(|| standing.application.to_string()),
        wanted: standing.wanted,
        installed: standing.installed,
        state: state.to_owned(),
        drift: u64::from(standing.drift),
        error: standing.last_error.unwrap_or_default(),
        pending,
        next_attempt,
        at,
    }
}

/// One that is wanted and cannot be begun yet.
pub(super) fn untouched(wanted: &WantedApplication, why: &str, at: Timestamp) -> wanted::Standing {
    wanted::Standing {
        application: wanted.application,
        user: None,
        name: wanted.name.clone(),
        wanted: Some(wanted.version),
        installed: None,
        state: "pending".to_owned(),
        drift: 0,
        error: String::new(),
        pending: why.to_owned(),
        next_attempt: None,
        at,
    }
}

fn word(standing: &Standing) -> &'static str {
    match &standing.state {
        State::InProgress(_) => "working",
        State::Waiting(Why::Failed(_), _) => "failed",
        State::Waiting(..) => "pending",
        State::InPlace { .. } if standing.last_error.is_some() => "failed",
        State::InPlace { .. } if standing.drift > 0 => "drifted",
        State::InPlace { .. } => "ok",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_each_way_to_stand() {
        let id = ApplicationId::from_bytes([1; 16]);
        let standing = |state, drift, error: Option<&str>| Standing {
            application: id,
            part: Part::User("ada".into()),
            wanted: Some(2),
            installed: Some(1),
            drift,
            restart_pending: false,
            last_error: error.map(str::to_owned),
            state,
        };
        let until = Some(Timestamp::from_millis(9));
        let failed = Why::Failed("no space".into());
        for (standing, word, pending) in [
            (standing(State::InPlace { until }, 0, None), "ok", ""),
            (standing(State::InPlace { until }, 2, None), "drifted", ""),
            (standing(State::Waiting(Why::Schedule, until), 0, None), "pending", "schedule"),
            (standing(State::Waiting(failed, until), 0, Some("no space")), "failed", "no space"),
        ] {
            let names = BTreeMap::from([(id, "Viewer".to_owned())]);
            let told = told(vec![standing], &names, Timestamp::EPOCH).remove(0);
            assert_eq!((told.state.as_str(), told.name.as_str()), (word, "Viewer"));
            assert!(told.pending.contains(pending), "{}", told.pending);
            assert_eq!(told.user.as_deref(), Some("ada"));
        }
    }
}
