//! `deskhand association`: whom applications are for.

use std::process::ExitCode;

use anyhow::Result;
use api::{Assigned, AssociationGone, NewAssociation};
use clap::Subcommand;
use model::Span;

use crate::connection::Connection;
use crate::output::{self, Table};

/// How often machines look, unless told otherwise.
const VERIFY_EVERY: &str = "1h";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Give an application to a computer, a group, those that a query chooses, or a user
    Add(Add),
    /// All associations
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give it to them no longer; whether it is uninstalled there was said before
    Remove {
        /// A published application, by name or id
        application: String,
        #[command(flatten)]
        whom: Whom,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// A computer, by name or id
    #[arg(long, value_name = "NAME")]
    computer: Option<String>,
    /// A group with all below it, whoever is in it at the time
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Those that a query chooses at the time, such as "os = 'linux'"
    #[arg(long, value_name = "QUERY")]
    to: Option<String>,
    /// A user by log-on name, on every machine
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// A published application, by name or id
    application: String,
    #[command(flatten)]
    whom: Whom,
    /// What comes first on a machine: smaller before larger
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    priority: u32,
    /// Whether it is uninstalled when this association goes [default: as its file says]
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    uninstall: Option<bool>,
    /// How often machines look whether all is as it was distributed, or `never`
    #[arg(long, default_value = VERIFY_EVERY, value_name = "TIME", value_parser = every)]
    verify: Span,
    /// Only tell what differs, and leave it
    #[arg(long)]
    report_only: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("write `yes` or `no`".to_owned()),
    }
}

fn every(text: &str) -> Result<Span, String> {
    if text == "never" {
        return Ok(Span::from_millis(0));
    }
    text.parse().map_err(|_| "write a time such as `30m` or `24h`, or `never`".to_owned())
}

impl Whom {
    fn assigned(self) -> Assigned {
        let Self { computer, group, to, user } = self;
        Assigned { computer, group, query: to, user }
    }
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    match args.action {
        Action::Add(add) => {
            let json = add.json;
            let made = client.associate(&new(add)).await?;
            if json {
                output::json(&made)?;
            } else {
                let (name, to) = (output::clean(&made.application), whom(&made.to));
                output::note(format!(
                    "{name} is for {to}. See it: deskhand app state --app {name}"
                ));
            }
        }
        Action::List { json } => list(&client.associations().await?, json)?,
        Action::Remove { application, whom } => {
            let gone = AssociationGone { application, to: whom.assigned() };
            client.dissociate(&gone).await?;
        }
    }
    Ok(super::DONE)
}

fn new(add: Add) -> NewAssociation {
    NewAssociation {
        application: add.application,
        to: add.whom.assigned(),
        priority: add.priority,
        uninstall: add.uninstall,
        verify_every_s: add.verify.as_millis() / 1_000,
        repair: !add.report_only,
    }
}

/// Whom an association names, in words.
pub fn whom(to: &Assigned) -> String {
    let words = [
        ("computer", &to.computer),
        ("group", &to.group),
        ("those chosen by", &to.query),
        ("user", &to.user),
    ];
    let named = words.into_iter().find_map(|(word, name)| Some((word, name.as_ref()?)));
    named.map_or_else(String::new, |(word, name)| format!("{word} {}", output::clean(name)))
}

fn list(associations: &[api::Association], json: bool) -> Result<()> {
    if json {
        return output::json(&associations);
    }
    let headings = ["APPLICATION", "FOR", "PRIORITY", "VERIFY", "UNINSTALL", "SINCE"];
    let mut table = Table::new(&headings);
    for association in associations {
        let every = Span::from_secs(association.verify_every_s);
        let verify = match (association.verify_every_s, association.repair) {
            (0, _) => "never".to_owned(),
            (_, true) => format!("{every}, repair"),
            (_, false) => format!("{every}, report"),
        };
        let uninstall = match association.uninstall {
            None => "as its file says",
            Some(true) => "yes",
            Some(false) => "no",
        };
        table.row([
            association.application.as_str().into(),
            whom(&association.to).into(),
            association.priority.to_string().into(),
            verify.into(),
            uninstall.into(),
            output::stamp(association.created_at).into(),
        ]);
    }
    super::print_or_note(&table, "no associations; add one with `deskhand association add`")
}
