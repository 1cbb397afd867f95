//! Command lines for the other side: POSIX shells, and Windows under `cmd` or PowerShell.
//!
//! Each is one line that any log-in shell passes on: under POSIX a script in single quotes for
//! `sh`, under Windows an encoded script for PowerShell. No secret stands in any of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How long a program that was copied and not started stays, in seconds.
const UNSTARTED_S: u32 = 60;
/// What `sudo` is told to ask with.
pub const SUDO_PROMPT: &str = "deskhand-asks-for-the-password:";
const PROGRAM: &str = "deskhand-agent";

/// Asks a POSIX system what it is; Windows answers with an error.
pub fn look() -> String {
    sh("uname -s -m; command -v gzip || echo -; \
        ls \"$HOME/.cache/deskhand\" 2>/dev/null")
}

/// Asks Windows.
pub const WINDOWS_LOOK: &str = "cmd /d /c \"ver & echo %PROCESSOR_ARCHITECTURE%\"";

/// How the program comes over the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    /// As `gzip` takes apart, which checks its sum.
    Gzip,
}

impl Packing {
    /// Takes it from standard input and gives the program.
    fn reader(self) -> &'static str {
        match self {
            Self::Plain => "cat",
            Self::Gzip => "gzip -dc",
        }
    }
}

/// Takes the program of `size` bytes from standard input into a private folder and prints that
/// folder. What came in part, or is not started within a minute, is removed by the same command.
/// Whether it is the program that was sent is looked at by itself when it starts.
pub fn copy(size: u64, packing: Packing) -> String {
    let read = packing.reader();
    sh(&format!(
        "umask 077; d=$(mktemp -d \"${{TMPDIR:-/tmp}}/deskhand-XXXXXXXXXX\") || exit 71; \
         trap \"rm -rf \\\"$d\\\"; exit 72\" HUP INT TERM PIPE; \
         if ! {read} >\"$d/{PROGRAM}\" || [ \"$(wc -c <\"$d/{PROGRAM}\")\" -ne {size} ]; \
         then rm -rf \"$d\"; exit 73; fi; \
         chmod 700 \"$d/{PROGRAM}\"; echo \"$d\"; i=0; \
         while [ $i -lt {UNSTARTED_S} ] && [ -e \"$d/{PROGRAM}\" ] && [ ! -e \"$d/started\" ]; \
         do sleep 1; i=$((i+1)); done; [ -e \"$d/started\" ] || rm -rf \"$d\""
    ))
}

/// The same into a folder that stays, named by the program's hash.
pub fn copy_to_keep(size: u64, hash: &str, packing: Packing) -> String {
    let read = packing.reader();
    sh(&format!(
        "umask 077; d=\"$HOME/.cache/deskhand/{hash}\"; mkdir -p \"$d\" || exit 71; \
         p=\"$d/{PROGRAM}.$$\"; trap \"rm -f \\\"$p\\\"; exit 72\" HUP INT TERM PIPE; \
         if ! {read} >\"$p\" || [ \"$(wc -c <\"$p\")\" -ne {size} ]; \
         then rm -f \"$p\"; exit 73; fi; \
         chmod 700 \"$p\" && mv \"$p\" \"$d/{PROGRAM}\" && echo \"$d\""
    ))
}

/// Who the program acts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Become {
    /// Whoever logged in.
    Nobody,
    Sudo {
        asks: bool,
    },
    Doas,
}

/// Starts the program in `folder`; one that does not stay removes the folder at its end.
pub fn start(folder: Option<&str>, hash: &str, becoming: Become) -> String {
    let before = match becoming {
        Become::Nobody => String::new(),
        Become::Sudo { asks: false } => "sudo -n -- ".to_owned(),
        Become::Sudo { asks: true } => format!("sudo -S -p \"{SUDO_PROMPT}\" -- "),
        Become::Doas => "doas -n ".to_owned(),
    };
    match folder {
        Some(folder) => {
            let folder = quoted(folder);
            sh(&format!(
                "d={folder}; exec {before}\"$d/{PROGRAM}\" --log warn run --stdio --temp \
                 --remove \"$d\" --expect {hash}"
            ))
        }
        None => sh(&format!(
            "exec {before}\"$HOME/.cache/deskhand/{hash}/{PROGRAM}\" --log warn run --stdio \
             --temp --expect {hash}"
        )),
    }
}

/// The same for Windows: prints the folder in its short form, which has no blanks.
pub fn windows_copy(size: u64) -> String {
    powershell(&format!(
        "$ErrorActionPreference='Stop'; \
         $d=Join-Path $env:TEMP ('deskhand-'+[Guid]::NewGuid().ToString('N')); \
         $null=New-Item -ItemType Directory $d; $p=Join-Path $d '{PROGRAM}.exe'; \
         $f=[IO.File]::Create($p); [Console]::OpenStandardInput().CopyTo($f); $f.Close(); \
         if((Get-Item $p).Length -ne {size}){{Remove-Item -Recurse -Force $d; exit 73}}; \
         (New-Object -ComObject Scripting.FileSystemObject).GetFolder($d).ShortPath; \
         for($i=0; $i -lt {UNSTARTED_S} -and -not (Test-Path \"$d\\started\"); $i++)\
         {{Start-Sleep 1}}; \
         if(-not (Test-Path \"$d\\started\")){{Remove-Item -Recurse -Force $d}}"
    ))
}

/// `None` where the folder's name would be taken apart by a shell.
pub fn windows_start(folder: &str, hash: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "\\:~._-".contains(c);
    folder.chars().all(is_plain).then(|| {
        format!(
            "{folder}\\{PROGRAM}.exe --log warn run --stdio --temp --remove {folder} \
             --expect {hash}"
        )
    })
}

/// For any POSIX or C shell.
fn sh(script: &str) -> String {
    format!("sh -c {}", quoted(script))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// For `cmd` and PowerShell alike.
fn powershell(script: &str) -> String {
    let bytes: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let encoded = STANDARD.encode(bytes);
    format!("powershell -NoProfile -NonInteractive -EncodedCommand {encoded}")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn run(line: &str, input: &[u8], home: &std::path::Path) -> (i32, String) {
        let mut child = Command::new("sh")
            .args(["-c", line])
            .env("TMPDIR", home)
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap_or(-1), text)
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn what_comes_in_part_does_not_stay() {
        let home = tempfile::tempdir().unwrap();
        let whole = packed(b"tenletters");
        for (packing, part) in
            [(Packing::Plain, &b"short"[..]), (Packing::Gzip, &whole[..whole.len() - 9])]
        {
            let (code, said) = run(&copy(10, packing), part, home.path());
            assert_eq!((code, said.as_str()), (73, ""));
            assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
        }
        let (code, _) = run(&copy_to_keep(10, "abc", Packing::Plain), b"short", home.path());
        assert_eq!(code, 73);
        assert_eq!(std::fs::read_dir(home.path().join(".cache/deskhand/abc")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_kept_is_private_and_found_again() {
        let home = tempfile::tempdir().unwrap();
        let line = copy_to_keep(3, "abc", Packing::Gzip);
        let (code, said) = run(&line, &packed(b"one"), home.path());
        assert_eq!(code, 0);
        let folder = home.path().join(".cache/deskhand/abc");
        assert_eq!(said.trim_end(), folder.to_str().unwrap());
        assert_eq!(std::fs::read(folder.join(PROGRAM)).unwrap(), b"one");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(folder.clone()), 0o700);
            assert_eq!(mode(folder.join(PROGRAM)), 0o700);
        }
        let (_, looked) = run(&look(), b"", home.path());
        assert!(looked.lines().any(|line| line == "abc"), "{looked}");
        assert!(looked.starts_with("Linux "), "{looked}");
    }

    #[test]
    fn folders_are_quoted_for_the_shell() {
        let line = start(Some("/tmp/it's $HOME"), "00ff", Become::Nobody);
        let shown = line.replace("exec \"$d/deskhand-agent\"", "echo \"$d/deskhand-agent\"");
        let home = tempfile::tempdir().unwrap();
        let (_, said) = run(&shown, b"", home.path());
        assert_eq!(
            said.trim(),
            "/tmp/it's $HOME/deskhand-agent --log warn run --stdio --temp --remove /tmp/it's $HOME \
             --expect 00ff"
        );
    }

    #[test]
    fn becoming_root_puts_no_password_into_the_command() {
        for (becoming, expect) in [
            (Become::Nobody, "exec \"$d/"),
            (Become::Sudo { asks: false }, "exec sudo -n -- \"$d/"),
            (Become::Sudo { asks: true }, "exec sudo -S -p \"deskhand-asks-for-the-password:\" --"),
            (Become::Doas, "exec doas -n \"$d/"),
        ] {
            let line = start(Some("/tmp/x"), "00", becoming);
            assert!(line.contains(expect), "{line}");
        }
    }

    #[test]
    fn windows_gets_scripts_that_both_its_shells_pass_on() {
        let line = windows_copy(5);
        let encoded = line.rsplit(' ').next().unwrap();
        assert!(encoded.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c)));
        let bytes = STANDARD.decode(encoded).unwrap();
        let units: Vec<u16> =
            bytes.chunks(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
        let script = String::from_utf16(&units).unwrap();
        assert!(script.contains("Length -ne 5"), "{script}");
        assert!(!script.contains('\n'));
        assert_eq!(
            windows_start("C:\\Users\\ADMINI~1\\Temp\\DESKHA~1", "00").unwrap(),
            "C:\\Users\\ADMINI~1\\Temp\\DESKHA~1\\deskhand-agent.exe --log warn run --stdio \
             --temp --remove C:\\Users\\ADMINI~1\\Temp\\DESKHA~1 --expect 00"
        );
        assert_eq!(windows_start("C:\\a b", "00"), None);
        assert_eq!(windows_start("C:\\a&calc", "00"), None);
    }
}
