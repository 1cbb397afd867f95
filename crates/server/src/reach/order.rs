//! In which order a machine's addresses are tried (AG-03).
//!
//! `Computer.ForceConnection` alone, where it is set; else the agent's host name and port, the
//! computer's host name and the usual port, its IP address and the usual port.

use model::address::AGENT_PORT;
use model::{Address, Computer, ParseAddressError};

/// Told by an agent that listens: where.
pub const AGENT_HOST: &str = "agent_host";
pub const AGENT_PORT_FACT: &str = "agent_port";
/// The one address that counts, for variables of a deployment and for computers of record; in any
/// case, and as DA wrote it.
const FORCED: [&str; 3] = ["force_connection", "forceconnection", "computer.forceconnection"];

/// Whether the server may call this computer by itself.
pub fn is_listener(computer: &Computer) -> bool {
    !computer.is_group && (port(computer).is_some() || of_record(computer.facts.iter()).is_some())
}

/// The text of `Computer.ForceConnection` among names and values.
pub fn of_record<'a>(mut all: impl Iterator<Item = (&'a String, &'a String)>) -> Option<String> {
    let is_meant = |name: &str| FORCED.contains(&name.to_ascii_lowercase().as_str());
    let (_, value) = all.find(|(name, value)| is_meant(name) && !value.trim().is_empty())?;
    Some(value.clone())
}

/// Whether only people may say a fact of that name, and no agent.
pub fn is_of_people(name: &str) -> bool {
    FORCED.contains(&name.to_ascii_lowercase().as_str())
}

fn port(computer: &Computer) -> Option<u16> {
    computer.facts.get(AGENT_PORT_FACT)?.parse().ok().filter(|port| *port > 0)
}

/// The addresses to be tried, in order. `forced` comes before what the computer's record says.
pub fn addresses(
    computer: &Computer,
    forced: Option<String>,
) -> Result<Vec<Address>, ParseAddressError> {
    let usual = port(computer).unwrap_or(AGENT_PORT);
    if let Some(text) = forced.or_else(|| of_record(computer.facts.iter())) {
        return Ok(vec![Address::parse(&text, usual)?]);
    }
    let fact = |name: &str| computer.facts.get(name).map_or("", String::as_str);
    let named = fact(AGENT_HOST);
    let named = if named.is_empty() { &computer.host_name } else { named };
    let all = [
        Address::of(named, usual),
        Address::of(&computer.host_name, AGENT_PORT),
        Address::of(fact("ip"), AGENT_PORT),
        // Where the usual port is not the agent's, its address with its own port is the last hope.
        Address::of(fact("ip"), usual),
    ];
    let mut order = Vec::new();
    for address in all.into_iter().flatten() {
        if !order.contains(&address) {
            order.push(address);
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use model::ComputerId;

    use super::*;

    fn computer(facts: &[(&str, &str)]) -> Computer {
        let facts = facts.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Computer {
            id: ComputerId::from_bytes([1; 16]),
            name: "pc".into(),
            host_name: "pc.example".into(),
            os: "linux".into(),
            parent: None,
            is_group: false,
            facts: facts.collect(),
        }
    }

    fn order(facts: &[(&str, &str)], forced: Option<&str>) -> Vec<String> {
        let order = addresses(&computer(facts), forced.map(str::to_owned)).expect("addresses");
        order.iter().map(Address::socket).collect()
    }

    #[test]
    fn the_agents_own_address_comes_first_then_name_then_number() {
        let facts = [("agent_host", "a.example"), ("agent_port", "1740"), ("ip", "10.0.0.7")];
        let expect = ["a.example:1740", "pc.example:1738", "10.0.0.7:1738", "10.0.0.7:1740"];
        assert_eq!(order(&facts, None), expect);
        assert_eq!(order(&[("ip", "::1")], None), ["pc.example:1738", "[::1]:1738"]);
        assert_eq!(order(&[], None), ["pc.example:1738"]);
    }

    #[test]
    fn a_forced_address_is_the_only_one() {
        let facts = [("Computer.ForceConnection", "inet:gate:7"), ("agent_port", "1740")];
        assert_eq!(order(&facts, None), ["gate:7"]);
        assert_eq!(order(&facts, Some("INET:other")), ["other:1740"]);
        assert!(is_listener(&computer(&facts[..1])) && !is_listener(&computer(&[])));
        assert!(addresses(&computer(&facts), Some("a b".into())).is_err());
    }
}
