//! Who is on a node, and what they hold.

use serde::{Deserialize, Serialize};

use super::Role;
use crate::sample::MemoryEvents;

/// A container, or what else runs in a cgroup of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Who it is.
    pub owner: Owner,
    /// Ids of its cgroup, first, and of those below it that are nobody else's. Empty for a container
    /// of which only the log is left.
    pub cgroups: Vec<u64>,
    /// Its log, which the runtime writes for it.
    pub log: Option<LogCount>,
    /// Threads, those of cgroups below included where they are its own.
    pub tasks: Option<u64>,
    /// Processes, likewise; those that have ended do not count, although they are tasks until they are
    /// reaped.
    pub processes: Option<u64>,
    /// Its memory.
    pub memory: Memory,
    /// What memory limits did to it since its cgroup was made.
    pub memory_events: Option<MemoryEvents>,
}

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Owner {
    /// A container of a pod.
    Container {
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
        /// The container's name; its id where the pod's status does not name it.
        container: String,
        /// The pod's UID.
        uid: String,
        /// The pod's quality of service class.
        qos: String,
        /// The pod's priority.
        priority: i32,
    },
    /// What runs in a pod's cgroup, but in none of its containers.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        pod: String,
        /// Its UID.
        uid: String,
        /// Its quality of service class.
        qos: String,
        /// Its priority.
        priority: i32,
    },
    /// A cgroup that is no pod's: a system service, the runtime, a login.
    Cgroup {
        /// From the root of the hierarchy.
        path: String,
        /// What runs there.
        role: Role,
    },
    /// Cgroups that are gone, and those for which the kernel's maps had no room, all together.
    Others,
}

/// The log of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCount {
    /// Device of its directory, as stat(2) numbers it.
    pub dev: u64,
    /// Inode of its directory.
    pub inode: u64,
    /// Bytes written into it since it is counted; `None` while it is not.
    pub written: Option<u64>,
    /// Bytes of blocks that its files have taken less given back.
    pub grown: Option<i64>,
}

/// Memory, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// In use and not easily given back (S-11).
    pub working_set: Option<u64>,
    /// What was requested.
    pub request: Option<u64>,
    /// The cgroup's limit.
    pub limit: Option<u64>,
}
