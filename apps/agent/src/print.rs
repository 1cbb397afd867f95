//! `status` for people.

use agent::status::{Status, instant};
use model::Timestamp;

pub(crate) fn status(status: &Status) {
    println!("computer    {} ({})", status.name, status.computer);
    println!("agent       {}{}", status.version, if status.running { "" } else { ", not running" });
    println!("key         {}", status.key);
    println!("servers     {}", status.servers.join(", "));
    println!("connection  {}", connection(status));
    if status.runs.is_empty() {
        println!("runs        none");
    }
    for run in &status.runs {
        let workflow = run.workflow.as_deref().unwrap_or("?");
        println!("run         {} ({workflow})", run.run);
        println!("            {}", run.why);
    }
}

fn connection(status: &Status) -> String {
    let server = status.server.as_deref().unwrap_or("no server yet");
    let since = status.since_ms.map(|millis| instant(Timestamp::from_millis(millis)));
    let since = since.map_or(String::new(), |since| format!(" since {since}"));
    if !status.running {
        return "none, the agent is not running".to_owned();
    }
    if status.connected {
        return format!("connected to {server}{since}");
    }
    let why = status.error.as_deref().map_or(String::new(), |error| format!(": {error}"));
    format!("none{since} ({server}){why}")
}
