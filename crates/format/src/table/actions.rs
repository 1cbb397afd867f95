//! What an action file may contain. What a message has is said where the activity is.

use super::{Activity, Key, Parameter, Preset, Shape, activity, parameter};

/// How long a command on the server may take, unless said.
pub(crate) const COMMAND_WITHIN: &str = "10m";
/// How long a request may take, unless said.
pub(crate) const HTTP_WITHIN: &str = "30s";

pub(crate) const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

pub(crate) const FILE: &[Key] = &[
    Key { name: "action", shape: Shape::Plain, is_required: true, about: "The action's name." },
    Key {
        name: "description",
        shape: Shape::Plain,
        is_required: false,
        about: "What the action is for, for people.",
    },
    Key {
        name: "parameters",
        shape: Shape::Variables,
        is_required: false,
        about: "Names to the values they have when none is given; nothing where one must be given.",
    },
];

const VARIABLES: Parameter = parameter(
    "variables",
    Shape::Environment,
    Preset::Nothing,
    "Values for the workflow's variables.",
);

/// What an action can do, besides sending a message.
pub(crate) const KINDS: &[Activity] = &[
    activity(
        "deployment",
        "Starts a workflow: on the target of the run that starts the action unless others are \
         named.",
        &[
            parameter("workflow", Shape::Text, Preset::Required, "The workflow's name."),
            parameter("computers", Shape::Texts, Preset::Nothing, "Computers by name or id."),
            parameter("groups", Shape::Texts, Preset::Nothing, "Groups with all below them."),
            parameter("query", Shape::Text, Preset::Absent, "A condition over the fleet."),
            parameter("everybody", Shape::Switch, Preset::Switch(false), "All computers."),
            VARIABLES,
            parameter("wait", Shape::Switch, Preset::Switch(false), "Wait until it has ended."),
        ],
    ),
    activity(
        "command",
        "Runs a command on the server as the server's own user; never done twice.",
        &[
            parameter(
                "command",
                Shape::Texts,
                Preset::Required,
                "A list of words, or one text for the shell.",
            ),
            parameter("folder", Shape::Text, Preset::Absent, "The folder to run in."),
            parameter(
                "environment",
                Shape::Environment,
                Preset::Nothing,
                "Added to the server's environment.",
            ),
            parameter(
                "timeout",
                Shape::Text,
                Preset::Word(COMMAND_WITHIN),
                "How long it may take.",
            ),
        ],
    ),
    activity(
        "http",
        "Sends a request to another server.",
        &[
            parameter("method", Shape::Choice(METHODS), Preset::Word("GET"), "The method."),
            parameter(
                "url",
                Shape::Text,
                Preset::Required,
                "The address; scheme and host are written out.",
            ),
            parameter(
                "query",
                Shape::Environment,
                Preset::Nothing,
                "Added to the address, escaped.",
            ),
            parameter("headers", Shape::Environment, Preset::Nothing, "Headers of the request."),
            parameter(
                "secret",
                Shape::Plain,
                Preset::Absent,
                "The name of a secret that goes into a header.",
            ),
            parameter(
                "secret_header",
                Shape::Plain,
                Preset::Absent,
                "That header; `Authorization` unless said.",
            ),
            parameter(
                "secret_prefix",
                Shape::Plain,
                Preset::Absent,
                "What stands before the secret; `Bearer ` unless said.",
            ),
            parameter("body", Shape::Text, Preset::Word(""), "The body of the request."),
            parameter("timeout", Shape::Text, Preset::Word(HTTP_WITHIN), "How long it may take."),
            parameter(
                "expect",
                Shape::Texts,
                Preset::Nothing,
                "Answers that are fine, such as `[200, 404]`; all of 2xx unless said.",
            ),
        ],
    ),
];
