//! Struct offsets of the running kernel, resolved from its BTF by user space and set at load.
//!
//! They live in frozen read-only data, so the verifier sees constants and may check the accesses
//! against BTF. A program whose offsets could not be resolved is not loaded.

use aya_ebpf::Global;

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $($(#[$doc])* #[unsafe(no_mangle)] pub static $name: Global<u64> = Global::new(0);)*
    };
}

offsets! {
    /// `inode.i_sb`
    INODE_SB,
    /// `inode.i_ino`
    INODE_INO,
    /// `inode.i_dentry.first`
    INODE_FIRST_DENTRY,
    /// `inode.i_blocks`
    INODE_BLOCKS,
    /// `inode.i_bytes`
    INODE_BYTES,
    /// `inode.i_size`
    INODE_SIZE,
    /// `inode.i_nlink`
    INODE_LINKS,
    /// `inode.i_count`; 0 while the inode is being evicted.
    INODE_USERS,
    /// `inode.i_rwsem.owner`; 0 on kernels whose lock is of another kind (PREEMPT_RT).
    INODE_LOCK_OWNER,
    /// `super_block.s_dev`
    SB_DEV,
    /// `super_block.s_magic`
    SB_MAGIC,
    /// `super_block.s_blocksize`
    SB_BLOCK_SIZE,
    /// `ext4_inode_info.vfs_inode`
    EXT4_INODE,
    /// `ext4_inode_info.i_reserved_data_blocks`
    EXT4_RESERVED,
    /// `ext4_allocation_request.inode`
    EXT4_REQUEST_INODE,
    /// `ext4_allocation_request.len`
    EXT4_REQUEST_LENGTH,
    /// `ext4_allocation_request.flags`
    EXT4_REQUEST_FLAGS,
    /// `dentry.d_u.d_alias`
    DENTRY_ALIAS,
    /// `dentry.d_parent`
    DENTRY_PARENT,
    /// `dentry.d_inode`
    DENTRY_INODE,
    /// `xfs_inode.i_vnode`
    XFS_INODE,
    /// `xfs_inode.i_nblocks`
    XFS_BLOCKS,
    /// `xfs_inode.i_delayed_blks`
    XFS_DELAYED,
    /// `btrfs_inode.vfs_inode`
    BTRFS_INODE,
    /// `btrfs_inode.io_tree`
    BTRFS_IO_TREE,
    /// `btrfs_inode.new_delalloc_bytes`
    BTRFS_NEW_DELALLOC,
    /// `btrfs_inode.root`
    BTRFS_ROOT,
    /// `btrfs_root.anon_dev`; 0 on kernels without btrfs.
    BTRFS_ROOT_DEVICE,
    /// `EXTENT_DELALLOC`
    BTRFS_DELALLOC,
    /// `EXTENT_DELALLOC_NEW`
    BTRFS_DELALLOC_NEW,
    /// `EXTENT_ADD_INODE_BYTES`
    BTRFS_ADD_INODE_BYTES,
    /// `iomap_iter.inode`
    IOMAP_INODE,
    /// `iomap_iter.pos`
    IOMAP_POSITION,
    /// `iomap_iter.iter_start_pos`
    IOMAP_START,
    /// `iomap_iter.processed`; 0 on kernels that have the other.
    IOMAP_PROCESSED,
    /// `iomap_iter.flags`
    IOMAP_FLAGS,
    /// `iomap_iter.iomap.length`
    IOMAP_MAPPED,
    /// `address_space.host`
    MAPPING_INODE,
    /// `folio.flags`
    FOLIO_FLAGS,
    /// `PG_head`
    FOLIO_IS_LARGE,
    /// `folio._nr_pages`
    FOLIO_PAGES,
    /// `kiocb.ki_filp`
    KIOCB_FILE,
    /// `iov_iter.count`
    ITER_COUNT,
    /// `file.f_inode`
    FILE_INODE,
    /// `file.f_path.dentry`
    FILE_DENTRY,
    /// `task_struct.cgroups`
    TASK_CGROUPS,
    /// `task_struct.flags`
    TASK_FLAGS,
    /// `task_struct.tgid`
    TASK_TGID,
    /// `task_struct.comm`
    TASK_COMM,
    /// `css_set.dfl_cgrp`
    CSS_SET_CGROUP,
    /// `cgroup.kn`
    CGROUP_NODE,
    /// `cgroup.root`
    CGROUP_ROOT,
    /// `cgroup_root.hierarchy_id`
    ROOT_HIERARCHY,
    /// `kernfs_node.id`
    NODE_ID,
    /// `kernfs_node.name`
    NODE_NAME,
    /// `kernfs_node.parent` (`__parent` since 6.15)
    NODE_PARENT,
    /// `cgroup_file.kn`
    FILE_NODE,
    /// 1 if `mark_victim` passes the task, 0 if only its pid.
    VICTIM_IS_TASK,
    /// 1 if `ext4_da_reserve_space` passes the number of blocks, 0 if it is always one.
    RESERVE_HAS_COUNT,
    /// 1 if the programs that count writes at `ext4_da_write_end` also tell the space family that a
    /// write ends: one program a tracepoint costs less than two.
    WRITES_END_SPACE,
}
