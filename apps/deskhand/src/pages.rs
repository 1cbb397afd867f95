//! The pages of error codes, built into the program.

use rust_embed::Embed;

#[derive(Embed)]
#[folder = "../../docs/errors"]
struct Pages;

/// The page of a code; `dh-w001` and `W001` mean `DH-W001`.
pub fn page(code: &str) -> Option<String> {
    let code = code.trim().to_uppercase();
    let full = if code.starts_with("DH-") { code } else { format!("DH-{code}") };
    let file = Pages::get(&format!("{full}.md"))?;
    Some(String::from_utf8_lossy(&file.data).into_owned())
}

/// All codes in order, each with the title of its page.
pub fn index() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Pages::iter()
        .filter_map(|name| {
            let code = name.strip_suffix(".md")?.to_owned();
            let title = title(&page(&code)?, &code);
            Some((code, title))
        })
        .collect();
    all.sort();
    all
}

/// `# DH-W001: the activity does not exist` without what everybody knows already.
fn title(page: &str, code: &str) -> String {
    let first = page.lines().next().unwrap_or_default().trim_start_matches('#').trim();
    let rest = first.strip_prefix(code).unwrap_or(first);
    rest.trim_start_matches([':', ' ', '-', '·', '–', '—']).to_owned()
}
