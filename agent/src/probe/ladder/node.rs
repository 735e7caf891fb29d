//! The families about memory, tasks and cgroups.

use super::{Attachment, EVENTFD, Hook, INOTIFY, PLAIN, POLLING, Rung};
use crate::probe::{
    cgroup_files::FileSource,
    offsets::{self, Offset},
    tracefs::Field,
};

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

/// Forks and exits.
pub(super) const TASKS: &[Rung] = &[
    Rung {
        name: "btf-tracepoint",
        hook: Hook::BtfTracepoint,
        attachments: &[
            Attachment::need("fork_btf", "sched_process_fork"),
            Attachment::need("exit_btf", "sched_process_exit"),
        ],
        offsets: TASK,
        fs_offsets: &[],
    },
    Rung {
        name: "raw-tracepoint",
        hook: Hook::RawTracepoint,
        attachments: &[
            Attachment::need("fork_raw", "sched_process_fork"),
            Attachment::need("exit_raw", "sched_process_exit"),
        ],
        offsets: &[],
        fs_offsets: &[],
    },
    Rung {
        name: PLAIN,
        hook: Hook::Tracepoint,
        attachments: &[
            Attachment::need("fork_plain", "sched/sched_process_fork"),
            Attachment::need("exit_plain", "sched/sched_process_exit"),
        ],
        offsets: &[],
        fs_offsets: &[],
    },
    Rung::files(POLLING, FileSource::Polling),
];

/// Changes of `memory.events`.
pub(super) const MEMORY_EVENTS: &[Rung] = &[
    Rung {
        name: "fentry",
        hook: Hook::Fentry,
        attachments: &[Attachment::need("file_notify", "cgroup_file_notify")],
        offsets: EVENTS_FILE,
        fs_offsets: &[],
    },
    Rung {
        name: "kprobe",
        hook: Hook::Kprobe,
        attachments: &[Attachment::need("file_notify_kprobe", "cgroup_file_notify")],
        offsets: EVENTS_FILE,
        fs_offsets: &[],
    },
    Rung::files(INOTIFY, FileSource::MemoryEvents),
    Rung::files(EVENTFD, FileSource::OomControls),
];

/// Victims of the OOM killer.
pub(super) const OOM: &[Rung] = &[
    Rung {
        name: "btf-tracepoint",
        hook: Hook::BtfTracepoint,
        attachments: &[Attachment::need("mark_victim_btf", "mark_victim")],
        offsets: VICTIM,
        fs_offsets: &[],
    },
    Rung {
        name: "raw-tracepoint",
        hook: Hook::RawTracepoint,
        attachments: &[Attachment::need("mark_victim_raw", "mark_victim")],
        offsets: VICTIM,
        fs_offsets: &[],
    },
    Rung {
        name: PLAIN,
        hook: Hook::Tracepoint,
        attachments: &[Attachment::need("mark_victim_plain", "oom/mark_victim").reading(&[
            Field::need("VICTIM_PID", "pid", 4),
            Field::want("VICTIM_COMM", "comm", 4),
        ])],
        offsets: &[],
        fs_offsets: &[],
    },
];

/// Reclaim begins.
pub(super) const RECLAIM: &[Rung] = &[
    Rung {
        name: "btf-tracepoint",
        hook: Hook::BtfTracepoint,
        attachments: &[
            Attachment::need("memcg_reclaim_btf", "mm_vmscan_memcg_reclaim_begin"),
            Attachment::want("direct_reclaim_btf", "mm_vmscan_direct_reclaim_begin"),
            Attachment::want("wakeup_kswapd_btf", "mm_vmscan_wakeup_kswapd"),
        ],
        offsets: &[],
        fs_offsets: &[],
    },
    Rung {
        name: "raw-tracepoint",
        hook: Hook::RawTracepoint,
        attachments: &[
            Attachment::need("memcg_reclaim_raw", "mm_vmscan_memcg_reclaim_begin"),
            Attachment::want("direct_reclaim_raw", "mm_vmscan_direct_reclaim_begin"),
            Attachment::want("wakeup_kswapd_raw", "mm_vmscan_wakeup_kswapd"),
        ],
        offsets: &[],
        fs_offsets: &[],
    },
    Rung {
        name: PLAIN,
        hook: Hook::Tracepoint,
        attachments: &[
            Attachment::need("memcg_reclaim_plain", "vmscan/mm_vmscan_memcg_reclaim_begin"),
            Attachment::want("direct_reclaim_plain", "vmscan/mm_vmscan_direct_reclaim_begin"),
            Attachment::want("wakeup_kswapd_plain", "vmscan/mm_vmscan_wakeup_kswapd"),
        ],
        offsets: &[],
        fs_offsets: &[],
    },
];

/// cgroups come and go.
pub(super) const CGROUP_LIFE: &[Rung] = &[
    Rung {
        name: "btf-tracepoint",
        hook: Hook::BtfTracepoint,
        attachments: &[
            Attachment::need("mkdir_btf", "cgroup_mkdir"),
            Attachment::need("rmdir_btf", "cgroup_rmdir"),
        ],
        offsets: CGROUP,
        fs_offsets: &[],
    },
    Rung {
        name: "raw-tracepoint",
        hook: Hook::RawTracepoint,
        attachments: &[
            Attachment::need("mkdir_raw", "cgroup_mkdir"),
            Attachment::need("rmdir_raw", "cgroup_rmdir"),
        ],
        offsets: CGROUP,
        fs_offsets: &[],
    },
    Rung {
        name: PLAIN,
        hook: Hook::Tracepoint,
        attachments: &[
            Attachment::need("mkdir_plain", "cgroup/cgroup_mkdir")
                .reading(&[Field::need("MKDIR_ROOT", "root", 4), Field::need("MKDIR_ID", "id", 8)]),
            Attachment::need("rmdir_plain", "cgroup/cgroup_rmdir")
                .reading(&[Field::need("RMDIR_ROOT", "root", 4), Field::need("RMDIR_ID", "id", 8)]),
        ],
        offsets: &[],
        fs_offsets: &[],
    },
    Rung::files(INOTIFY, FileSource::Directories),
];
