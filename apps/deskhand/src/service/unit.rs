//! The text of the unit.

use std::path::Path;

use anyhow::Result;
use model::Span;

use crate::trouble::Trouble;

/// What differs between installations.
#[derive(Debug)]
pub struct Wish<'w> {
    pub program: &'w Path,
    pub settings: &'w Path,
    /// Other than `/var/lib/deskhand`.
    pub data: Option<&'w Path>,
    /// Outside the data folder.
    pub depot: Option<&'w Path>,
    pub restart_after: Span,
    pub watchdog: Span,
}

/// The unit, hardened as far as a server that reads and writes its own folders allows.
pub fn text(wish: &Wish<'_>) -> Result<String> {
    let (program, settings) = (quoted(wish.program)?, quoted(wish.settings)?);
    let writable = [wish.data, wish.depot].into_iter().flatten().map(quoted);
    let writable = writable.collect::<Result<Vec<_>>>()?;
    let writable: String =
        writable.iter().map(|path| format!("ReadWritePaths=-{path}\n")).collect();
    let seconds = |span: Span| format!("{:.3}", span.as_duration().as_secs_f64());
    let (restart, watchdog) = (seconds(wish.restart_after), seconds(wish.watchdog));
    Ok(format!(
        "\
[Unit]
Description=Deskhand deployment server
Documentation=man:systemd.service(5)
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} server run --config {settings}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec={restart}
WatchdogSec={watchdog}
TimeoutStartSec=5min
TimeoutStopSec=30s
User=deskhand
Group=deskhand
StateDirectory=deskhand
StateDirectoryMode=0700
{writable}UMask=0077
LimitNOFILE=262144
OOMScoreAdjust=-500

CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"
    ))
}

/// A path as systemd reads it: `%` begins a specifier, and quotes hold spaces together.
fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.contains(['"', '\\', '\n', '$']));
    let text = text.ok_or_else(|| {
        let what = format!("the path {} cannot be written in a unit", path.display());
        Trouble::usage(what, "use one without quotes, backslashes, dollars and line breaks")
    })?;
    let text = text.replace('%', "%%");
    Ok(if text.contains(' ') { format!("\"{text}\"") } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_systemd_reads_them() {
        let wish = |program| {
            text(&Wish {
                program: Path::new(program),
                settings: Path::new("/etc/deskhand/server.toml"),
                data: None,
                depot: Some(Path::new("/srv/the depot")),
                restart_after: Span::from_secs(5),
                watchdog: Span::from_millis(1_500),
            })
        };
        let unit = wish("/opt/100%/deskhand").unwrap();
        assert!(unit.contains("ExecStart=/opt/100%%/deskhand server run --config /etc/"), "{unit}");
        assert!(unit.contains("ReadWritePaths=-\"/srv/the depot\"\n"), "{unit}");
        assert!(unit.contains("RestartSec=5.000\nWatchdogSec=1.500\n"), "{unit}");
        assert!(wish("/opt/\"x\"/deskhand").is_err());
    }
}
