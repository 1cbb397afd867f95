//! What can be typed: the commands and their overview.

use clap::{Parser, Subcommand};

use crate::commands::{
    action, agent, app, association, channel, completions, computer, deploy, deployment, events,
    explain, group, keys, message, run, schedule, secret, server, simulate, ssh, token, workflow,
};
use crate::demo;

/// Deskhand keeps a fleet of desktops and servers in order.
#[derive(Debug, Parser)]
#[command(
    name = "deskhand",
    version,
    about,
    after_help = EXIT_CODES,
    max_term_width = 100,
    subcommand_required = false,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// See it work on this machine: a server, agents, a real workflow
    Demo(demo::Args),
    /// Run the deployment server on this machine, or ask how it is
    Server(server::Args),
    /// The keys that machines trust: make, install, list, change, revoke
    Keys(keys::Args),
    /// Make enrolment tokens for new machines
    Token(token::Args),
    /// Agents: who is connected; approve or revoke one
    Agent(agent::Args),
    /// Applications: what a machine should have
    App(app::Args),
    /// Whom applications are for: computers, groups, queries, users
    Association(association::Args),
    /// Computers on record
    Computer(computer::Args),
    /// Groups of computers, which may hold groups
    Group(group::Args),
    /// Named actions of the server: keep, show, start
    Action(action::Args),
    /// Messages to administrators: list, show, mark as read
    Message(message::Args),
    /// The mail server and the webhooks that messages go through
    Channel(channel::Args),
    /// Passwords and keys that workflows use by name
    Secret(secret::Args),
    /// Computers without agent: keys of hosts, policy, tries
    Ssh(ssh::Args),
    /// Workflow files: check, keep on the server, list
    Workflow(workflow::Args),
    /// Carry out a workflow on chosen computers
    Deploy(deploy::Args),
    /// Deployments: watch, suspend, resume, abort, retry
    Deployment(deployment::Args),
    /// Deployments that are made again and again
    Schedule(schedule::Args),
    /// Carry out a workflow file on this machine, without a server
    Run(run::Args),
    /// Try a workflow on a pretended fleet, with faults on purpose
    Simulate(simulate::Args),
    /// Who did what, what was refused and why
    Events(events::Args),
    /// Explain an error code
    Explain(explain::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; for `run` and `deploy --follow`: success everywhere
  1  failed, or `deploy --follow`: not every target succeeded
  2  wrong usage
  3  `run`: the workflow was aborted

`deskhand explain CODE` tells more about an error such as DH-W001.";

/// What is shown when nothing was asked for.
pub const OVERVIEW: &str = "\
Deskhand keeps a fleet of desktops and servers in order.

See it work, on this machine alone:
  deskhand demo                            a server, five agents, a real workflow

Try a workflow:
  deskhand workflow check FILE...          what is wrong with it, and where
  deskhand run FILE --root DIR             carry it out here, under a folder
  deskhand simulate FILE --fleet 200       on a pretended fleet, with faults

Run a fleet:
  deskhand server run                      the server
  deskhand token create                    lets a machine in; there:
    deskhand-agent enroll --server HOST:1739 --token TOKEN
    deskhand-agent run
  deskhand computer list                   who is there
  deskhand deploy FILE --to everybody --follow
  deskhand deployment list                 and show, log, suspend, resume, abort, retry

`deskhand --help` lists all commands, `deskhand COMMAND --help` tells about one.";
