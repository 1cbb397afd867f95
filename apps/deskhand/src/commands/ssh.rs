//! `deskhand ssh`: computers without agent: whose hosts' keys are trusted, what is allowed. The
//! way to one computer is part of `deskhand computer`.

use std::process::ExitCode;

use anyhow::Result;
use api::{SshLogin, SshPolicy, SshTrust, SshWay};
use clap::{Subcommand, ValueEnum};
use client::Client;

use crate::connection::Connection;
use crate::output;
use crate::trouble::Trouble;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Trust the key of a host: the one that is given, else the one that it shows now
    Trust {
        #[arg(value_name = "HOST[:PORT]", required = true)]
        host: Vec<String>,
        /// As in a `.pub` file: "ssh-ed25519 AAAA..."
        #[arg(long)]
        key: Option<String>,
        /// In place of another key that was trusted before
        #[arg(long)]
        replace: bool,
    },
    /// Trust no key of a host any more
    Forget {
        #[arg(value_name = "HOST[:PORT]", required = true)]
        host: Vec<String>,
    },
    /// Log in to computers, start an agent there and say what answered
    Test {
        #[arg(required = true)]
        name: Vec<String>,
    },
    /// Show what the server may do over SSH, or change it
    Policy {
        /// Whether computers may be reached over SSH at all
        #[arg(long, value_enum)]
        allow: Option<Switch>,
        /// `strict`: only hosts whose key was trusted; `accept-new`: the first key that is shown
        #[arg(long, value_parser = ["strict", "accept-new"])]
        known_hosts: Option<String>,
        /// Users that may be logged in as, such as "deploy"; `*` for any
        #[arg(long, num_args = 1.., value_name = "PATTERN")]
        user: Option<Vec<String>>,
        /// Hosts that may be reached, such as "*.example.com"; `*` for any
        #[arg(long, num_args = 1.., value_name = "PATTERN")]
        host: Option<Vec<String>>,
        /// How many seconds a connection is kept without work
        #[arg(long, value_name = "SECONDS")]
        idle: Option<u64>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    Yes,
    No,
}

/// How a computer without agent is reached.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Over SSH, without an agent")]
pub struct Way {
    /// Whom to log in as, and where
    #[arg(long, value_name = "USER@HOST[:PORT]")]
    ssh: Option<String>,
    /// A private key in a file on the server
    #[arg(long, value_name = "FILE", requires = "ssh")]
    ssh_key: Option<String>,
    /// A private key that is kept as a secret
    #[arg(long, value_name = "SECRET", requires = "ssh")]
    ssh_key_secret: Option<String>,
    /// The secret that opens the key
    #[arg(long, value_name = "SECRET", requires = "ssh")]
    ssh_passphrase: Option<String>,
    /// The secret that is the user's password
    #[arg(long, value_name = "SECRET", requires = "ssh")]
    ssh_password: Option<String>,
    /// Through this host, with the same key or password; several in order
    #[arg(long, value_name = "USER@HOST[:PORT]", requires = "ssh")]
    jump: Vec<String>,
    /// Become root there
    #[arg(long = "become", value_parser = ["sudo", "doas"], requires = "ssh")]
    become_with: Option<String>,
    /// The secret that `sudo` asks for
    #[arg(long, value_name = "SECRET", requires = "become_with")]
    become_password: Option<String>,
    /// Leave the program there for the next time
    #[arg(long, requires = "ssh")]
    keep: bool,
    /// It is not reached over SSH any more
    #[arg(long, conflicts_with = "ssh")]
    no_ssh: bool,
}

impl Way {
    /// Tells the server, where anything was said.
    pub async fn apply(self, client: &Client, computer: &str) -> Result<()> {
        if self.no_ssh {
            return Ok(client.remove_ssh_way(computer).await?);
        }
        let Some(place) = self.ssh.clone() else { return Ok(()) };
        let login = self.login(&place)?;
        let jumps = self.jump.iter().map(|place| self.login(place)).collect::<Result<_>>()?;
        let way = SshWay {
            login,
            jumps,
            become_with: self.become_with,
            become_secret: self.become_password,
            keep: self.keep,
        };
        Ok(client.set_ssh_way(computer, &way).await?)
    }

    fn login(&self, place: &str) -> Result<SshLogin> {
        let wrong = || {
            let what = format!("`{place}` says neither who nor where");
            Trouble::usage(what, "write `root@pc-1.example.com` or `root@10.0.0.5:2222`")
        };
        let (user, place) = place.split_once('@').ok_or_else(wrong)?;
        let (host, port) = host_port(place);
        Ok(SshLogin {
            user: user.to_owned(),
            host,
            port,
            key_file: self.ssh_key.clone(),
            key_secret: self.ssh_key_secret.clone(),
            passphrase_secret: self.ssh_passphrase.clone(),
            password_secret: self.ssh_password.clone(),
        })
    }
}

/// `host`, `host:port`, `[v6]:port` or a bare v6 address.
fn host_port(place: &str) -> (String, u16) {
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            port.parse().map_or((place, 22), |port| (host, port))
        }
        _ => (place, 22),
    };
    (host.trim_start_matches('[').trim_end_matches(']').to_owned(), port)
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    match args.action {
        Action::Trust { host, key, replace } => {
            for place in host {
                let (host, port) = host_port(&place);
                let trust = SshTrust { host, port, key: key.clone(), replace };
                let trusted = client.trust_host(&trust).await?;
                let told = format!("Trusted {place}: {} {}", trusted.fingerprint, trusted.key);
                output::note(output::clean(&told));
            }
        }
        Action::Forget { host } => {
            for host in host {
                client.forget_host(&host).await?;
            }
        }
        Action::Test { name } => {
            for name in name {
                let tested = client.test_ssh(&name).await?;
                let fact = |fact: &str| tested.facts.get(fact).cloned().unwrap_or_default();
                let told = format!(
                    "{name}: agent {} on {} ({}) in {} ms",
                    tested.version,
                    fact("host_name"),
                    fact("os"),
                    tested.millis
                );
                output::line(output::clean(&told))?;
            }
        }
        Action::Policy { allow, known_hosts, user, host, idle } => {
            let mut policy = client.ssh_policy().await?;
            let before = policy.clone();
            policy.allowed = allow.map_or(policy.allowed, |allow| allow == Switch::Yes);
            policy.known_hosts = known_hosts.unwrap_or(policy.known_hosts);
            policy.users = user.map_or(policy.users, unless_any);
            policy.hosts = host.map_or(policy.hosts, unless_any);
            policy.idle_s = idle.unwrap_or(policy.idle_s);
            if policy == before {
                return show(&policy);
            }
            client.set_ssh_policy(&policy).await?;
        }
    }
    Ok(super::DONE)
}

fn unless_any(patterns: Vec<String>) -> Vec<String> {
    if patterns.iter().any(|pattern| pattern == "*") { Vec::new() } else { patterns }
}

fn show(policy: &SshPolicy) -> Result<ExitCode> {
    let any = |patterns: &[String]| {
        if patterns.is_empty() { "any".to_owned() } else { patterns.join(", ") }
    };
    output::line(format!("allowed      {}", if policy.allowed { "yes" } else { "no" }))?;
    output::line(format!("known hosts  {}", policy.known_hosts))?;
    output::line(format!("users        {}", any(&policy.users)))?;
    output::line(format!("hosts        {}", any(&policy.hosts)))?;
    output::line(format!("kept         {} s without work", policy.idle_s))?;
    Ok(super::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_apart() {
        for (place, host, port) in [
            ("pc-1", "pc-1", 22),
            ("pc-1:2222", "pc-1", 2222),
            ("[::1]:2222", "::1", 2222),
            ("fe80::1", "fe80::1", 22),
        ] {
            assert_eq!(host_port(place), (host.to_owned(), port), "{place}");
        }
    }
}
