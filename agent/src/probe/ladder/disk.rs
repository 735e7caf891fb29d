//! The families about filesystems.

use super::{Attachment, Hook, PLAIN, Rung};
use crate::probe::{
    filesystem::FsKind::{self, Btrfs, Ext4, Xfs},
    offsets::{self, Offset},
    tracefs::Field,
};

/// Every filesystem that there are hooks for.
const ALL: &[FsKind] = &[Ext4, Xfs, Btrfs];

/// From an inode to its filesystem and its number.
const INODE: &[Offset] = &[offsets::INODE_SB, offsets::INODE_INO, offsets::SB_DEV];
/// From an inode to the directory it was looked up in.
const DIRECTORY: &[Offset] = &[
    offsets::INODE_FIRST_DENTRY,
    offsets::DENTRY_ALIAS,
    offsets::DENTRY_PARENT,
    offsets::DENTRY_INODE,
];
/// From a write to its file.
const KIOCB: &[Offset] = &[
    offsets::INODE_SB,
    offsets::INODE_INO,
    offsets::SB_DEV,
    offsets::DENTRY_PARENT,
    offsets::DENTRY_INODE,
    offsets::KIOCB_FILE,
    offsets::FILE_INODE,
    offsets::FILE_DENTRY,
];
/// From a piece of a write to its file and its length, and as [`DIRECTORY`].
const IOMAP: &[Offset] = &[
    offsets::INODE_FIRST_DENTRY,
    offsets::DENTRY_ALIAS,
    offsets::DENTRY_PARENT,
    offsets::DENTRY_INODE,
    offsets::SB_MAGIC,
    offsets::IOMAP_INODE,
    offsets::IOMAP_POSITION,
    offsets::IOMAP_START,
    offsets::IOMAP_FLAGS,
    offsets::IOMAP_MAPPED,
];
/// The device of a file on btrfs.
const BTRFS: &[Offset] =
    &[offsets::SB_MAGIC, offsets::BTRFS_INODE, offsets::BTRFS_ROOT, offsets::BTRFS_ROOT_DEVICE];
/// From a range that is marked as to be written back to its file, and as [`DIRECTORY`] and [`BTRFS`].
const BTRFS_RANGE: &[Offset] = &[
    offsets::INODE_FIRST_DENTRY,
    offsets::INODE_SIZE,
    offsets::DENTRY_ALIAS,
    offsets::DENTRY_PARENT,
    offsets::DENTRY_INODE,
    offsets::SB_BLOCK_SIZE,
    offsets::SB_MAGIC,
    offsets::BTRFS_INODE,
    offsets::BTRFS_ROOT,
    offsets::BTRFS_ROOT_DEVICE,
    offsets::BTRFS_IO_TREE,
    offsets::BTRFS_DELALLOC,
];
/// From a folio to its file and its size, and as [`DIRECTORY`].
const FOLIO: &[Offset] = &[
    offsets::INODE_SB,
    offsets::INODE_INO,
    offsets::SB_DEV,
    offsets::INODE_FIRST_DENTRY,
    offsets::DENTRY_ALIAS,
    offsets::DENTRY_PARENT,
    offsets::DENTRY_INODE,
    offsets::SB_MAGIC,
    offsets::MAPPING_INODE,
    offsets::FOLIO_FLAGS,
    offsets::FOLIO_IS_LARGE,
    offsets::FOLIO_PAGES,
    offsets::TASK_FLAGS,
];
/// Whose an inode is.
const INODE_SPACE: &[Offset] = &[
    offsets::INODE_SB,
    offsets::INODE_INO,
    offsets::INODE_FIRST_DENTRY,
    offsets::SB_DEV,
    offsets::SB_BLOCK_SIZE,
    offsets::DENTRY_ALIAS,
    offsets::DENTRY_PARENT,
    offsets::DENTRY_INODE,
    offsets::TASK_FLAGS,
];
/// What an ext4 inode holds.
const EXT4_SPACE: &[Offset] = &[
    offsets::INODE_BLOCKS,
    offsets::EXT4_INODE,
    offsets::EXT4_RESERVED,
    offsets::EXT4_REQUEST_INODE,
    offsets::EXT4_REQUEST_LENGTH,
    offsets::EXT4_REQUEST_FLAGS,
];
/// What an xfs inode holds.
const XFS_SPACE: &[Offset] = &[offsets::XFS_INODE, offsets::XFS_BLOCKS, offsets::XFS_DELAYED];
/// What a btrfs inode holds, and whose it is.
const BTRFS_SPACE: &[Offset] = &[
    offsets::INODE_BLOCKS,
    offsets::INODE_BYTES,
    offsets::INODE_LINKS,
    offsets::INODE_USERS,
    offsets::SB_MAGIC,
    offsets::BTRFS_INODE,
    offsets::BTRFS_IO_TREE,
    offsets::BTRFS_ROOT,
    offsets::BTRFS_ROOT_DEVICE,
    offsets::BTRFS_NEW_DELALLOC,
    offsets::BTRFS_DELALLOC,
    offsets::BTRFS_DELALLOC_NEW,
    offsets::BTRFS_ADD_INODE_BYTES,
];

/// Bytes written.
pub(super) const WRITES: &[Rung] = &[
    Rung {
        name: "fexit",
        hook: Hook::Fexit,
        attachments: &[
            Attachment::need("ext4_write_iter_exit", "ext4_file_write_iter").on(Ext4),
            Attachment::need("xfs_write_iter_exit", "xfs_file_write_iter").on(Xfs),
            Attachment::need("btrfs_write_iter_exit", "btrfs_file_write_iter").on(Btrfs),
            Attachment::want("stores_btf", "writeback_dirty_folio")
                .on_any(ALL)
                .by(Hook::BtfTracepoint),
            Attachment::want("iomap_beside_btf", "iomap_iter").on_any(ALL).by(Hook::BtfTracepoint),
        ],
        offsets: KIOCB,
        fs_offsets: &[(Btrfs, BTRFS)],
    },
    Rung {
        name: "kprobe",
        hook: Hook::Kprobe,
        attachments: &[
            Attachment::need("write_iter_enter", "ext4_file_write_iter").on(Ext4),
            Attachment::need("write_iter_return", "ext4_file_write_iter").on(Ext4),
            Attachment::need("write_iter_enter", "xfs_file_write_iter").on(Xfs),
            Attachment::need("write_iter_return", "xfs_file_write_iter").on(Xfs),
            Attachment::need("write_iter_enter", "btrfs_file_write_iter").on(Btrfs),
            Attachment::need("write_iter_return", "btrfs_file_write_iter").on(Btrfs),
            Attachment::want("stores_raw", "writeback_dirty_folio")
                .on_any(ALL)
                .by(Hook::RawTracepoint),
        ],
        offsets: KIOCB,
        fs_offsets: &[(Btrfs, BTRFS)],
    },
    Rung {
        name: "btf-tracepoint",
        hook: Hook::BtfTracepoint,
        attachments: &[
            Attachment::need("da_write_end_btf", "ext4_da_write_end").on(Ext4),
            Attachment::want("write_end_btf", "ext4_write_end").on(Ext4),
            Attachment::want("journalled_write_end_btf", "ext4_journalled_write_end").on(Ext4),
            Attachment::want("stores_btf", "writeback_dirty_folio").on_any(&[Ext4, Xfs]),
            Attachment::need("btrfs_dirty_btf", "btrfs_set_extent_bit").on(Btrfs),
            Attachment::need("btrfs_settled_btf", "btrfs_inode_mod_outstanding_extents").on(Btrfs),
            Attachment::need("iomap_btf", "iomap_iter").on(Xfs),
            Attachment::want("iomap_btf", "iomap_iter").on_any(&[Ext4, Btrfs]),
        ],
        offsets: INODE,
        fs_offsets: &[(Ext4, DIRECTORY), (Xfs, IOMAP), (Btrfs, BTRFS_RANGE)],
    },
    Rung {
        name: "raw-tracepoint",
        hook: Hook::RawTracepoint,
        attachments: &[
            Attachment::need("da_write_end_raw", "ext4_da_write_end").on(Ext4),
            Attachment::want("write_end_raw", "ext4_write_end").on(Ext4),
            Attachment::want("journalled_write_end_raw", "ext4_journalled_write_end").on(Ext4),
            Attachment::want("stores_raw", "writeback_dirty_folio").on_any(&[Ext4, Xfs]),
            Attachment::need("btrfs_dirty_raw", "btrfs_set_extent_bit").on(Btrfs),
            Attachment::need("btrfs_settled_raw", "btrfs_inode_mod_outstanding_extents").on(Btrfs),
            Attachment::need("iomap_raw", "iomap_iter").on(Xfs),
            Attachment::want("iomap_raw", "iomap_iter").on_any(&[Ext4, Btrfs]),
        ],
        offsets: INODE,
        fs_offsets: &[(Ext4, DIRECTORY), (Xfs, IOMAP), (Btrfs, BTRFS_RANGE)],
    },
    Rung {
        name: PLAIN,
        hook: Hook::Tracepoint,
        attachments: &[
            Attachment::need("da_write_end_plain", "ext4/ext4_da_write_end").on(Ext4).reading(&[
                Field::need("DA_WRITE_END_DEV", "dev", 4),
                Field::need("DA_WRITE_END_INO", "ino", 8),
                Field::need("DA_WRITE_END_COPIED", "copied", 4),
            ]),
            Attachment::want("write_end_plain", "ext4/ext4_write_end").on(Ext4).reading(&[
                Field::need("WRITE_END_DEV", "dev", 4),
                Field::need("WRITE_END_INO", "ino", 8),
                Field::need("WRITE_END_COPIED", "copied", 4),
            ]),
            Attachment::want("journalled_write_end_plain", "ext4/ext4_journalled_write_end")
                .on(Ext4)
                .reading(&[
                    Field::need("JOURNALLED_WRITE_END_DEV", "dev", 4),
                    Field::need("JOURNALLED_WRITE_END_INO", "ino", 8),
                    Field::need("JOURNALLED_WRITE_END_COPIED", "copied", 4),
                ]),
            Attachment::need("xfs_buffered_write_plain", "xfs/xfs_file_buffered_write")
                .on(Xfs)
                .reading(&[
                    Field::need("XFS_BUFFERED_DEV", "dev", 4),
                    Field::need("XFS_BUFFERED_INO", "ino", 8),
                    Field::need("XFS_BUFFERED_COUNT", "count", 8),
                ]),
            Attachment::need("xfs_direct_write_plain", "xfs/xfs_file_direct_write")
                .on(Xfs)
                .reading(&[
                    Field::need("XFS_DIRECT_DEV", "dev", 4),
                    Field::need("XFS_DIRECT_INO", "ino", 8),
                    Field::need("XFS_DIRECT_COUNT", "count", 8),
                ]),
        ],
        offsets: &[],
        fs_offsets: &[],
    },
    Rung {
        name: "dirty-folio",
        hook: Hook::BtfTracepoint,
        attachments: &[Attachment::need("dirty_folio_btf", "writeback_dirty_folio")],
        offsets: FOLIO,
        fs_offsets: &[(Btrfs, BTRFS)],
    },
    Rung {
        name: "raw-dirty-folio",
        hook: Hook::RawTracepoint,
        attachments: &[Attachment::need("dirty_folio_raw", "writeback_dirty_folio")],
        offsets: FOLIO,
        fs_offsets: &[(Btrfs, BTRFS)],
    },
];

/// Programs of the writes that also tell the space family of the end of a write.
const WRITE_END: &[&str] = &["da_write_end_btf", "da_write_end_raw"];

/// Blocks taken and given back.
pub(super) const SPACE: &[Rung] = &[
    Rung {
        name: "btf-tracepoint",
        hook: Hook::BtfTracepoint,
        attachments: &[
            Attachment::need("ext4_written_btf", "ext4_da_write_end")
                .on(Ext4)
                .not_beside(WRITE_END),
            Attachment::need("ext4_reserve_btf", "ext4_da_reserve_space").on(Ext4),
            Attachment::need("ext4_unreserve_btf", "ext4_da_release_space").on(Ext4),
            Attachment::need("ext4_allocate_btf", "ext4_allocate_blocks").on(Ext4),
            Attachment::need("ext4_free_btf", "ext4_free_blocks").on(Ext4),
            Attachment::need("ext4_free_inode_btf", "ext4_free_inode").on(Ext4),
            Attachment::want("ext4_update_reserve_btf", "ext4_da_update_reserve_space").on(Ext4),
            Attachment::need("xfs_lock_btf", "xfs_ilock").on(Xfs),
            Attachment::need("xfs_unlock_btf", "xfs_iunlock").on(Xfs),
            Attachment::need("btrfs_set_btf", "btrfs_set_extent_bit").on(Btrfs),
            Attachment::need("btrfs_clear_btf", "btrfs_clear_extent_bit").on(Btrfs),
            Attachment::need("btrfs_grown_btf", "btrfs_inode_mod_outstanding_extents").on(Btrfs),
            Attachment::need("btrfs_evict_btf", "btrfs_inode_evict").on(Btrfs),
        ],
        offsets: INODE_SPACE,
        fs_offsets: &[(Ext4, EXT4_SPACE), (Xfs, XFS_SPACE), (Btrfs, BTRFS_SPACE)],
    },
    Rung {
        name: "raw-tracepoint",
        hook: Hook::RawTracepoint,
        attachments: &[
            Attachment::need("ext4_written_raw", "ext4_da_write_end")
                .on(Ext4)
                .not_beside(WRITE_END),
            Attachment::need("ext4_reserve_raw", "ext4_da_reserve_space").on(Ext4),
            Attachment::need("ext4_unreserve_raw", "ext4_da_release_space").on(Ext4),
            Attachment::need("ext4_allocate_raw", "ext4_allocate_blocks").on(Ext4),
            Attachment::need("ext4_free_raw", "ext4_free_blocks").on(Ext4),
            Attachment::need("ext4_free_inode_raw", "ext4_free_inode").on(Ext4),
            Attachment::want("ext4_update_reserve_raw", "ext4_da_update_reserve_space").on(Ext4),
            Attachment::need("xfs_lock_raw", "xfs_ilock").on(Xfs),
            Attachment::need("xfs_unlock_raw", "xfs_iunlock").on(Xfs),
            Attachment::need("btrfs_set_raw", "btrfs_set_extent_bit").on(Btrfs),
            Attachment::need("btrfs_clear_raw", "btrfs_clear_extent_bit").on(Btrfs),
            Attachment::need("btrfs_grown_raw", "btrfs_inode_mod_outstanding_extents").on(Btrfs),
            Attachment::need("btrfs_evict_raw", "btrfs_inode_evict").on(Btrfs),
        ],
        offsets: INODE_SPACE,
        fs_offsets: &[(Ext4, EXT4_SPACE), (Xfs, XFS_SPACE), (Btrfs, BTRFS_SPACE)],
    },
];
