//! Being told to stop.

use std::io;

/// Ready once the agent is asked to end: SIGTERM, SIGINT or SIGHUP.
#[cfg(unix)]
pub(crate) fn asked() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

/// Ready once the agent is asked to end: Ctrl-C, Ctrl-Break, its console closed, a log-off, a
/// shut-down.
#[cfg(windows)]
pub(crate) fn asked() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
    let (mut c, mut key, mut close) = (ctrl_c()?, ctrl_break()?, ctrl_close()?);
    let (mut logoff, mut shutdown) = (ctrl_logoff()?, ctrl_shutdown()?);
    Ok(async move {
        tokio::select! {
            _ = c.recv() => {}
            _ = key.recv() => {}
            _ = close.recv() => {}
            _ = logoff.recv() => {}
            _ = shutdown.recv() => {}
        }
    })
}

/// Ready once standard input has ended: the supervisor wants it so, or is dead.
pub(crate) async fn supervisor_gone() {
    let (told, gone) = tokio::sync::oneshot::channel();
    // A thread of its own, as the runtime would wait for one of its own at the end.
    std::thread::spawn(move || {
        // An error is an end as well.
        let _ended = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        // The agent may be ending by itself.
        let _ending = told.send(());
    });
    let _told = gone.await;
}
