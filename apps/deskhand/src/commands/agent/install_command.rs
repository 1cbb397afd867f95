//! `deskhand agent install-command`: the line that makes a machine an agent; and answer files.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use client::Client;
use format::answers::{self, Answers, Secret};
use model::Span;
use trust::Token;

use crate::output;
use crate::trouble::Trouble;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// For PowerShell on Windows
    #[arg(long)]
    windows: bool,
    /// With wget instead of curl
    #[arg(long, conflicts_with = "windows")]
    wget: bool,
    /// The line that removes an agent instead
    #[arg(long)]
    uninstall: bool,
    /// How many machines it lets in
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    uses: u32,
    /// How long it can be used
    #[arg(long, default_value = "1d", value_name = "TIME")]
    valid: Span,
    /// Where machines reach the server; as the server was told with `--presence` otherwise
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// The file to write; standard output otherwise
    file: Option<PathBuf>,
    /// An enrolment token to put into it
    #[arg(long, env = "DESKHAND_ENROLL_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

pub async fn run(client: &Client, args: &Args) -> Result<()> {
    if args.uninstall {
        return Ok(output::line(uninstall(args.windows))?);
    }
    let installer = client.installer().await?;
    let address = args.address.as_ref().or(installer.servers.first());
    let address = address.context("the server does not know its own address: `--address`")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if !address.chars().all(is_plain) {
        let text = format!("`{address}` is no address of a server");
        return Err(Trouble::usage(text, "--address HOST:PORT").into());
    }
    let wanted = if args.windows { "windows-" } else { "linux-" };
    if !installer.platforms.iter().any(|platform| platform.starts_with(wanted)) {
        output::note(format!(
            "the server has no agent for {wanted}x86_64 yet: put it into `agents` in its data folder"
        ));
    }
    let valid_s = args.valid.as_millis().div_ceil(1_000);
    let note = "install-command".to_owned();
    let made = client.make_token(&api::NewToken { uses: args.uses, valid_s, note }).await?;
    let url = format!("https://{address}");
    let line = if args.windows {
        windows(&made.text, &url, &installer)
    } else {
        linux(&made.text, &url, &installer.key_pin, args.wget)
    };
    output::line(line)?;
    let who = if args.windows { "in PowerShell as administrator" } else { "as root" };
    output::note(format!(
        "to be pasted on the machine, {who}; it holds a secret that lets {} in until {}",
        args.uses,
        output::stamp(made.token.expires_at)
    ));
    Ok(())
}

/// The script is run only when all of it came from the server that has the pinned key. The token
/// is in no argument of a program, where others could read it.
fn linux(token: &str, url: &str, pin: &str, with_wget: bool) -> String {
    let fetch = if with_wget {
        // It reads its settings from no pipe; the file is for its owner alone.
        "F=$(mktemp) && printf 'header = Authorization: Bearer %s\\n' \"$T\" >\"$F\" && wget -q \
         --no-check-certificate --pinnedpubkey=\"$P\" --config=\"$F\" -O - \"$U/install/linux.sh\"; \
         R=$?; rm -f \"$F\"; exit $R"
    } else {
        "printf 'header = \"Authorization: Bearer %s\"\\n' \"$T\" | curl -fsSk --pinnedpubkey \
         \"$P\" -K - \"$U/install/linux.sh\""
    };
    format!(
        "T={token} U={url} P=sha256//{pin}; S=$({fetch}) && DESKHAND_ENROLL_TOKEN=$T \
         DESKHAND_URL=$U DESKHAND_PIN=$P sh -c \"$S\" deskhand"
    )
}

/// Windows PowerShell 5.1 and .NET: the certificate is compared with its pin in compiled code, as
/// a script block cannot be called on the threads that check certificates.
fn windows(token: &str, url: &str, installer: &api::Installer) -> String {
    let api::Installer { certificate_pin, windows_script, .. } = installer;
    let class = "using System.Net;using System.Security.Cryptography;public class DhPin{\
                 public static void On(string p){ServicePointManager.SecurityProtocol=\
                 SecurityProtocolType.Tls12;ServicePointManager.\
                 ServerCertificateValidationCallback=(s,c,h,e)=>{using(var a=SHA256.Create())\
                 return System.BitConverter.ToString(a.ComputeHash(c.GetRawCertData())).\
                 Replace(\"-\",\"\").ToLower()==p;};}}";
    format!(
        "$ErrorActionPreference='Stop';$env:DESKHAND_ENROLL_TOKEN='{token}';\
         $env:DESKHAND_URL='{url}';Add-Type '{class}';[DhPin]::On('{certificate_pin}');\
         $w=New-Object Net.WebClient;$w.Headers['Authorization']='Bearer '+\
         $env:DESKHAND_ENROLL_TOKEN;$b=$w.DownloadData($env:DESKHAND_URL+'/install/windows.ps1');\
         $h=[BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($b)).\
         Replace('-','').ToLower();if($h -ne '{windows_script}'){{throw 'not the announced script'}};\
         & ([ScriptBlock]::Create([Text.Encoding]::UTF8.GetString($b)))"
    )
}

const fn uninstall(windows: bool) -> &'static str {
    if windows {
        "& \"$env:ProgramFiles\\Deskhand\\deskhand-agent.exe\" service remove --purge"
    } else {
        "deskhand-agent service remove --purge"
    }
}

/// An answer file for `deskhand-agent install --answers`.
pub async fn export(client: &Client, args: &ExportArgs) -> Result<()> {
    let installer = client.installer().await?;
    let server = client.server().await?;
    let key = server.key_fingerprint.parse().context("the server told no fingerprint")?;
    let mut answers =
        Answers { servers: installer.servers, deployment_key: Some(key), ..Answers::default() };
    let mut remarks = vec!["for deskhand-agent install --answers FILE"];
    if let Some(text) = &args.token {
        let token = Token::parse(text).context("the token cannot be used")?;
        anyhow::ensure!(token.deployment_key == key, "the token is another deployment's");
        answers.token = Some(Secret::new(text.trim()));
        remarks.push("holds a secret: whoever reads it can enrol machines");
    } else {
        remarks.push("no token in here: add `Token=`, or set DESKHAND_ENROLL_TOKEN there");
    }
    let text = answers::write(&answers, &remarks);
    match &args.file {
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
        Some(file) => write(file, &text),
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot write {}", file.display()))
}
