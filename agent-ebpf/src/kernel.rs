//! Two ways to follow a kernel pointer.

use core::{ffi::c_void, ptr};

use aya_ebpf::helpers::bpf_probe_read_kernel;

/// An opaque pointer to a kernel object.
pub type Kernel = *const c_void;

/// Reads a field of a kernel object.
pub trait Follow {
    /// The pointer at `object + offset`; null if it cannot be read.
    fn pointer(object: Kernel, offset: u64) -> Kernel;
    /// The number at `object + offset`; 0 if it cannot be read.
    fn long(object: Kernel, offset: u64) -> u64;
    /// The number at `object + offset`; 0 if it cannot be read.
    fn int(object: Kernel, offset: u64) -> u32;
}

/// Direct loads, for pointers whose BTF type the verifier knows (fentry, fexit, BTF tracepoints).
/// The verifier turns a faulting load into zero; a load costs about a nanosecond.
pub struct Direct;

/// `bpf_probe_read_kernel`, for bare addresses (raw tracepoints, pointers computed by hand).
pub struct Copied;

#[inline(always)]
fn field<T>(object: Kernel, offset: u64) -> *const T {
    object.wrapping_byte_add(offset as usize).cast()
}

impl Follow for Direct {
    #[inline(always)]
    fn pointer(object: Kernel, offset: u64) -> Kernel {
        // SAFETY: the verifier checks the access against the kernel's BTF.
        unsafe { ptr::read_volatile(field(object, offset)) }
    }

    #[inline(always)]
    fn long(object: Kernel, offset: u64) -> u64 {
        // SAFETY: as above.
        unsafe { ptr::read_volatile(field(object, offset)) }
    }

    #[inline(always)]
    fn int(object: Kernel, offset: u64) -> u32 {
        // SAFETY: as above.
        unsafe { ptr::read_volatile(field(object, offset)) }
    }
}

impl Follow for Copied {
    #[inline(always)]
    fn pointer(object: Kernel, offset: u64) -> Kernel {
        // SAFETY: the helper refuses bad addresses.
        unsafe { bpf_probe_read_kernel(field(object, offset)) }.unwrap_or(ptr::null())
    }

    #[inline(always)]
    fn long(object: Kernel, offset: u64) -> u64 {
        // SAFETY: the helper refuses bad addresses.
        unsafe { bpf_probe_read_kernel(field(object, offset)) }.unwrap_or(0)
    }

    #[inline(always)]
    fn int(object: Kernel, offset: u64) -> u32 {
        // SAFETY: the helper refuses bad addresses.
        unsafe { bpf_probe_read_kernel(field(object, offset)) }.unwrap_or(0)
    }
}
