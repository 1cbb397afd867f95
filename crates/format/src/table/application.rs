//! The activity that brings an application of the fleet to the target.

use super::{Activity, Preset, Shape, activity, parameter};

pub(super) const ACTIVITY: Activity = activity(
    "application",
    "Distributes an application at the target, looks after it, or takes it away.",
    &[
        parameter(
            "application",
            Shape::Text,
            Preset::Required,
            "The application, by the name or id that it is published with.",
        ),
        parameter(
            "do",
            Shape::Choice(&["distribute", "verify", "repair", "uninstall", "plan"]),
            Preset::Word("distribute"),
            "What is done; `verify` and `plan` change nothing.",
        ),
    ],
);
