//! `deskhand demo`: the whole thing on this machine.
//!
//! A server in this process, real agent processes, a real workflow, in a temporary folder. Owns the
//! order in which all of it begins and ends: however it ends (done, Ctrl-C, an error), the agents
//! are stopped first, then the server, then the folder is removed.

mod agents;
mod farewell;
mod folder;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use api::{NewDeployment, NewToken, Run, Targets};
use client::{Client, Found};
use server::{Config, Server};

use crate::live::{self, Watched};
use crate::{interrupt, output, results};
use agents::Agents;
use folder::Folder;

/// As shells say it: ended by the keyboard.
const INTERRUPTED: u8 = 130;
const TOKEN_VALID_S: u64 = 3_600;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many agents
    #[arg(
        long,
        default_value_t = 5,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=500)
    )]
    agents: u16,
    /// Let all of it go on until Ctrl-C, and say how to use it
    #[arg(long)]
    serve: bool,
    /// Print JSON: the results, and how long it took
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let began = Instant::now();
    let program = agents::program()?;
    let folder = Folder::new()?;
    let names: Vec<String> = (1..=args.agents).map(|number| format!("pc-{number}")).collect();
    output::note(format!("A server and {} agents in {}", names.len(), folder.path().display()));
    let mut config = Config::local(folder.data());
    config.depot = Some(folder.depot());
    config.name = Some("demo".to_owned());
    let server = Server::start(config).await.context("the server does not start")?;
    let found = Found { address: server.api_addr.to_string(), token: server.admin_token.clone() };
    let client = Client::new(&found);
    let mut agents = Agents::default();
    let done = {
        let stage = Stage { args: &args, folder: &folder, names: &names, began };
        tokio::select! {
            done = stage.play(&program, &client, &mut agents) => done,
            () = interrupt::asked() => Ok(ExitCode::from(INTERRUPTED)),
        }
    };
    agents.stop().await;
    server.shutdown().await;
    drop(folder);
    done
}

struct Stage<'a> {
    args: &'a Args,
    folder: &'a Folder,
    names: &'a [String],
    began: Instant,
}

impl Stage<'_> {
    async fn play(&self, program: &Path, client: &Client, agents: &mut Agents) -> Result<ExitCode> {
        let token = NewToken {
            uses: u32::from(self.args.agents),
            valid_s: TOKEN_VALID_S,
            note: "demonstration".to_owned(),
        };
        let token = client.make_token(&token).await?.text;
        agents.start(program, self.names, &token, self.folder).await?;
        output::note(format!("Enrolled after {:.2} s", self.began.elapsed().as_secs_f64()));
        let id = self.deploy(client).await?;
        let watched = tokio::select! {
            watched = live::follow(client, &id) => watched?,
            () = agents.one_ended() => return Err(agents::ended_early(self.folder, self.names)),
        };
        let seconds = self.began.elapsed().as_secs_f64();
        let (Watched::Over(runs) | Watched::Left(runs)) = watched;
        self.tell(client, &id, &runs, seconds).await?;
        if self.args.serve {
            farewell::serving(client, self.folder, self.names);
            interrupt::asked().await;
        }
        Ok(results::exit_code(&runs))
    }

    /// Runs begin as their agents connect.
    async fn deploy(&self, client: &Client) -> Result<String> {
        let new = NewDeployment {
            workflow: None,
            revision: None,
            source: Some(self.folder.workflow()?),
            targets: Targets { computers: self.names.to_vec(), ..Targets::default() },
            variables: Default::default(),
            start: None,
            stop: None,
        };
        Ok(client.deploy(&new).await?.deployment.id)
    }

    async fn tell(&self, client: &Client, id: &str, runs: &[Run], seconds: f64) -> Result<()> {
        if self.args.json {
            let mut all = results::collect(client, id, runs).await?;
            all.seconds = Some((seconds * 1_000.0).round() / 1_000.0);
            output::json(&all)?;
        } else {
            results::table(runs, output::now()).print()?;
        }
        output::note(format!("{}, in {seconds:.2} s", results::counted_in_all(runs)));
        farewell::what_came(self.folder, self.names, self.args.serve);
        Ok(())
    }
}
