//! What the demonstration leaves to be looked at, and how to go on with it.

use std::fs;

use client::Client;

use super::folder::Folder;
use crate::output;

/// File names that are shown.
const FILES_MAX: usize = 10;

/// What came into the depot, and what is on a target now.
pub fn what_came(folder: &Folder, names: &[String], stays: bool) {
    let inventory = folder.depot().join("inventory");
    let mut files: Vec<String> = fs::read_dir(&inventory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    files.sort_by_cached_key(|name| crate::live::natural(name));
    let shown = if stays { inventory.display().to_string() } else { "inventory".to_owned() };
    output::note(format!("\nThe agents brought into the depot's folder {shown}:"));
    let more = files.len().saturating_sub(FILES_MAX);
    files.truncate(FILES_MAX);
    let and_more = if more > 0 { format!("  and {more} more") } else { String::new() };
    output::note(format!("  {}{and_more}", files.join("  ")));
    let Some(first) = names.first() else { return };
    if let Ok(text) = fs::read_to_string(inventory.join(format!("{first}.txt"))) {
        output::note(format!("{first}.txt says:"));
        text.lines().for_each(|line| output::note(format!("  {}", output::clean(line))));
    }
    if !stays {
        output::note("\nAll of it is stopped and removed. It stays with: deskhand demo --serve");
    }
}

/// Commands to try while it goes on.
pub fn serving(client: &Client, folder: &Folder, names: &[String]) {
    let exe = std::env::current_exe().ok();
    let name = exe.map_or_else(|| "deskhand".to_owned(), |exe| exe.display().to_string());
    let first = names.first().map_or("pc-1", String::as_str);
    output::note(format!(
        "\n\
        It goes on until Ctrl-C. In another terminal:\n  \
          export DESKHAND_DATA={data}\n  \
          alias deskhand={name}\n  \
          deskhand computer list\n  \
          deskhand deployment show last --computer {first}\n  \
          deskhand deployment log last\n  \
          deskhand deploy {workflow} --to everybody --follow\n\
        The API is at http://{api}; the depot is {depot};\n\
        what stands for / on {first} is {root}; its agent logs to {log}.",
        data = quoted(&folder.data().display().to_string()),
        name = quoted(&name),
        workflow = quoted(&folder.path().join("workflow.yaml").display().to_string()),
        api = client.address(),
        depot = folder.depot().display(),
        root = folder.root(first).display(),
        log = folder.log(first).display(),
    ));
}

/// One word for a shell; left alone where that is the same.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:\\".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
