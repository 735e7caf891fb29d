//! Which struct offsets each probe needs, resolved from the running kernel's type information.
//!
//! Rust BPF objects carry no CO-RE relocations, so the offsets are load-time globals.

use super::{btf::BtfError, types::Types};

/// A load-time global of the BPF object and the struct members it may stand for: the first that the
/// kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Name of the global.
    pub global: &'static str,
    members: &'static [(&'static str, &'static str)],
}

macro_rules! offsets {
    ($($name:ident = $($struct:literal . $member:literal)|+;)*) => {
        $(pub(super) const $name: Offset =
            Offset { global: stringify!($name), members: &[$(($struct, $member)),+] };)*
        /// Every offset the BPF object knows.
        pub(super) const ALL: &[Offset] = &[$($name),*];
    };
}

offsets! {
    INODE_SB = "inode"."i_sb";
    INODE_INO = "inode"."i_ino";
    INODE_FIRST_DENTRY = "inode"."i_dentry.first";
    INODE_BLOCKS = "inode"."i_blocks";
    INODE_LOCK_OWNER = "inode"."i_rwsem.owner";
    SB_DEV = "super_block"."s_dev";
    SB_MAGIC = "super_block"."s_magic";
    SB_BLOCK_SIZE = "super_block"."s_blocksize";
    EXT4_INODE = "ext4_inode_info"."vfs_inode";
    EXT4_RESERVED = "ext4_inode_info"."i_reserved_data_blocks";
    EXT4_REQUEST_INODE = "ext4_allocation_request"."inode";
    EXT4_REQUEST_LENGTH = "ext4_allocation_request"."len";
    EXT4_REQUEST_FLAGS = "ext4_allocation_request"."flags";
    DENTRY_ALIAS = "dentry"."d_u.d_alias" | "dentry"."d_alias";
    DENTRY_PARENT = "dentry"."d_parent";
    DENTRY_INODE = "dentry"."d_inode";
    KIOCB_FILE = "kiocb"."ki_filp";
    KIOCB_FLAGS = "kiocb"."ki_flags";
    ITER_COUNT = "iov_iter"."count";
    XFS_INODE = "xfs_inode"."i_vnode";
    XFS_BLOCKS = "xfs_inode"."i_nblocks";
    XFS_DELAYED = "xfs_inode"."i_delayed_blks";
    FILE_INODE = "file"."f_inode";
    FILE_DENTRY = "file"."f_path.dentry";
    TASK_CGROUPS = "task_struct"."cgroups";
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

impl Offset {
    /// Byte offset of the first of the members that this kernel has.
    pub fn resolve(&self, types: &Types) -> Result<u64, BtfError> {
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
