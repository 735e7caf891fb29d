//! Writes as the plain tracepoints of the filesystems tell them: by the file's number, without the
//! directory that it is in.

use aya_ebpf::{Global, macros::tracepoint, programs::TracePointContext};

use evictd_common::LogDirectory;

use super::count_file;
use crate::fields::{
    self, DA_WRITE_END_COPIED, DA_WRITE_END_DEV, DA_WRITE_END_INO, JOURNALLED_WRITE_END_COPIED,
    JOURNALLED_WRITE_END_DEV, JOURNALLED_WRITE_END_INO, WRITE_END_COPIED, WRITE_END_DEV,
    WRITE_END_INO, XFS_BUFFERED_COUNT, XFS_BUFFERED_DEV, XFS_BUFFERED_INO, XFS_DIRECT_COUNT,
    XFS_DIRECT_DEV, XFS_DIRECT_INO,
};

/// ext4 tells the bytes of one folio, in an `unsigned int`.
#[inline(always)]
fn copied(ctx: &TracePointContext, offset: &Global<u64>) -> u64 {
    fields::int(ctx, offset).into()
}

/// No directory has this number.
#[inline(always)]
fn nowhere(dev: u32) -> LogDirectory {
    LogDirectory { inode: 0, dev, reserved: 0 }
}

macro_rules! plain_write {
    ($($program:ident: $dev:ident, $inode:ident, $bytes:ident as $read:path;)*) => {$(
        /// Device, inode and bytes, in the writer's task.
        #[tracepoint]
        pub fn $program(ctx: TracePointContext) -> u32 {
            let dev = fields::int(&ctx, &$dev);
            let file = (u64::from(dev), fields::long(&ctx, &$inode));
            count_file(file, $read(&ctx, &$bytes), || dev, nowhere);
            0
        }
    )*};
}

plain_write! {
    da_write_end_plain: DA_WRITE_END_DEV, DA_WRITE_END_INO, DA_WRITE_END_COPIED as copied;
    write_end_plain: WRITE_END_DEV, WRITE_END_INO, WRITE_END_COPIED as copied;
    journalled_write_end_plain:
        JOURNALLED_WRITE_END_DEV, JOURNALLED_WRITE_END_INO, JOURNALLED_WRITE_END_COPIED as copied;
    xfs_buffered_write_plain: XFS_BUFFERED_DEV, XFS_BUFFERED_INO, XFS_BUFFERED_COUNT as fields::long;
    xfs_direct_write_plain: XFS_DIRECT_DEV, XFS_DIRECT_INO, XFS_DIRECT_COUNT as fields::long;
}
