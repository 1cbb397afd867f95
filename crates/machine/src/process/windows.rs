//! Processes on Windows: a job object each, which ends with its owner.
//!
//! A process is made suspended, put into its job, then let run, so nothing it starts can be
//! outside. The job kills what is in it when the last handle closes, that is when the agent dies;
//! an execution that ended by itself takes this away first, so that what it left running stays.

#![allow(unsafe_code)] // Job objects, suspended starts and window states exist only in Win32.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::path::{Path, PathBuf};
use std::ptr::null;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::{
    ERROR_PRIVILEGE_NOT_HELD, HANDLE_FLAG_INHERIT, SetHandleInformation, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_CONSOLE, CREATE_NO_WINDOW, CREATE_SUSPENDED, CREATE_UNICODE_ENVIRONMENT,
    CreateProcessAsUserW, CreateProcessW, CreateProcessWithTokenW, GetExitCodeProcess, INFINITE,
    PROCESS_INFORMATION, ResumeThread, STARTF_USESHOWWINDOW, STARTF_USESTDHANDLES, STARTUPINFOW,
    TerminateProcess, WaitForSingleObject,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{SW_HIDE, SW_SHOWNORMAL};

use super::{Command, ExecuteError, ExecuteSpec, MARK, Visibility, command_line};
use crate::identity::Identity;

pub(super) struct Process {
    handle: Arc<OwnedHandle>,
    job: Job,
}

pub(super) async fn start(
    spec: &ExecuteSpec,
    identity: Option<&Identity>,
) -> Result<(Process, NamedPipeServer, NamedPipeServer), ExecuteError> {
    let failed = |error| start_error(spec, error);
    let job = Job::new().map_err(failed)?;
    let (stdout, their_stdout) = pipe().await.map_err(failed)?;
    let (stderr, their_stderr) = pipe().await.map_err(failed)?;
    let handles =
        Handles { stdin: nul().map_err(failed)?, stdout: their_stdout, stderr: their_stderr };
    let started = create(spec, identity, Some(&spec.effect), &handles)?;
    job.take(&started.process).and_then(|()| started.resume()).map_err(failed)?;
    let handle = Arc::new(started.process);
    Ok((Process { handle, job }, stdout, stderr))
}

/// Starts what nobody waits for: in no job of ours, so that it outlives the agent.
pub(super) async fn start_apart(
    spec: &ExecuteSpec,
    identity: Option<&Identity>,
) -> Result<(), ExecuteError> {
    let failed = |error| start_error(spec, error);
    let nul = || nul().map_err(failed);
    let handles = Handles { stdin: nul()?, stdout: nul()?, stderr: nul()? };
    create(spec, identity, None, &handles)?.resume().map_err(failed)
}

/// The job of an execution closes with the agent that held it: nothing can be left.
pub async fn end_marked(_effect: &str) -> io::Result<usize> {
    Ok(0)
}

impl Process {
    pub(super) async fn wait(&mut self) -> io::Result<u32> {
        let handle = Arc::clone(&self.handle);
        tokio::task::spawn_blocking(move || wait(&handle)).await.map_err(io::Error::other)?
    }

    /// Ends the whole job and waits until the process is gone.
    pub(super) async fn end(&mut self) {
        // SAFETY: the handle is open; a job without processes is fine.
        unsafe { TerminateJobObject(self.job.0.as_raw_handle(), 1) };
        // It was ended; its exit code is not asked for.
        let _ = self.wait().await;
    }

    /// What the process left running is its own affair from now on.
    pub(super) fn let_go(&mut self) {
        // Should it fail, what is left ends with the execution: the lesser evil.
        let _ = self.job.limit(0);
    }
}

fn wait(process: &OwnedHandle) -> io::Result<u32> {
    let mut code = 0;
    // SAFETY: the handle is open for as long as it is borrowed.
    let ended = unsafe {
        WaitForSingleObject(process.as_raw_handle(), INFINITE) == WAIT_OBJECT_0
            && GetExitCodeProcess(process.as_raw_handle(), &mut code) != 0
    };
    if ended { Ok(code) } else { Err(io::Error::last_os_error()) }
}

struct Job(OwnedHandle);

impl Job {
    fn new() -> io::Result<Self> {
        // SAFETY: without attributes and name; the answer is checked and owned by nobody else.
        let handle = unsafe { CreateJobObjectW(null(), null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        let job = Self(unsafe { OwnedHandle::from_raw_handle(handle) });
        job.limit(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)?;
        Ok(job)
    }

    fn limit(&self, flags: u32) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = flags;
        let size = u32::try_from(size_of_val(&limits)).map_err(io::Error::other)?;
        // SAFETY: the structure is the one the class asks for, and as large as announced.
        check(unsafe {
            SetInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size,
            )
        })
    }

    fn take(&self, process: &OwnedHandle) -> io::Result<()> {
        // SAFETY: both handles are open.
        let taken =
            unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), process.as_raw_handle()) };
        check(taken).inspect_err(|_| {
            // SAFETY: it is suspended and has done nothing yet.
            unsafe { TerminateProcess(process.as_raw_handle(), 1) };
        })
    }
}

/// What a process is given as its standard handles.
struct Handles {
    stdin: File,
    stdout: File,
    stderr: File,
}

struct Started {
    process: OwnedHandle,
    thread: OwnedHandle,
}

impl Started {
    fn resume(&self) -> io::Result<()> {
        // SAFETY: the handle is open.
        let count = unsafe { ResumeThread(self.thread.as_raw_handle()) };
        if count == u32::MAX { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// A pipe whose far end a process writes to: read without blocking, and let go at any time.
async fn pipe() -> io::Result<(NamedPipeServer, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!(r"\\.\pipe\deskhand-{}-{number}", std::process::id());
    let server = ServerOptions::new()
        .access_outbound(false)
        .first_pipe_instance(true)
        .reject_remote_clients(true)
        .max_instances(1)
        .in_buffer_size(64 * 1024)
        .create(&name)?;
    let client = File::options().write(true).open(&name)?;
    server.connect().await?;
    Ok((server, client))
}

fn nul() -> io::Result<File> {
    File::options().read(true).write(true).open("NUL")
}

/// While handles can be inherited, no other process may be started: it would keep them open.
pub(crate) static STARTING: Mutex<()> = Mutex::new(());

fn create(
    spec: &ExecuteSpec,
    identity: Option<&Identity>,
    mark: Option<&str>,
    handles: &Handles,
) -> Result<Started, ExecuteError> {
    let failed = |error| start_error(spec, error);
    let environment = environment(spec, identity, mark).map_err(failed)?;
    let (program, line) = command_line(spec, &environment)?;
    let own_folder = || identity.and_then(Identity::folder);
    let folder = spec.folder.clone().or_else(own_folder);
    let (flags, window) = match spec.visibility {
        Visibility::Default => (0, None),
        Visibility::Shown => (CREATE_NEW_CONSOLE, Some(SW_SHOWNORMAL)),
        Visibility::Hidden => (CREATE_NO_WINDOW, Some(SW_HIDE)),
    };
    let startup = STARTUPINFOW {
        cb: u32::try_from(size_of::<STARTUPINFOW>()).unwrap_or(0),
        dwFlags: STARTF_USESTDHANDLES | window.map_or(0, |_| STARTF_USESHOWWINDOW),
        wShowWindow: window.and_then(|window| u16::try_from(window).ok()).unwrap_or(0),
        hStdInput: handles.stdin.as_raw_handle(),
        hStdOutput: handles.stdout.as_raw_handle(),
        hStdError: handles.stderr.as_raw_handle(),
        ..Default::default()
    };
    let mut call = Call {
        program: wide(program.as_os_str()),
        line: wide(OsStr::new(&line)),
        block: environment_block(&environment),
        folder: folder.map(|folder| wide(folder.as_os_str())),
        flags: CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT | flags,
        startup,
    };
    let theirs = [&handles.stdin, &handles.stdout, &handles.stderr].map(AsRawHandle::as_raw_handle);
    let alone = STARTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let created = inherit(theirs, true).and_then(|()| match identity {
        Some(identity) => call.create_as(identity),
        None => call.create(),
    });
    // The handles close with the caller's; an error here would only mask the one above.
    let _ = inherit(theirs, false);
    drop(alone);
    let made = created.map_err(failed)?;
    // SAFETY: both were just made and belong to nobody else.
    Ok(unsafe {
        Started {
            process: OwnedHandle::from_raw_handle(made.hProcess),
            thread: OwnedHandle::from_raw_handle(made.hThread),
        }
    })
}

/// All that a process is made of. Texts end with zeros.
struct Call {
    program: Vec<u16>,
    line: Vec<u16>,
    block: Vec<u16>,
    folder: Option<Vec<u16>>,
    flags: u32,
    startup: STARTUPINFOW,
}

impl Call {
    fn create(&mut self) -> io::Result<PROCESS_INFORMATION> {
        let mut made = PROCESS_INFORMATION::default();
        // SAFETY: all texts end with zeros, the line is writable, the structures outlive the call.
        check(unsafe {
            CreateProcessW(
                self.program.as_ptr(),
                self.line.as_mut_ptr(),
                null(),
                null(),
                1,
                self.flags,
                self.block.as_ptr().cast(),
                self.folder.as_ref().map_or(null(), |folder| folder.as_ptr()),
                &self.startup,
                &mut made,
            )
        })?;
        Ok(made)
    }

    /// On the user's own desktop, or, for one who has none, on one that the system makes: the
    /// agent's would be closed to them. The system's account may use the first call, an
    /// administrator's only the second.
    fn create_as(&mut self, identity: &Identity) -> io::Result<PROCESS_INFORMATION> {
        let desktop = if identity.has_desktop() { r"winsta0\default" } else { "" };
        let mut desktop = wide(OsStr::new(desktop));
        self.startup.lpDesktop = desktop.as_mut_ptr();
        let mut made = PROCESS_INFORMATION::default();
        let folder = self.folder.as_ref().map_or(null(), |folder| folder.as_ptr());
        // SAFETY: as above; the token is open for as long as the identity is borrowed.
        let created = check(unsafe {
            CreateProcessAsUserW(
                identity.token(),
                self.program.as_ptr(),
                self.line.as_mut_ptr(),
                null(),
                null(),
                1,
                self.flags,
                self.block.as_ptr().cast(),
                folder,
                &self.startup,
                &mut made,
            )
        });
        let error = match created {
            Ok(()) => return Ok(made),
            Err(error) => error,
        };
        if error.raw_os_error().map(i32::cast_unsigned) != Some(ERROR_PRIVILEGE_NOT_HELD) {
            return Err(error);
        }
        // SAFETY: as above.
        check(unsafe {
            CreateProcessWithTokenW(
                identity.token(),
                0,
                self.program.as_ptr(),
                self.line.as_mut_ptr(),
                self.flags,
                self.block.as_ptr().cast(),
                folder,
                &self.startup,
                &mut made,
            )
        })?;
        Ok(made)
    }
}

fn inherit(handles: [RawHandle; 3], may: bool) -> io::Result<()> {
    let flag = if may { HANDLE_FLAG_INHERIT } else { 0 };
    handles.into_iter().try_for_each(|handle| {
        // SAFETY: the handles are open for as long as the caller holds their files.
        check(unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, flag) })
    })
}

/// By names in capitals, as Windows compares them.
type Environment = BTreeMap<String, (OsString, OsString)>;

fn environment(
    spec: &ExecuteSpec,
    identity: Option<&Identity>,
    mark: Option<&str>,
) -> io::Result<Environment> {
    let key = |name: &OsStr| name.to_string_lossy().to_uppercase();
    let base: Vec<(OsString, OsString)> = match identity {
        Some(identity) => identity.environment()?,
        None => std::env::vars_os().collect(),
    };
    let mut all: Environment =
        base.into_iter().map(|(name, value)| (key(&name), (name, value))).collect();
    let mut set = |name: &str, value: &str| {
        all.insert(key(OsStr::new(name)), (name.into(), value.into()));
    };
    for (name, value) in &spec.environment {
        set(name, value);
    }
    match mark {
        Some(mark) => set(MARK, mark),
        None => drop(all.remove(MARK)),
    }
    Ok(all)
}

fn environment_block(environment: &Environment) -> Vec<u16> {
    let mut block = Vec::new();
    for (name, value) in environment.values() {
        block.extend(name.encode_wide());
        block.push(u16::from(b'='));
        block.extend(value.encode_wide());
        block.push(0);
    }
    // An empty block, too, ends with two zeros.
    block.extend([0, 0]);
    block
}

fn command_line(
    spec: &ExecuteSpec,
    environment: &Environment,
) -> Result<(PathBuf, String), ExecuteError> {
    let value = |name: &str| environment.get(name).map(|(_, value)| value.clone());
    let windows = value("SYSTEMROOT").unwrap_or_else(|| r"C:\Windows".into());
    let cmd = Path::new(&windows).join(r"System32\cmd.exe");
    let cmd_text = cmd.to_string_lossy();
    match &spec.command {
        Command::Shell(text) => Ok((cmd.clone(), command_line::shell(&cmd_text, text))),
        Command::Line { program, arguments } => {
            let path = value("PATH").unwrap_or_default();
            let found = find(program, spec.folder.as_deref(), &path)
                .ok_or_else(|| ExecuteError::NotFound { program: program.clone() })?;
            let line = command_line::list(&found.to_string_lossy(), &[]);
            Ok((found, format!("{line} {arguments}")))
        }
        Command::List(words) => {
            let named = spec.command.program();
            let path = value("PATH").unwrap_or_default();
            let found = find(named, spec.folder.as_deref(), &path)
                .ok_or_else(|| ExecuteError::NotFound { program: named.to_owned() })?;
            let (program, arguments) = (found.to_string_lossy(), &words[1..]);
            if !command_line::is_batch(&program) {
                return Ok((found.clone(), command_line::list(&program, arguments)));
            }
            let line = command_line::batch(&cmd_text, &program, arguments)
                .map_err(|word| ExecuteError::BatchArgument { what: format!("`{word}`") })?;
            Ok((cmd.clone(), line))
        }
    }
}

/// A bare name on PATH alone, never in the current folder; a relative path from the folder to run
/// in.
fn find(named: &str, folder: Option<&Path>, path: &OsStr) -> Option<PathBuf> {
    if named.contains('"') {
        return None;
    }
    let with_extensions = |path: PathBuf| {
        let plain = path.extension().is_some().then(|| path.clone());
        let longer = ["exe", "com", "bat", "cmd"].map(|extension| {
            let mut text = path.clone().into_os_string();
            text.push(".");
            text.push(extension);
            PathBuf::from(text)
        });
        plain.into_iter().chain(longer).find(|path| path.is_file())
    };
    if named.contains(['/', '\\', ':']) {
        let named = PathBuf::from(named.replace('/', r"\"));
        return with_extensions(folder.map_or(named.clone(), |folder| folder.join(&named)));
    }
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .find_map(|folder| with_extensions(folder.join(named)))
}

fn start_error(spec: &ExecuteSpec, source: io::Error) -> ExecuteError {
    const NO_PROGRAM: i32 = 193;
    let program = spec.command.program().to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => ExecuteError::NotFound { program },
        io::ErrorKind::PermissionDenied => ExecuteError::NotExecutable { program },
        _ if source.raw_os_error() == Some(NO_PROGRAM) => ExecuteError::NoProgram { program },
        _ => ExecuteError::Start { program, source },
    }
}

fn check(done: i32) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn wide(text: &OsStr) -> Vec<u16> {
    text.encode_wide().chain([0]).collect()
}
