//! What a workflow file may contain: its keys, its activities and their parameters with their
//! defaults. The reader and the JSON Schema are both driven by these tables.

pub(crate) mod actions;
mod application;

/// A key of the file or of an activity that is no kind of activity.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) is_required: bool,
    pub(crate) about: &'static str,
}

/// A kind of activity.
pub(crate) struct Activity {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) parameters: &'static [Parameter],
}

impl Activity {
    /// Whether it may be written without any parameter.
    pub(crate) fn may_be_empty(&self) -> bool {
        self.parameters.iter().all(|parameter| parameter.preset != Preset::Required)
    }
}

pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) preset: Preset,
    pub(crate) about: &'static str,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A text without templates.
    Plain,
    /// A text that may be a template.
    Text,
    /// One text or a list of texts, each may be a template.
    Texts,
    /// JavaScript.
    Code,
    /// A script for the registry, which may hold templates.
    Registry,
    /// `true` or `false`.
    Switch,
    /// A whole number from 0.
    Count,
    /// A length of time: `10m`.
    Span,
    Choice(&'static [&'static str]),
    /// Names to texts that may be templates.
    Environment,
    /// The name of an activity.
    Activity,
    /// Names to texts.
    Variables,
    /// Events to names of activities.
    Transitions,
    /// Names to activities.
    Activities,
}

/// What a parameter is when it is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    Required,
    Absent,
    Switch(bool),
    Count(u32),
    Word(&'static str),
    Nothing,
}

pub(crate) const FILE: &[Key] = &[
    Key { name: "workflow", shape: Shape::Plain, is_required: true, about: "The workflow's name." },
    Key {
        name: "description",
        shape: Shape::Plain,
        is_required: false,
        about: "What the workflow is for, for people.",
    },
    Key {
        name: "start_on_presence",
        shape: Shape::Switch,
        is_required: false,
        about: "A target's run begins only when the target shows itself (default: false).",
    },
    Key {
        name: "start",
        shape: Shape::Activity,
        is_required: true,
        about: "The activity a run begins with.",
    },
    Key {
        name: "variables",
        shape: Shape::Variables,
        is_required: false,
        about: "Own variables with their first values, for templates: `{{ prefix }}`.",
    },
    Key {
        name: "activities",
        shape: Shape::Activities,
        is_required: true,
        about: "The activities by their names.",
    },
];

pub(crate) const ACTIVITY: &[Key] = &[
    Key {
        name: "description",
        shape: Shape::Plain,
        is_required: false,
        about: "What the activity is for, for people.",
    },
    Key {
        name: "timeout",
        shape: Shape::Span,
        is_required: false,
        about: "After this long in progress the activity is ended with the event `timeout`.",
    },
    Key {
        name: "on",
        shape: Shape::Transitions,
        is_required: false,
        about: "What follows each event: an activity, or a list of activities to begin together.",
    },
];

const MESSAGE: Parameter = parameter(
    "message",
    Shape::Text,
    Preset::Absent,
    "What is told as the reason of the run's end.",
);
const FILTER: Parameter = parameter(
    "filter",
    Shape::Text,
    Preset::Word(""),
    "Names with wildcards, separated by `;`: `*.gif; a.exe`. All files when empty.",
);
const RECURSIVE: Parameter =
    parameter("recursive", Shape::Switch, Preset::Switch(false), "Folders within it as well.");
const REPLACE: Parameter = parameter(
    "replace",
    Shape::Switch,
    Preset::Switch(false),
    "Replace what is already there; otherwise it is skipped.",
);
const FORCE: Parameter = parameter(
    "force",
    Shape::Switch,
    Preset::Switch(false),
    "Replace or delete even what is read-only.",
);
const RESUME: Parameter = parameter(
    "resume",
    Shape::Switch,
    Preset::Switch(true),
    "Go on after an interruption where the transfer was.",
);
const ON_SERVER: Parameter = parameter(
    "on_server",
    Shape::Switch,
    Preset::Switch(false),
    "Carry it out in the depot of the server; paths are those of the depot.",
);
const FROM: Parameter =
    parameter("from", Shape::Text, Preset::Required, "The folder to take from.");
const TO: Parameter = parameter("to", Shape::Text, Preset::Required, "The folder to bring to.");
const FOLDERS: Parameter = parameter(
    "folders",
    Shape::Texts,
    Preset::Required,
    "The folders: one text with `;` between them, or a list.",
);

const fn parameter(
    name: &'static str,
    shape: Shape,
    preset: Preset,
    about: &'static str,
) -> Parameter {
    Parameter { name, shape, preset, about }
}

const fn activity(
    name: &'static str,
    about: &'static str,
    parameters: &'static [Parameter],
) -> Activity {
    Activity { name, about, parameters }
}

pub(crate) const ACTIVITIES: &[Activity] = &[
    activity("success", "Ends the run well; interrupts what is in progress.", &[MESSAGE]),
    activity("failure", "Ends the run badly; interrupts what is in progress.", &[MESSAGE]),
    activity(
        "retry",
        "Interrupts the other branches and begins the run again at its start.",
        &[
            parameter(
                "limit",
                Shape::Count,
                Preset::Count(3),
                "How often to begin again; 2 means at most three passes.",
            ),
            parameter("delay", Shape::Span, Preset::Nothing, "How long to wait before: `10m`."),
        ],
    ),
    activity(
        "jump",
        "Goes on at another activity, so that fewer transitions are drawn.",
        &[parameter("to", Shape::Activity, Preset::Required, "The activity to go on at.")],
    ),
    activity("empty", "Does nothing and emits `ok`; joins several events of one activity.", &[]),
    activity("synchronization", "Emits `ok` once each incoming transition has fired.", &[]),
    activity(
        "wait",
        "Pauses this branch; the time goes on through restarts, sleep and power-off.",
        &[parameter(
            "duration",
            Shape::Text,
            Preset::Required,
            "How long: `90s`, `10m`, `1h30m`, `2d`; may be a template.",
        )],
    ),
    activity(
        "execute",
        "Runs a command on the target; its exit code decides the event.",
        &[
            parameter(
                "command",
                Shape::Texts,
                Preset::Required,
                "A text for the system's shell, or a list of program and arguments that meets no \
                 shell.",
            ),
            parameter(
                "folder",
                Shape::Text,
                Preset::Absent,
                "The folder the command is carried out in: a path on the target.",
            ),
            parameter(
                "synchronous",
                Shape::Switch,
                Preset::Switch(true),
                "Wait for the end; otherwise `ok` follows once the program has started.",
            ),
            parameter(
                "timeout",
                Shape::Span,
                Preset::Absent,
                "After this long the command is ended with all it started: `10m`.",
            ),
            parameter(
                "log",
                Shape::Choice(&["none", "errors", "all"]),
                Preset::Word("errors"),
                "What of the output goes into the log.",
            ),
            parameter(
                "visibility",
                Shape::Choice(&["default", "shown", "hidden"]),
                Preset::Word("default"),
                "How the window of the program is shown on Windows.",
            ),
            parameter(
                "environment",
                Shape::Environment,
                Preset::Nothing,
                "Environment variables for the command.",
            ),
        ],
    ),
    activity(
        "upload",
        "Brings files from the depot to the target.",
        &[
            parameter(
                "from",
                Shape::Text,
                Preset::Required,
                "The folder to take from: a path in the depot, such as `deploy/viewer`.",
            ),
            parameter(
                "to",
                Shape::Text,
                Preset::Required,
                "The folder to bring to: an absolute path on the target.",
            ),
            FILTER,
            RECURSIVE,
            REPLACE,
            FORCE,
            RESUME,
            parameter(
                "from_targets",
                Shape::Switch,
                Preset::Switch(false),
                "Allow files that targets have written into the depot.",
            ),
        ],
    ),
    activity(
        "download",
        "Brings files from the target to the depot.",
        &[
            parameter(
                "from",
                Shape::Text,
                Preset::Required,
                "The folder to take from: an absolute path on the target.",
            ),
            parameter(
                "to",
                Shape::Text,
                Preset::Required,
                "The folder to bring to: a path in the depot.",
            ),
            FILTER,
            RECURSIVE,
            REPLACE,
            FORCE,
            RESUME,
        ],
    ),
    activity(
        "move",
        "Moves files on the target or on the server.",
        &[FROM, TO, FILTER, RECURSIVE, REPLACE, FORCE, ON_SERVER],
    ),
    activity(
        "copy",
        "Copies files on the target or on the server.",
        &[FROM, TO, FILTER, RECURSIVE, REPLACE, FORCE, ON_SERVER],
    ),
    activity(
        "rename",
        "Gives one file or folder another name.",
        &[
            parameter("current", Shape::Text, Preset::Required, "The path of the file or folder."),
            parameter("new", Shape::Text, Preset::Required, "The new name: a name, not a path."),
            REPLACE,
            FORCE,
            ON_SERVER,
        ],
    ),
    activity(
        "delete_files",
        "Deletes files of a folder.",
        &[
            parameter("folder", Shape::Text, Preset::Required, "The folder the files are in."),
            FILTER,
            RECURSIVE,
            FORCE,
            ON_SERVER,
        ],
    ),
    activity("create_folders", "Creates folders and those above them.", &[FOLDERS, ON_SERVER]),
    activity("delete_folders", "Deletes folders.", &[FOLDERS, RECURSIVE, FORCE, ON_SERVER]),
    activity(
        "choose",
        "Goes on by a value: the event is what the value renders to, such as `true` or `linux`.",
        &[parameter(
            "value",
            Shape::Text,
            Preset::Required,
            "What decides: `{{ agent.present }}`, `{{ computer.os }}`.",
        )],
    ),
    activity(
        "impersonate",
        "Later `execute`, `registry` and `script` of this branch act as a user of the target.",
        &[
            parameter(
                "user",
                Shape::Text,
                Preset::Absent,
                "The user, or `@LoggedOnUser`; without one the agent itself again.",
            ),
            parameter("domain", Shape::Text, Preset::Absent, "The user's domain."),
            parameter(
                "secret",
                Shape::Plain,
                Preset::Absent,
                "The name under which the server keeps the password.",
            ),
        ],
    ),
    activity(
        "shutdown",
        "Restarts the target, after which the run goes on, or switches it off.",
        &[
            parameter(
                "method",
                Shape::Choice(&["restart", "shutdown"]),
                Preset::Required,
                "`restart`, or `shutdown` to switch it off.",
            ),
            parameter("delay", Shape::Span, Preset::Nothing, "How long to wait before: `1m`."),
            parameter("message", Shape::Text, Preset::Absent, "What whoever is logged on is told."),
            parameter(
                "force",
                Shape::Switch,
                Preset::Switch(false),
                "Even when programs hold it up.",
            ),
        ],
    ),
    activity(
        "registry",
        "Tests and changes the Windows registry; all of the script, or nothing of it.",
        &[parameter(
            "script",
            Shape::Registry,
            Preset::Required,
            "Keys and values as in `.reg` files, and tests: `[HKLM\\Software\\Viewer]?`.",
        )],
    ),
    activity(
        "script",
        "Carries out JavaScript on the target; it may return the name of the event.",
        &[
            parameter("code", Shape::Code, Preset::Required, "The script."),
            parameter(
                "depot",
                Shape::Texts,
                Preset::Nothing,
                "What of the depot it may read and upload: paths in the depot.",
            ),
            parameter(
                "deposit",
                Shape::Texts,
                Preset::Nothing,
                "Folders of the depot into which it may download, and whose files it may change.",
            ),
            parameter(
                "actions",
                Shape::Texts,
                Preset::Nothing,
                "Names of the actions that it may start.",
            ),
            parameter("messages", Shape::Switch, Preset::Switch(false), "It may send messages."),
            parameter(
                "memory",
                Shape::Count,
                Preset::Count(64),
                "The memory it may use, in megabytes.",
            ),
            parameter(
                "operations",
                Shape::Count,
                Preset::Count(10_000),
                "How often it may call functions of Deskhand.",
            ),
        ],
    ),
    application::ACTIVITY,
    activity(
        "wake_on_lan",
        "Wakes the target over the network and waits until it shows itself.",
        &[
            parameter(
                "address",
                Shape::Text,
                Preset::Absent,
                "The physical address; that of the computer unless given.",
            ),
            parameter(
                "through",
                Shape::Choice(&["any", "server", "neighbour"]),
                Preset::Word("any"),
                "Who sends the packet: the server, an agent awake in the same subnet, or both.",
            ),
            parameter("port", Shape::Count, Preset::Count(9), "The port it is sent to."),
        ],
    ),
    activity(
        "action",
        "Carries out a named action of the server, such as starting another workflow.",
        &[
            parameter("name", Shape::Text, Preset::Required, "The action's name."),
            parameter(
                "parameters",
                Shape::Environment,
                Preset::Nothing,
                "What the action is told.",
            ),
            parameter(
                "wait",
                Shape::Switch,
                Preset::Switch(true),
                "Wait for the deployment that it starts; its outcome decides the event.",
            ),
        ],
    ),
    activity(
        "message",
        "Sends a message to people or programs.",
        &[
            parameter(
                "channel",
                Shape::Choice(&["internal", "mail", "webhook"]),
                Preset::Word("internal"),
                "How it is sent.",
            ),
            parameter(
                "to",
                Shape::Texts,
                Preset::Nothing,
                "Mail addresses, or names of webhooks; several in one text with `;`.",
            ),
            parameter("subject", Shape::Text, Preset::Required, "The subject."),
            parameter("text", Shape::Text, Preset::Word(""), "The text."),
        ],
    ),
];

pub(crate) fn activity_named(name: &str) -> Option<&'static Activity> {
    ACTIVITIES.iter().find(|activity| activity.name == name)
}
