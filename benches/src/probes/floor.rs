//! The empty program: what the kernel's own measuring costs, which every figure of a program contains.

use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result, ensure};

use super::cost::Cost;

/// `r0 = 0; exit`
const NOTHING: [u64; 2] = [0xb7, 0x95];
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;

/// The beginning of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
}

/// The same for `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
struct RawTracepointOpen {
    name: u64,
    prog_fd: u32,
    reserved: u32,
}

/// The empty program at a tracepoint; detached when dropped.
pub(super) struct Floor {
    program: OwnedFd,
    _attached: OwnedFd,
}

impl Floor {
    pub(super) fn attach(tracepoint: &str) -> Result<Self> {
        let load = ProgLoad {
            prog_type: BPF_PROG_TYPE_RAW_TRACEPOINT,
            insn_cnt: 2,
            insns: NOTHING.as_ptr().addr() as u64,
            license: c"GPL".as_ptr().addr() as u64,
            log_level: 0,
            log_size: 0,
            log_buf: 0,
        };
        let program = bpf(BPF_PROG_LOAD, &load).context("the empty program")?;
        let name = CString::new(tracepoint)?;
        let open = RawTracepointOpen {
            name: name.as_ptr().addr() as u64,
            prog_fd: program.as_raw_fd().cast_unsigned(),
            reserved: 0,
        };
        let attached =
            bpf(BPF_RAW_TRACEPOINT_OPEN, &open).with_context(|| tracepoint.to_owned())?;
        Ok(Self { program, _attached: attached })
    }

    /// What it has cost so far.
    pub(super) fn cost(&self) -> Result<Cost> {
        let path = format!("/proc/self/fdinfo/{}", self.program.as_raw_fd());
        let text = fs::read_to_string(&path)?;
        let figure = |name: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.with_context(|| format!("{path}: no {name}"))?.trim().parse()?)
        };
        Ok(Cost::of(figure("run_cnt:")?, figure("run_time_ns:")?))
    }
}

/// bpf(2) for a command that returns a descriptor.
fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the attributes and what they point to outlive the call, which only reads them.
    let fd = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>())
    };
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The empty program must have run.
pub(super) fn require(cost: &Cost, tracepoint: &str) -> Result<()> {
    ensure!(cost.runs > 0, "{tracepoint} did not fire");
    Ok(())
}
