//! `deskhand server log`: the log files of a data folder, whether the server runs or not.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::connection::Connection;
use crate::logging::{FOLDER, NAME, files};
use crate::output;
use crate::trouble::Trouble;

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// Go on with what is logged from now on
    #[arg(long, short)]
    follow: bool,
    /// Only this and what is worse: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    level: Option<usize>,
    /// Only from then on: `10m` ago, or an instant
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<i64>,
    /// Only of this part of the program, such as `server::gateway`
    #[arg(long, value_name = "PART")]
    target: Option<String>,
    /// Only of this computer, by name or id
    #[arg(long, value_name = "COMPUTER")]
    computer: Option<String>,
    /// Only lines with this text in them
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// The last so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    lines: usize,
    /// Change what is logged while the server runs, such as `info,server::gateway=debug`
    #[arg(long, value_name = "FILTER")]
    set_filter: Option<String>,
    /// Print the lines as they are kept, JSON
    #[arg(long)]
    json: bool,
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

fn level(text: &str) -> Result<usize, String> {
    let found = LEVELS.iter().position(|level| *level == text);
    found.ok_or_else(|| format!("levels are {}", LEVELS.join(", ")))
}

fn since(text: &str) -> Result<i64, String> {
    if let Ok(span) = text.parse::<model::Span>() {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        return Ok(output::now().saturating_sub(span));
    }
    crate::when::instant(text)
}

/// What a line must be to be shown.
#[derive(Debug, Default)]
struct Wanted {
    level: Option<usize>,
    since: Option<i64>,
    target: Option<String>,
    /// Any of these.
    computer: Vec<String>,
    grep: Option<String>,
}

impl Wanted {
    fn lets(&self, line: &str, read: &Value) -> bool {
        let text = |name: &str| read[name].as_str().unwrap_or_default();
        let level = LEVELS.iter().position(|level| *level == text("level")).unwrap_or(0);
        self.level.is_none_or(|most| level <= most)
            && self.since.is_none_or(|since| read["at"].as_i64().is_some_and(|at| at >= since))
            && self.target.as_ref().is_none_or(|part| text("target").starts_with(part.as_str()))
            && (self.computer.is_empty() || self.computer.iter().any(|one| line.contains(one)))
            && self.grep.as_ref().is_none_or(|part| line.contains(part.as_str()))
    }
}

pub async fn run(args: LogArgs, connection: &Connection, data: &Path) -> Result<()> {
    if let Some(filter) = &args.set_filter {
        let set = api::LogSettings { filter: filter.clone() };
        let now = connection.client()?.set_log(&set).await?;
        output::note(format!("Logged from now on: {}", now.filter));
        return Ok(());
    }
    let mut computer: Vec<String> = args.computer.iter().cloned().collect();
    if let Some(name) = &args.computer
        && let Ok(client) = connection.client()
        && let Ok(found) = client.computer(name).await
    {
        computer.push(found.id);
    }
    let (level, since) = (args.level, args.since);
    let wanted = Wanted { level, since, target: args.target, computer, grep: args.grep };
    let mut follower = Follower::new(data);
    let mut lines = follower.all()?;
    if lines.is_empty() && !args.follow {
        let what = format!("there is no log in {}", data.join(FOLDER).display());
        let hint = "name the server's data folder with --data; the log is its owner's (or root's)";
        return Err(Trouble::new("DH-C131", what, hint).into());
    }
    lines.retain(|line| wanted.lets(line, &parsed(line)));
    let first = lines.len().saturating_sub(args.lines);
    lines[first..].iter().try_for_each(|line| show(line, args.json))?;
    if !args.follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(LOOK).await;
        for line in follower.news()? {
            if wanted.lets(&line, &parsed(&line)) {
                show(&line, args.json)?;
            }
        }
    }
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_default()
}

fn show(line: &str, json: bool) -> Result<()> {
    let text = if json { output::clean(line).into_owned() } else { readable(line) };
    output::line(text)?;
    Ok(())
}

/// A line for people.
fn readable(line: &str) -> String {
    let read = parsed(line);
    let Some(at) = read["at"].as_i64() else { return output::clean(line).into_owned() };
    let paint = output::paint_stdout();
    let text = |name: &str| read[name].as_str().unwrap_or_default().to_owned();
    let level = format!("{:5}", text("level"));
    let level = match level.trim() {
        "error" => paint.bad(&level),
        "warn" => paint.busy(&level),
        _ => paint.dim(&level),
    };
    let fields = read["fields"].as_object().into_iter().flatten().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!(" {name}={value}")
    });
    let rest: String = std::iter::once(text("text")).chain(fields).collect();
    format!("{} {level} {}", output::stamp(at), output::clean(&rest))
}

/// The last errors of the log, newest last.
pub fn last_errors(data: &Path, count: usize) -> Vec<String> {
    let wanted = Wanted { level: Some(0), ..Wanted::default() };
    let mut lines = Follower::new(data).all().unwrap_or_default();
    lines.retain(|line| wanted.lets(line, &parsed(line)));
    let first = lines.len().saturating_sub(count);
    lines[first..].iter().map(|line| readable(line)).collect()
}

/// Reads on where it left off, also when the next file begins.
struct Follower {
    data: PathBuf,
    newest: Option<BufReader<File>>,
    /// The beginning of a line whose end is not there yet.
    part: String,
}

impl Follower {
    fn new(data: &Path) -> Self {
        Self { data: data.to_owned(), newest: None, part: String::new() }
    }

    fn path(&self) -> PathBuf {
        self.data.join(FOLDER).join(NAME)
    }

    /// Every line there is.
    fn all(&mut self) -> Result<Vec<String>> {
        let (mut lines, newest) = (Vec::new(), self.path());
        for path in files(&self.data) {
            if path == newest {
                continue;
            }
            let text = std::fs::read(&path);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            lines.extend(String::from_utf8_lossy(&text).lines().map(str::to_owned));
        }
        lines.extend(self.news()?);
        Ok(lines)
    }

    /// The lines that have come since.
    fn news(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        if let Some(open) = &mut self.newest {
            read_lines(open, &mut self.part, &mut lines)?;
        }
        let path = self.path();
        let has_turned = match &self.newest {
            None => true,
            Some(open) => !is_same(open.get_ref(), &path),
        };
        if has_turned && let Ok(file) = File::open(&path) {
            self.part.clear();
            let mut open = BufReader::new(file);
            open.seek(SeekFrom::Start(0))?;
            read_lines(&mut open, &mut self.part, &mut lines)?;
            self.newest = Some(open);
        }
        Ok(lines)
    }
}

fn read_lines(from: &mut impl BufRead, part: &mut String, into: &mut Vec<String>) -> Result<()> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    part.push_str(&String::from_utf8_lossy(&bytes));
    while let Some(end) = part.find('\n') {
        let line: String = part.drain(..=end).collect();
        into.push(line.trim_end().to_owned());
    }
    Ok(())
}

#[cfg(unix)]
fn is_same(open: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let known = |meta: std::io::Result<std::fs::Metadata>| meta.ok().map(|m| (m.dev(), m.ino()));
    known(open.metadata()) == known(std::fs::metadata(path))
}

#[cfg(not(unix))]
fn is_same(open: &File, path: &Path) -> bool {
    let size = |meta: std::io::Result<std::fs::Metadata>| meta.map_or(0, |meta| meta.len());
    size(open.metadata()) <= size(std::fs::metadata(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::Rotating;

    #[test]
    fn lines_are_chosen_and_followed_over_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Rotating::open(folder.path(), 200, 8).unwrap();
        let line = |at: i64, level: &str, text: &str| {
            format!(
                "{{\"at\":{at},\"level\":\"{level}\",\"target\":\"server::core\",\"text\":\"{text}\"}}\n"
            )
        };
        for at in 0..5 {
            log.write(line(at, if at == 3 { "error" } else { "info" }, "pc-1 came").as_bytes());
        }
        let mut follower = Follower::new(folder.path());
        assert_eq!(follower.all().unwrap().len(), 5);
        assert_eq!(follower.news().unwrap().len(), 0);
        for at in 5..9 {
            log.write(line(at, "debug", "pc-2 went").as_bytes());
        }
        assert!(files(folder.path()).len() > 2);
        let all = Follower::new(folder.path()).all().unwrap();
        let count =
            |wanted: Wanted| all.iter().filter(|line| wanted.lets(line, &parsed(line))).count();
        assert_eq!(count(Wanted { level: Some(0), ..Wanted::default() }), 1);
        assert_eq!(count(Wanted { level: Some(2), ..Wanted::default() }), 5);
        assert_eq!(count(Wanted { since: Some(7), ..Wanted::default() }), 2);
        assert_eq!(count(Wanted { computer: vec!["pc-2".into()], ..Wanted::default() }), 4);
        assert_eq!(count(Wanted { target: Some("server::g".into()), ..Wanted::default() }), 0);
        assert_eq!(count(Wanted { grep: Some("came".into()), ..Wanted::default() }), 5);
        assert_eq!(last_errors(folder.path(), 3).len(), 1);
        assert!(readable("no json \u{1b}[31m").contains("no json"));
    }
}
