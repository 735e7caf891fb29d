//! Which struct offsets each probe needs, resolved from the running kernel's type information.
//!
//! Rust BPF objects carry no CO-RE relocations, so the offsets are load-time globals.

use super::{btf::BtfError, types::Types};

/// A load-time global of the BPF object and the struct members it may stand for: the first that the
/// kernel has. Or the enumerator whose value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Name of the global.
    pub global: &'static str,
    members: &'static [(&'static str, &'static str)],
    value: Option<Value>,
}

/// An enumerator, and its value on the kernels where it was no enumerator yet but a macro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Value {
    enumerator: &'static str,
    as_macro: &'static [u64],
}

macro_rules! offsets {
    (members { $($name:ident = $($struct:literal . $member:literal)|+;)* }
     values { $($value:ident = $enumerator:literal $(or $macro:literal)?;)* }) => {
        $(pub(super) const $name: Offset =
            Offset { global: stringify!($name), members: &[$(($struct, $member)),+], value: None };)*
        $(pub(super) const $value: Offset = Offset {
            global: stringify!($value),
            members: &[],
            value: Some(Value { enumerator: $enumerator, as_macro: &[$($macro)?] }),
        };)*
        /// Every offset the BPF object knows.
        pub(super) const ALL: &[Offset] = &[$($name,)* $($value),*];
    };
}

offsets! {
members {
    INODE_SB = "inode"."i_sb";
    INODE_INO = "inode"."i_ino";
    INODE_FIRST_DENTRY = "inode"."i_dentry.first";
    INODE_BLOCKS = "inode"."i_blocks";
    INODE_BYTES = "inode"."i_bytes";
    INODE_SIZE = "inode"."i_size";
    INODE_LINKS = "inode"."i_nlink";
    INODE_USERS = "inode"."i_count";
    INODE_LOCK_OWNER = "inode"."i_rwsem.owner";
    SB_DEV = "super_block"."s_dev";
    SB_MAGIC = "super_block"."s_magic";
    SB_BLOCK_SIZE = "super_block"."s_blocksize";
    EXT4_INODE = "ext4_inode_info"."vfs_inode";
    EXT4_RESERVED = "ext4_inode_info"."i_reserved_data_blocks";
    EXT4_REQUEST_INODE = "ext4_allocation_request"."inode";
    EXT4_REQUEST_LENGTH = "ext4_allocation_request"."len";
    EXT4_REQUEST_FLAGS = "ext4_allocation_request"."flags";
    BTRFS_INODE = "btrfs_inode"."vfs_inode";
    BTRFS_IO_TREE = "btrfs_inode"."io_tree";
    BTRFS_NEW_DELALLOC = "btrfs_inode"."new_delalloc_bytes";
    BTRFS_ROOT = "btrfs_inode"."root";
    BTRFS_ROOT_DEVICE = "btrfs_root"."anon_dev";
    IOMAP_INODE = "iomap_iter"."inode";
    IOMAP_POSITION = "iomap_iter"."pos";
    IOMAP_START = "iomap_iter"."iter_start_pos" | "iomap_iter"."processed";
    IOMAP_PROCESSED = "iomap_iter"."processed";
    IOMAP_FLAGS = "iomap_iter"."flags";
    IOMAP_MAPPED = "iomap_iter"."iomap.length";
    MAPPING_INODE = "address_space"."host";
    FOLIO_FLAGS = "folio"."flags";
    FOLIO_PAGES = "folio"."_nr_pages" | "folio"."_folio_nr_pages";
    DENTRY_ALIAS = "dentry"."d_u.d_alias" | "dentry"."d_alias";
    DENTRY_PARENT = "dentry"."d_parent";
    DENTRY_INODE = "dentry"."d_inode";
    KIOCB_FILE = "kiocb"."ki_filp";
    ITER_COUNT = "iov_iter"."count";
    XFS_INODE = "xfs_inode"."i_vnode";
    XFS_BLOCKS = "xfs_inode"."i_nblocks";
    XFS_DELAYED = "xfs_inode"."i_delayed_blks";
    FILE_INODE = "file"."f_inode";
    FILE_DENTRY = "file"."f_path.dentry";
    TASK_CGROUPS = "task_struct"."cgroups";
    TASK_FLAGS = "task_struct"."flags";
    TASK_TGID = "task_struct"."tgid";
    TASK_COMM = "task_struct"."comm";
    CSS_SET_CGROUP = "css_set"."dfl_cgrp";
    CGROUP_NODE = "cgroup"."kn";
    CGROUP_ROOT = "cgroup"."root";
    ROOT_HIERARCHY = "cgroup_root"."hierarchy_id";
    NODE_ID = "kernfs_node"."id";
    NODE_NAME = "kernfs_node"."name";
    NODE_PARENT = "kernfs_node"."__parent" | "kernfs_node"."parent";
    FILE_NODE = "cgroup_file"."kn";
}
values {
    FOLIO_IS_LARGE = "PG_head";
    BTRFS_DELALLOC = "EXTENT_DELALLOC" or 0x10;
    BTRFS_DELALLOC_NEW = "EXTENT_DELALLOC_NEW" or 0x4000;
    BTRFS_ADD_INODE_BYTES = "EXTENT_ADD_INODE_BYTES" or 0x8000;
}
}

impl Offset {
    /// Byte offset of the first of the members that this kernel has, or the enumerator's value.
    pub fn resolve(&self, types: &Types) -> Result<u64, BtfError> {
        if let Some(Value { enumerator, as_macro }) = self.value {
            let found = types.enumerator(enumerator);
            return found.or_else(|error| as_macro.first().copied().ok_or(error));
        }
        let mut answer = Err(BtfError::NoStruct(self.global.to_owned()));
        for (name, member) in self.members {
            answer = types.member_offset(name, member);
            if answer.is_ok() {
                break;
            }
        }
        answer
    }
}
