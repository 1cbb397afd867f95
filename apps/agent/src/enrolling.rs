//! `enroll`, `install`, `save-answers`: from nothing to an agent at work, and on to the next
//! machine.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use agent::config::{Config, ConfigError};
use agent::enroll::{EnrollError, Enrolment, enroll};
use agent::state::{Identity, StateFolder};
use anyhow::{Context, Result, anyhow};
use format::answers::{self, Answers, Secret};
use trust::Token;

use crate::arguments::{
    EnrollArguments, How, InstallArguments, ReachArguments, SaveAnswersArguments,
};
use crate::failure::{ANSWERS, Coded, ENROLMENT, Failure, SERVICE};
use crate::folder;
use crate::running::{above, runtime};
use crate::service::{self, Wish};

/// What was typed and what the answer file says, together.
struct Asked {
    token: Option<Token>,
    servers: Vec<String>,
    name: Option<String>,
    folder: StateFolder,
    config: Config,
    answers: Answers,
}

pub(crate) fn enrol(wish: EnrollArguments) -> Result<(), Failure> {
    let asked = gather(wish.how, wish.state.state)?;
    if Identity::is_there(&asked.folder) {
        let name = Identity::load(&asked.folder)?.name;
        let folder = asked.folder.path().to_owned();
        return Err(EnrollError::Already { name, folder }).code(ENROLMENT);
    }
    enrol_anew(asked).map(drop)
}

/// Enrols where that has not been done, and installs and starts the service.
pub(crate) fn install(wish: InstallArguments) -> Result<(), Failure> {
    let asked = gather(wish.how, wish.state.state)?;
    let state = asked.folder.path().to_owned();
    if Identity::is_there(&asked.folder) {
        let identity = Identity::load(&asked.folder)?;
        check_same_deployment(&asked, &identity).code(ENROLMENT)?;
        println!("enrolled already as {} ({})", identity.name, identity.computer);
        keep(&asked.folder, &asked.config)?;
    } else {
        enrol_anew(asked)?;
    }
    if wish.no_service {
        return Ok(());
    }
    service::install(&Wish { root: None, state: state.clone() }).code(SERVICE)?;
    if !wish.no_start {
        service::restart().code(SERVICE)?;
        println!("the service runs; `deskhand-agent status` tells how it is");
    }
    Ok(())
}

fn enrol_anew(asked: Asked) -> Result<(), Failure> {
    let Asked { token, servers, name, folder, config, .. } = asked;
    let token = token
        .ok_or_else(|| {
            anyhow!(
                "a token is needed: make one with `deskhand token create` on the server and give \
                 it with --token, in DESKHAND_ENROLL_TOKEN, or as `Token` in the answer file"
            )
        })
        .code(ANSWERS)?;
    if !config.dial {
        let where_to = &config.listen;
        eprintln!(
            "waiting on {where_to} for the server; say there: deskhand agent connect ADDRESS"
        );
    }
    let enrolment = Enrolment { token, servers, name, config };
    let done = runtime()?.block_on(enroll(&folder, &enrolment)).code(ENROLMENT)?;
    keep(&folder, &enrolment.config)?;
    println!("enrolled as {} ({})", done.name, done.computer);
    if is_other_name(&done.wished, &done.name) {
        let (wished, name) = (&done.wished, &done.name);
        eprintln!("note: another computer is called {wished} on the server, and has an agent");
        eprintln!("      if that was this machine before, say there:");
        eprintln!("      deskhand computer remove {wished}");
        eprintln!("      deskhand computer set {name} --rename {wished}");
    }
    println!("server          {}", done.server);
    println!("deployment key  {}", done.deployment_key);
    println!("this agent's    {}", done.agent_key);
    Ok(())
}

/// Whether the server gave another name than was asked for; case and what it cleans away aside.
fn is_other_name(wished: &str, name: &str) -> bool {
    let wished = wished.trim().to_lowercase();
    name.to_lowercase().strip_prefix(&wished).is_some_and(|rest| {
        let number = rest.strip_prefix('-').unwrap_or_default();
        !wished.is_empty() && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Writes settings that have changed.
fn keep(folder: &StateFolder, config: &Config) -> Result<(), ConfigError> {
    if *config == Config::load(folder)? { Ok(()) } else { config.store(folder) }
}

fn gather(how: How, state: Option<PathBuf>) -> Result<Asked, Failure> {
    let answers = match &how.answers {
        Some(file) => read(file).code(ANSWERS)?,
        None => Answers::default(),
    };
    let typed = match how.token.as_deref() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("no token on standard input")?;
            Some(text)
        }
        Some(text) => Some(text.to_owned()),
        None => answers.token.as_ref().map(|secret| secret.reveal().to_owned()),
    };
    let token = typed.map(|text| Token::parse(&text)).transpose();
    let token = token.context("the token cannot be used").code(ANSWERS)?;
    if let (Some(token), Some(key)) = (&token, answers.deployment_key)
        && token.deployment_key != key
    {
        let why = "the token is for another deployment key than the `NewKey` of the answer file";
        return Err(anyhow!(why)).code(ANSWERS);
    }
    let servers = how.server.into_iter().chain(answers.servers.iter().cloned()).collect();
    let name = how.name.or_else(|| answers.name.clone());
    let folder = folder(state.or_else(|| answers.state.as_ref().map(PathBuf::from)))?;
    let config = settings(&folder, &answers, &how.reach)?;
    Ok(Asked { token, servers, name, folder, config, answers })
}

fn read(file: &Path) -> Result<Answers> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let read = answers::parse_bytes(&bytes).with_context(|| file.display().to_string())?;
    for remark in &read.ignored {
        eprintln!("{}:{}: {}", file.display(), remark.line, remark.text);
    }
    Ok(read.answers)
}

/// Whether the deployment that a machine belongs to has that key.
fn is_of(identity: &Identity, key: trust::Fingerprint) -> bool {
    let known = identity.trust.role(trust::Role::Root).holders();
    known.iter().any(|holder| holder.key.fingerprint() == key)
}

/// A machine of another deployment is not taken over by an installation.
fn check_same_deployment(asked: &Asked, identity: &Identity) -> Result<()> {
    let key = asked.token.as_ref().map(|token| token.deployment_key);
    let Some(key) = key.or(asked.answers.deployment_key) else { return Ok(()) };
    if is_of(identity, key) {
        return Ok(());
    }
    Err(anyhow!(
        "this machine is enrolled (as {}) with another deployment, whose key is not {key}; remove \
         that agent first: `deskhand-agent service remove --purge`",
        identity.name
    ))
}

/// The agent's settings, with what the answers say above them, and above these what was typed.
fn settings(folder: &StateFolder, answers: &Answers, flags: &ReachArguments) -> Result<Config> {
    let mut config = Config::load(folder)?;
    if let Some(listen) = &answers.listen {
        config.listen = listen.clone();
    }
    if let Some(broadcast) = &answers.broadcast {
        config.broadcast = broadcast.clone();
    }
    if let Some(delay) = answers.broadcast_delay {
        config.broadcast_delay = delay;
    }
    if let Some(collection) = &answers.collection {
        config.collection = collection.clone();
    }
    if let Some(max) = answers.collection_max {
        config.collection_max = max;
    }
    above(&mut config, flags)?;
    Ok(config)
}

/// The answers with which another machine becomes an agent like this one: nothing secret, and
/// nothing that is this machine's alone.
fn answers_of(identity: &Identity, config: &Config) -> Answers {
    let standard = Config::default();
    // Of several, a change of keys being in progress, the token will say which.
    let root = match identity.trust.role(trust::Role::Root).holders() {
        [only] => Some(only),
        _ => None,
    };
    let servers = if config.servers.is_empty() { &identity.servers } else { &config.servers };
    let said = |addresses: &model::Addresses| Some(addresses.clone()).filter(|all| !all.is_empty());
    Answers {
        servers: servers.clone(),
        deployment_key: root.map(|holder| holder.key.fingerprint()),
        listen: said(&config.listen),
        broadcast: said(&config.broadcast),
        broadcast_delay: Some(config.broadcast_delay)
            .filter(|delay| *delay != standard.broadcast_delay),
        collection: said(&config.collection),
        collection_max: Some(config.collection_max).filter(|max| *max != standard.collection_max),
        ..Answers::default()
    }
}

pub(crate) fn save_answers(what: &SaveAnswersArguments) -> Result<(), Failure> {
    let folder = folder(what.state.state.clone())?;
    let identity = Identity::load(&folder)?;
    let mut answers = answers_of(&identity, &Config::load(&folder)?);
    let mut remarks = vec![format!("from {}", identity.name)];
    match &what.token {
        Some(text) => {
            let token = Token::parse(text).context("the token cannot be used").code(ANSWERS)?;
            if !is_of(&identity, token.deployment_key) {
                let why = "the token is for another deployment than this agent's";
                return Err(anyhow!(why)).code(ANSWERS);
            }
            answers.deployment_key = Some(token.deployment_key);
            answers.token = Some(Secret::new(text.trim()));
            remarks.push("holds a secret: whoever reads it can enrol machines".to_owned());
        }
        None => remarks.push(
            "no token in here: add `Token=`, or set DESKHAND_ENROLL_TOKEN on the machine"
                .to_owned(),
        ),
    }
    let remarks: Vec<&str> = remarks.iter().map(String::as_str).collect();
    let text = answers::write(&answers, &remarks);
    if what.file == Path::new("-") {
        std::io::stdout().write_all(text.as_bytes())?;
        return Ok(());
    }
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&what.file).and_then(|mut file| file.write_all(text.as_bytes()));
    Ok(written.with_context(|| format!("cannot write {}", what.file.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_with_a_number_is_another_name() {
        for (wished, name, is_other) in [
            ("pc", "PC", false),
            ("pc", "pc-2", true),
            (" Pc ", "pC-17", true),
            ("", "host", false),
            ("", "-2", false),
            ("pc", "pc-", false),
            ("pc", "pc-x", false),
            ("a\u{1b}b", "ab", false),
        ] {
            assert_eq!(is_other_name(wished, name), is_other, "{wished} {name}");
        }
    }
}
