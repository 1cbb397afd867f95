//! Running a child from system call to system call.

#![allow(unsafe_code)] // ptrace has no safe interface.

use std::path::Path;
use std::process::{Command, Stdio};
use std::ptr::null_mut;

/// The child may not be traced.
const FORBIDDEN: i32 = 99;

/// What happens to the child at its system calls, which are counted from 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fault {
    /// Killed as soon as this call is done.
    pub killed_after: Option<usize>,
    /// This call is not made and fails with this error.
    pub fails: Option<(usize, i32)>,
    /// The file system cannot exchange two names.
    pub without_exchange: bool,
}

/// How a child ended.
#[derive(Debug)]
pub struct Traced {
    /// The numbers of its system calls.
    pub calls: Vec<i64>,
    /// Nothing where it was killed.
    pub code: Option<i32>,
}

/// In the child: from here its calls count.
pub fn begin() {
    // SAFETY: the first call only asks to be traced, the second stops this process until its parent
    // goes on with it.
    unsafe {
        if libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<u8>(), null_mut::<u8>()) != 0 {
            libc::_exit(FORBIDDEN);
        }
        libc::raise(libc::SIGSTOP);
    }
}

/// In the child: ends it at once.
pub fn end(code: i32) {
    // SAFETY: it ends.
    unsafe { libc::_exit(code) }
}

/// Starts this program as a child and carries the fault out.
pub fn run(word: &str, base: &Path, fault: Fault) -> Traced {
    run_watched(word, base, fault, &mut |_| ())
}

/// The same; `watch` is told each call when it is done, and the child waits meanwhile.
#[expect(clippy::zombie_processes, reason = "the tracer waits for it")]
pub fn run_watched(word: &str, base: &Path, fault: Fault, watch: &mut dyn FnMut(&[i64])) -> Traced {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.arg(word).arg(base).stdin(Stdio::null()).stdout(Stdio::null());
    if std::env::var_os("DESKHAND_CRASH_FULL").is_none() {
        command.stderr(Stdio::null());
    }
    let child = command.spawn().unwrap();
    Tracer { id: child.id().cast_signed(), fault, calls: Vec::new() }.run(watch)
}

struct Tracer {
    id: libc::pid_t,
    fault: Fault,
    calls: Vec<i64>,
}

enum Stop {
    Call,
    Other(i32),
    Ended(Option<i32>),
}

impl Tracer {
    fn run(mut self, watch: &mut dyn FnMut(&[i64])) -> Traced {
        match self.wait() {
            Stop::Other(libc::SIGSTOP) => {}
            Stop::Ended(Some(FORBIDDEN)) | Stop::Ended(None) => panic!(
                "this machine forbids to trace processes (ptrace), without which this test cannot \
                 be made; allow it (kernel.yama.ptrace_scope, seccomp profile) and run it again"
            ),
            Stop::Ended(code) => panic!("the child ended early: {code:?}"),
            Stop::Other(signal) => panic!("the child got signal {signal}"),
            Stop::Call => panic!("the child was not stopped"),
        }
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
        self.request(libc::PTRACE_SETOPTIONS, options as usize);
        let mut deliver = 0;
        let mut fails = None;
        let mut is_entry = true;
        loop {
            self.request(libc::PTRACE_SYSCALL, usize::try_from(deliver).unwrap());
            deliver = 0;
            match self.wait() {
                Stop::Ended(code) => return Traced { calls: self.calls, code },
                Stop::Other(signal) => deliver = signal,
                Stop::Call if is_entry => {
                    fails = self.enter();
                    is_entry = false;
                }
                Stop::Call => {
                    if let Some(errno) = fails.take() {
                        self.fail(errno);
                    }
                    watch(&self.calls);
                    if self.fault.killed_after.is_some_and(|at| at + 1 == self.calls.len()) {
                        return self.kill();
                    }
                    is_entry = true;
                }
            }
        }
    }

    /// Answers the error with which the call that begins has to fail.
    fn enter(&mut self) -> Option<i32> {
        let at = self.calls.len();
        let mut registers = self.registers();
        let number = registers.number();
        self.calls.push(number);
        let exchanges = number == libc::SYS_renameat2
            && registers.fifth() & u64::from(libc::RENAME_EXCHANGE) != 0;
        let fails = match self.fault.fails {
            Some((call, errno)) if call == at => Some(errno),
            _ if self.fault.without_exchange && exchanges => Some(libc::EINVAL),
            _ => None,
        };
        if fails.is_some() {
            registers.skip();
            self.set(&registers);
        }
        fails
    }

    fn fail(&self, errno: i32) {
        let mut registers = self.registers();
        registers.answer(-i64::from(errno));
        self.set(&registers);
    }

    fn kill(mut self) -> Traced {
        // SAFETY: the child is ours and stopped.
        unsafe { libc::kill(self.id, libc::SIGKILL) };
        loop {
            if let Stop::Ended(code) = self.wait() {
                return Traced { calls: std::mem::take(&mut self.calls), code };
            }
        }
    }

    fn wait(&self) -> Stop {
        let mut status = 0;
        // SAFETY: the child is ours; the status is there to be filled.
        let waited = unsafe { libc::waitpid(self.id, &raw mut status, 0) };
        assert_eq!(waited, self.id, "{}", std::io::Error::last_os_error());
        if libc::WIFEXITED(status) {
            return Stop::Ended(Some(libc::WEXITSTATUS(status)));
        }
        if libc::WIFSIGNALED(status) {
            return Stop::Ended(None);
        }
        match libc::WSTOPSIG(status) {
            signal if signal == libc::SIGTRAP | 0x80 => Stop::Call,
            signal => Stop::Other(signal),
        }
    }

    fn request(&self, request: libc::c_uint, data: usize) {
        // SAFETY: these requests take a number as data and touch no memory of ours.
        let done = unsafe { libc::ptrace(request, self.id, null_mut::<u8>(), data) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }

    fn registers(&self) -> Registers {
        let mut registers = Registers::zeroed();
        // SAFETY: the structure is the one that this request fills.
        let done = unsafe {
            libc::ptrace(libc::PTRACE_GETREGS, self.id, null_mut::<u8>(), &raw mut registers.0)
        };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        registers
    }

    fn set(&self, registers: &Registers) {
        // SAFETY: the structure is the one that this request reads.
        let done = unsafe {
            libc::ptrace(libc::PTRACE_SETREGS, self.id, null_mut::<u8>(), &raw const registers.0)
        };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }
}

/// Where a processor keeps a call's number, arguments and answer.
struct Registers(libc::user_regs_struct);

impl Registers {
    fn zeroed() -> Self {
        // SAFETY: it consists of numbers.
        Self(unsafe { std::mem::zeroed() })
    }

    fn number(&self) -> i64 {
        self.0.orig_rax.cast_signed()
    }

    fn fifth(&self) -> u64 {
        self.0.r8
    }

    fn skip(&mut self) {
        self.0.orig_rax = u64::MAX;
    }

    fn answer(&mut self, answer: i64) {
        self.0.rax = answer.cast_unsigned();
    }
}
