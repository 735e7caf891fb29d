//! The hook ladder as a table: each probe family's rungs, best first, and the programs of each.

pub use evictd_common::Probe as Family;

use super::offsets::{self, Offset};

/// What works less well without any rung of a family.
pub(super) const fn cost_of_absence(family: Family) -> &'static str {
    match family {
        Family::Writes => "disks are looked at by fill rate, and no writer is named",
        Family::Tasks => "pid thresholds are seen by the 1 s tick only",
        Family::MemoryEvents | Family::Reclaim => "memory is looked at by fill rate alone",
        Family::Oom => "victims of the OOM killer are not named",
        Family::CgroupLife => "new containers are known by the 1 s tick only",
    }
}

/// What a rung misses of what the family is about; `None` if it misses nothing.
pub(super) fn cost_of_rung(family: Family, rung: &str) -> Option<&'static str> {
    match (family, rung) {
        (Family::Writes, "btf-tracepoint" | "raw-tracepoint") => {
            Some("direct I/O is not counted, and each folio of a write costs a probe run")
        }
        _ => None,
    }
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// fentry of a kernel function.
    Fentry,
    /// fexit of a kernel function.
    Fexit,
    /// BTF-typed raw tracepoint.
    BtfTracepoint,
    /// Raw tracepoint.
    RawTracepoint,
}

/// One program and what it is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Program in the BPF object.
    pub program: &'static str,
    /// Kernel function or tracepoint.
    pub target: &'static str,
    /// A rung stands without its optional attachments.
    pub optional: bool,
}

/// One way to serve a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Name in reports.
    pub name: &'static str,
    /// How its programs are attached.
    pub hook: Hook,
    /// Its programs.
    pub attachments: &'static [Attachment],
    /// Struct offsets they read.
    pub offsets: &'static [Offset],
}

const fn need(program: &'static str, target: &'static str) -> Attachment {
    Attachment { program, target, optional: false }
}

const fn want(program: &'static str, target: &'static str) -> Attachment {
    Attachment { program, target, optional: true }
}

/// Offsets from an inode to its filesystem and to the directory it was looked up in.
const INODE: &[Offset] = &[
    offsets::INODE_SB,
    offsets::INODE_INO,
    offsets::INODE_FIRST_DENTRY,
    offsets::SB_DEV,
    offsets::DENTRY_ALIAS,
    offsets::DENTRY_PARENT,
    offsets::DENTRY_INODE,
];
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
const TASK: &[Offset] =
    &[offsets::TASK_CGROUPS, offsets::CSS_SET_CGROUP, offsets::CGROUP_NODE, offsets::NODE_ID];
const VICTIM: &[Offset] = &[
    offsets::TASK_CGROUPS,
    offsets::CSS_SET_CGROUP,
    offsets::CGROUP_NODE,
    offsets::NODE_ID,
    offsets::TASK_TGID,
    offsets::TASK_COMM,
];
const CGROUP: &[Offset] =
    &[offsets::CGROUP_NODE, offsets::CGROUP_ROOT, offsets::ROOT_HIERARCHY, offsets::NODE_ID];
const EVENTS_FILE: &[Offset] =
    &[offsets::FILE_NODE, offsets::NODE_NAME, offsets::NODE_PARENT, offsets::NODE_ID];

/// The ladder. Families in the order of reports, rungs best first.
pub const LADDER: &[(Family, &[Rung])] = &[
    (
        Family::Writes,
        &[
            Rung {
                name: "fexit",
                hook: Hook::Fexit,
                attachments: &[need("write_iter_exit", "ext4_file_write_iter")],
                offsets: KIOCB,
            },
            Rung {
                name: "btf-tracepoint",
                hook: Hook::BtfTracepoint,
                attachments: &[
                    need("da_write_end_btf", "ext4_da_write_end"),
                    want("write_end_btf", "ext4_write_end"),
                    want("journalled_write_end_btf", "ext4_journalled_write_end"),
                ],
                offsets: INODE,
            },
            Rung {
                name: "raw-tracepoint",
                hook: Hook::RawTracepoint,
                attachments: &[
                    need("da_write_end_raw", "ext4_da_write_end"),
                    want("write_end_raw", "ext4_write_end"),
                    want("journalled_write_end_raw", "ext4_journalled_write_end"),
                ],
                offsets: INODE,
            },
        ],
    ),
    (
        Family::Tasks,
        &[
            Rung {
                name: "btf-tracepoint",
                hook: Hook::BtfTracepoint,
                attachments: &[
                    need("fork_btf", "sched_process_fork"),
                    need("exit_btf", "sched_process_exit"),
                ],
                offsets: TASK,
            },
            Rung {
                name: "raw-tracepoint",
                hook: Hook::RawTracepoint,
                attachments: &[
                    need("fork_raw", "sched_process_fork"),
                    need("exit_raw", "sched_process_exit"),
                ],
                offsets: &[],
            },
        ],
    ),
    (
        Family::MemoryEvents,
        &[Rung {
            name: "fentry",
            hook: Hook::Fentry,
            attachments: &[need("file_notify", "cgroup_file_notify")],
            offsets: EVENTS_FILE,
        }],
    ),
    (
        Family::Oom,
        &[
            Rung {
                name: "btf-tracepoint",
                hook: Hook::BtfTracepoint,
                attachments: &[need("mark_victim_btf", "mark_victim")],
                offsets: VICTIM,
            },
            Rung {
                name: "raw-tracepoint",
                hook: Hook::RawTracepoint,
                attachments: &[need("mark_victim_raw", "mark_victim")],
                offsets: VICTIM,
            },
        ],
    ),
    (
        Family::Reclaim,
        &[
            Rung {
                name: "btf-tracepoint",
                hook: Hook::BtfTracepoint,
                attachments: &[
                    need("memcg_reclaim_btf", "mm_vmscan_memcg_reclaim_begin"),
                    want("direct_reclaim_btf", "mm_vmscan_direct_reclaim_begin"),
                    want("wakeup_kswapd_btf", "mm_vmscan_wakeup_kswapd"),
                ],
                offsets: &[],
            },
            Rung {
                name: "raw-tracepoint",
                hook: Hook::RawTracepoint,
                attachments: &[
                    need("memcg_reclaim_raw", "mm_vmscan_memcg_reclaim_begin"),
                    want("direct_reclaim_raw", "mm_vmscan_direct_reclaim_begin"),
                    want("wakeup_kswapd_raw", "mm_vmscan_wakeup_kswapd"),
                ],
                offsets: &[],
            },
        ],
    ),
    (
        Family::CgroupLife,
        &[
            Rung {
                name: "btf-tracepoint",
                hook: Hook::BtfTracepoint,
                attachments: &[
                    need("mkdir_btf", "cgroup_mkdir"),
                    need("rmdir_btf", "cgroup_rmdir"),
                ],
                offsets: CGROUP,
            },
            Rung {
                name: "raw-tracepoint",
                hook: Hook::RawTracepoint,
                attachments: &[
                    need("mkdir_raw", "cgroup_mkdir"),
                    need("rmdir_raw", "cgroup_rmdir"),
                ],
                offsets: CGROUP,
            },
        ],
    ),
];
