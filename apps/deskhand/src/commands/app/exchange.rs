//! `deskhand app import` and `export`: files of others (AP-15).

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use application::{Application, Items, Kind, Options, PreInstall, Scripts, Text, Uninstall};
use format::exchange::{self, FileNames, ReadError, Remark, Taken};

use super::{new, read, show};
use crate::commands::{DONE, workflow};
use crate::output;
use crate::trouble::Trouble;
use crate::whole;

#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// An .axt, .reg or .ini file
    file: PathBuf,
    /// Add the items to this application's file; otherwise a whole new one is printed
    #[arg(long, value_name = "APP")]
    into: Option<PathBuf>,
    /// What the new application is called
    #[arg(long, conflicts_with = "into")]
    name: Option<String>,
    /// For an .ini file: its path on the machines
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("form").required(true)))]
pub struct ExportArgs {
    /// The application's file, `-` for standard input
    file: PathBuf,
    /// Write the registry settings as a .reg file, `-` for standard output
    #[arg(long, value_name = "OUT", group = "form")]
    registry: Option<PathBuf>,
    /// Write the settings of one INI file
    #[arg(long, value_name = "OUT", group = "form")]
    ini: Option<PathBuf>,
    /// Write a template with what is known for certain of that format
    #[arg(long, value_name = "OUT", group = "form")]
    axt: Option<PathBuf>,
    /// Which INI file, where the application changes several
    #[arg(long, value_name = "INI", requires = "ini")]
    of: Option<String>,
}

pub fn import(args: &ImportArgs) -> Result<ExitCode> {
    let name = args.file.display().to_string();
    let bytes = fs::read(&args.file).with_context(|| format!("cannot read {name}"))?;
    let taken = take(args, &bytes).map_err(|error| unreadable(&name, &error))?;
    for remark in &taken.remarks {
        tell(&name, exchange::NOT_TAKEN, remark);
    }
    match &args.into {
        None => {
            let text = format::print_application(&application(args, &taken)?);
            output::text(&text)?;
            output::text(&comments(&name, &taken.remarks))?;
        }
        Some(file) => {
            let source = workflow::read(file)?;
            let into = file.display();
            let mut text = exchange::insert(&source, &taken).map_err(|error| {
                let hint = format!(
                    "`deskhand app check {into}` tells more; a list must stand as \
                                    lines that begin with `- `"
                );
                Trouble::new(exchange::NOT_INSERTED, format!("{into}: {error}"), hint)
            })?;
            text.push_str(&comments(&name, &taken.remarks));
            whole::write(file, text.as_bytes()).with_context(|| format!("cannot write {into}"))?;
            output::note(format!("Added {} to {into}.", counted(&taken.items)));
        }
    }
    Ok(DONE)
}

fn take(args: &ImportArgs, bytes: &[u8]) -> Result<Taken, ReadError> {
    let extension = args.file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        "reg" => exchange::read_reg(bytes),
        "ini" | "inf" | "cfg" | "conf" => {
            let path = args.path.clone().unwrap_or_else(|| {
                args.file.file_name().unwrap_or_default().to_string_lossy().into_owned()
            });
            exchange::read_ini(bytes, Text::new(path))
        }
        "axt" => exchange::read_axt(bytes, &file_names(&args.file)),
        "aot" => Err(ReadError::Binary),
        _ => Err(ReadError::NoAxt),
    }
}

/// What `filedef.txt` beside a template says.
fn file_names(file: &Path) -> FileNames {
    let read = fs::read(file.with_file_name("filedef.txt")).ok();
    read.and_then(|bytes| exchange::read_file_names(&bytes).ok()).unwrap_or_default()
}

fn unreadable(name: &str, error: &ReadError) -> anyhow::Error {
    if let ReadError::Registry(problems) = error {
        for problem in problems {
            output::note(problem.render(name));
        }
    }
    Trouble::new(exchange::UNREADABLE, format!("{name}: {error}"), error.hint()).into()
}

fn tell(name: &str, code: &str, remark: &Remark) {
    let Remark { line, what, lines } = remark;
    let place = if *line > 0 { format!(":{line}") } else { String::new() };
    output::note(output::clean(&format!("{name}{place}: warning[{code}]: {what}")));
    for line in lines {
        output::note(format!("  | {}", output::clean(line)));
    }
}

/// What was not taken over, for the end of the file.
fn comments(name: &str, remarks: &[Remark]) -> String {
    if remarks.is_empty() {
        return String::new();
    }
    let mut text = format!("\n# Not taken over from {}:\n", output::clean(name));
    for Remark { line, what, lines } in remarks {
        text.push_str(&format!("# {line}: {}\n", output::clean(what)));
        for line in lines {
            text.push_str(&format!("#   {}\n", output::clean(line)));
        }
    }
    text
}

fn application(args: &ImportArgs, taken: &Taken) -> Result<Application> {
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = args.name.clone().or_else(|| taken.name.clone()).unwrap_or(stem);
    let name = name.replace(|letter: char| letter.is_control() || letter == '%', "");
    Ok(Application {
        name: if name.trim().is_empty() { "Unnamed".to_owned() } else { name },
        id: new::fresh_id()?,
        version: 1,
        description: None,
        icon: None,
        folder: None,
        kind: Kind::Simple,
        source: taken.source.clone(),
        target: taken.target.clone(),
        macros: taken.macros.clone(),
        items: taken.items.clone(),
        scripts: Scripts::default(),
        launch: None,
        end: Vec::new(),
        pre_install: PreInstall::default(),
        options: Options::default(),
        availability: None,
        dependencies: Vec::new(),
        supersedes: Vec::new(),
        uninstall: Uninstall::default(),
    })
}

fn counted(items: &Items) -> String {
    let settings: usize = items.ini.iter().map(|file| file.settings.len()).sum();
    let counts = [
        (items.shortcuts.len(), "shortcuts"),
        (items.registry.len(), "registry"),
        (items.files.len(), "files"),
        (settings, "ini"),
        (items.text.len(), "text"),
    ];
    let told = counts.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told.map(|(count, name)| format!("{count} {name}")).collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
}

pub fn export(args: &ExportArgs) -> Result<ExitCode> {
    let (application, _) = read(&args.file)?;
    let name = workflow::shown(&args.file);
    let (out, bytes, remarks) = if let Some(out) = &args.registry {
        let (bytes, remarks) = exchange::write_reg(&application);
        (out, bytes, remarks)
    } else if let Some(out) = &args.axt {
        let (text, remarks) = exchange::print_axt(&application);
        (out, text.into_bytes(), remarks)
    } else if let Some(out) = &args.ini {
        let path = match (&args.of, application.items.ini.as_slice()) {
            (Some(path), _) => path.clone(),
            (None, [file]) => file.path.to_string(),
            (None, files) => {
                let known: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
                let what = format!("{name} changes {} INI files", files.len());
                let hint = format!("choose one with `--of`: {}", known.join(", "));
                return Err(Trouble::usage(what, hint).into());
            }
        };
        (out, show::ini_text(&application, &path)?.into_bytes(), Vec::new())
    } else {
        return Err(Trouble::usage("nothing to write", "give --registry, --ini or --axt").into());
    };
    for remark in &remarks {
        tell(&name, exchange::NOT_WRITTEN, &Remark { line: 0, ..remark.clone() });
    }
    if out.as_os_str() == "-" {
        io::stdout().lock().write_all(&bytes)?;
    } else {
        fs::write(out, bytes).with_context(|| format!("cannot write {}", out.display()))?;
        output::note(format!("Wrote {}.", out.display()));
    }
    Ok(DONE)
}
