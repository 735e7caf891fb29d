//! Whether the current task is in a write to a file: it holds the inode's lock then. A store through
//! a mapping does not.

use aya_ebpf::helpers::bpf_get_current_task;

use crate::{
    kernel::{Follow, Kernel},
    offsets::INODE_LOCK_OWNER,
};

/// `RWSEM_READER_OWNED`: the owner is one who reads, or who did last.
const READER: u64 = 1;
/// Flags in the lowest bits of the owner.
const FLAGS: u64 = 7;

/// Whether this kernel's lock tells its owner.
#[inline(always)]
pub fn is_known() -> bool {
    INODE_LOCK_OWNER.load() != 0
}

/// Whether the current task holds the lock to write.
#[inline(always)]
pub fn is_own<F: Follow>(inode: Kernel) -> bool {
    let owner = F::long(inode, INODE_LOCK_OWNER.load());
    // SAFETY: no preconditions.
    owner & READER == 0 && owner & !FLAGS == unsafe { bpf_get_current_task() }
}
