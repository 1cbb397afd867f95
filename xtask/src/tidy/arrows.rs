//! Which room may depend on which. The table is the whole truth: what it does not name is refused.
//!
//! Rooms stand in the order of the architecture, so that every arrow points down. Tests may look
//! up: what stands under `dev-dependencies` is not built into anything that ships.

use std::path::{Path, PathBuf};

use super::Offence;

const RULE: &str = "arrows";

/// All pure rooms, written `@` in the table.
const PURE: &str = "travel deployment application workflow trust model";

/// A room and what it may use. An arrow may only point to a room that stands further down.
const MAY_USE: &[(&str, &str)] = &[
    ("tests/e2e", "sim server client api agent store machine content wire format @"),
    ("tests/bench", "sim server client api agent store machine content wire format @"),
    ("tests/fuzz", "content wire format script @"),
    ("apps/deskhand", "sim server client api agent store machine content wire format script @"),
    ("apps/agent", "agent machine content wire format script application workflow trust model"),
    ("xtask", ""),
    ("crates/sim", "server api agent store machine content wire format script @"),
    ("crates/server", "api store machine content wire format @"),
    ("crates/client", "api model"),
    ("crates/api", "model"),
    ("crates/agent", "content machine wire format script travel application workflow trust model"),
    ("crates/store", "@"),
    ("crates/content", "application machine model"),
    ("crates/machine", "application model"),
    ("crates/wire", "format @"),
    ("crates/format", "script deployment application workflow trust model"),
    ("crates/script", ""),
    ("crates/travel", "deployment workflow trust model"),
    ("crates/deployment", "workflow trust model"),
    ("crates/application", "model"),
    ("crates/workflow", "model"),
    ("crates/trust", "model"),
    ("crates/model", ""),
];

fn uses(names: &'static str) -> impl Iterator<Item = &'static str> {
    names.split_whitespace().flat_map(|name| if name == "@" { PURE } else { name }.split(' '))
}

/// Offences in the manifests, each given with its folder.
pub fn check(manifests: &[(PathBuf, String)]) -> Vec<Offence> {
    manifests.iter().flat_map(|(folder, text)| manifest(&room(folder), text)).collect()
}

fn manifest(room: &str, text: &str) -> Vec<Offence> {
    let offence = |line: usize, what: String| Offence {
        path: format!("{room}/Cargo.toml"),
        line,
        rule: RULE,
        what,
    };
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
        let what =
            "this room is not in the table of xtask/src/tidy/arrows.rs: say there what it may use";
        return vec![offence(1, what.to_owned())];
    };
    let forbidden =
        dependencies(text).into_iter().filter(|(_, used)| !uses(allowed).any(|name| name == used));
    forbidden
        .map(|(line, used)| offence(line, format!("{room} may not depend on crates/{used}")))
        .collect()
}

/// Our own rooms that a manifest depends on, each with its line.
fn dependencies(text: &str) -> Vec<(usize, String)> {
    let mut section = "";
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(heading) = line.strip_prefix('[') {
            section = heading.trim_end_matches(']');
            let one = section.rsplit_once("dependencies.").map(|(_, name)| name);
            found.extend(one.and_then(|name| ours(name, "")).map(|name| (index + 1, name)));
        } else if section.ends_with("dependencies")
            && section != "dev-dependencies"
            && let Some((key, value)) = line.split_once('=')
        {
            found.extend(ours(key, value).map(|name| (index + 1, name)));
        }
    }
    found
}

/// `model` for `model.workspace = true`, `deskhand-model = …` and `x = { path = "../model" }`.
fn ours(key: &str, value: &str) -> Option<String> {
    let key = key.trim().split('.').next()?.trim_matches('"');
    let path = value.split_once("path").and_then(|(_, rest)| rest.split('"').nth(1));
    let by_path = path.and_then(|path| path.rsplit('/').next());
    let by_package = value.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
    [Some(key), by_path, by_package].into_iter().flatten().find_map(|name| {
        let name = name.strip_prefix("deskhand-").unwrap_or(name);
        let name = if name == "agent-lib" { "agent" } else { name };
        let known = MAY_USE.iter().any(|(room, _)| room.strip_prefix("crates/") == Some(name));
        known.then(|| name.to_owned())
    })
}

/// `crates/model`, from the full path of the folder.
fn room(folder: &Path) -> String {
    let names: Vec<_> = folder.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    match names.as_slice() {
        [.., last] if last == "xtask" => last.clone(),
        [.., parent, last] => format!("{parent}/{last}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(room: &str, text: &str) -> Vec<String> {
        manifest(room, text)
            .into_iter()
            .map(|offence| format!("{} {}", offence.line, offence.what))
            .collect()
    }

    #[test]
    fn every_arrow_of_the_table_points_down() {
        for (place, (room, names)) in MAY_USE.iter().enumerate() {
            for used in uses(names) {
                let below =
                    MAY_USE[place + 1..].iter().any(|(name, _)| *name == format!("crates/{used}"));
                assert!(below, "{room} stands below crates/{used}");
            }
        }
    }

    #[test]
    fn an_arrow_up_is_found_however_it_is_written() {
        let all = "[dependencies]\nstore.workspace = true\nmodel.workspace = true\nserde = \"1\"\n\
            x = { path = \"../agent\" }\n[dev-dependencies]\n\
            deskhand-server = { path = \"../server\" }\n\
            [target.'cfg(windows)'.dependencies]\nmachine = { workspace = true }\n\
            [dependencies.sim]\nworkspace = true";
        let expect = [
            "2 crates/workflow may not depend on crates/store",
            "5 crates/workflow may not depend on crates/agent",
            "9 crates/workflow may not depend on crates/machine",
            "10 crates/workflow may not depend on crates/sim",
        ];
        assert_eq!(found("crates/workflow", all), expect);
    }

    #[test]
    fn what_the_table_allows_is_no_offence() {
        assert!(
            found(
                "crates/content",
                "[dependencies]\nmodel.workspace = true\nmachine.workspace = true"
            )
            .is_empty()
        );
        assert!(
            found("crates/model", "[package]\nname = \"deskhand-model\"\n[lib]\nname = \"model\"")
                .is_empty()
        );
    }

    #[test]
    fn a_room_nobody_has_thought_about_is_an_offence() {
        assert!(found("crates/utils", "")[0].contains("not in the table"));
    }
}
