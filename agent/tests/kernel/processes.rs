//! Processes for cgroups: forked, not executed, so that they need nothing but the kernel. Between
//! `fork` and the end they make system calls only.

use std::{
    fs::File,
    io::Read,
    os::fd::{AsRawFd, OwnedFd},
    ptr,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

/// Nothing started here lives longer.
const LIFETIME_SECONDS: u32 = 30;

/// What a process does.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    /// Sleeps, with that many children that sleep too.
    Tree(u32),
    /// Holds that many bytes of memory.
    Hog(usize),
    /// As a hog, but has begun before it takes them.
    Glutton(usize),
    /// Forks until it cannot, as its children do.
    Bomb,
    /// Forks and ends at once, over and over: never the same process twice.
    Hopper,
}

/// A child of the test, killed when dropped.
pub(crate) struct Process {
    pid: Pid,
    reaped: bool,
}

impl Process {
    /// Starts a process in the cgroups behind `entrances`; it has begun its role on return.
    pub(crate) fn start(entrances: &[File], role: Role) -> Self {
        let entrances: Vec<i32> = entrances.iter().map(AsRawFd::as_raw_fd).collect();
        let (reader, writer) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
        // SAFETY: the child makes async-signal-safe calls only and never returns.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork");
        if pid == 0 {
            for fd in entrances {
                // SAFETY: an open descriptor and a buffer of the length given.
                unsafe { libc::write(fd, c"0".as_ptr().cast(), 1) };
            }
            perform(role, &writer);
        }
        drop(writer);
        let process = Self { pid: Pid::from_raw(pid).expect("a child"), reaped: false };
        let mut ready = [0];
        File::from(reader).read_exact(&mut ready).expect("the child is ready");
        process
    }

    /// Waits for the end; the signal that brought it.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.reaped = true;
        let status = rustix::process::waitpid(Some(self.pid), WaitOptions::empty());
        status.expect("wait").and_then(|(_, status)| status.terminating_signal())
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        let seen = rustix::process::waitpid(Some(self.pid), WaitOptions::NOHANG).expect("wait");
        let ended = seen
            .is_some_and(|(_, status): (Pid, WaitStatus)| status.terminating_signal().is_some());
        self.reaped |= ended;
        !ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        // Not for ever: one that a failed test left frozen dies only when its cgroup is removed,
        // which comes after this.
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline {
            match rustix::process::waitpid(Some(self.pid), WaitOptions::NOHANG) {
                Ok(None) => std::thread::yield_now(),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

fn perform(role: Role, ready: &OwnedFd) -> ! {
    // SAFETY: plain system calls with valid arguments; the mapping is new and used within bounds.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::alarm(LIFETIME_SECONDS);
        match role {
            Role::Tree(children) => {
                for _ in 0..children {
                    if libc::fork() == 0 {
                        libc::alarm(LIFETIME_SECONDS);
                        rest();
                    }
                }
                report(ready);
            }
            Role::Hog(bytes) => {
                take(bytes);
                report(ready);
            }
            Role::Glutton(bytes) => {
                report(ready);
                take(bytes);
            }
            Role::Bomb => {
                report(ready);
                let end = seconds() + i64::from(LIFETIME_SECONDS);
                while seconds() < end {
                    libc::fork();
                }
                libc::_exit(0);
            }
            Role::Hopper => {
                report(ready);
                let end = seconds() + i64::from(LIFETIME_SECONDS);
                while seconds() < end {
                    if libc::fork() > 0 {
                        libc::_exit(0);
                    }
                }
                libc::_exit(0);
            }
        }
    }
    rest()
}

fn take(bytes: usize) {
    let (protection, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
    );
    // SAFETY: a new mapping, which is not used.
    unsafe {
        if libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) == libc::MAP_FAILED {
            libc::_exit(1);
        }
    }
}

fn rest() -> ! {
    loop {
        // SAFETY: no arguments.
        unsafe { libc::pause() };
    }
}

fn report(ready: &OwnedFd) {
    // SAFETY: an open descriptor and a buffer of the length given.
    unsafe { libc::write(ready.as_raw_fd(), c"r".as_ptr().cast(), 1) };
}

fn seconds() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec
}
