//! Which cgroup hierarchies there are, read once at start from `/proc/mounts`.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// How cgroups are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupKind {
    /// One v2 hierarchy with every controller.
    V2,
    /// v1 controllers, and v2 beside them for identity, `cgroup.kill` and `cgroup.events`.
    Hybrid,
    /// v1 controllers only.
    V1,
}

impl CgroupKind {
    /// The name used in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::Hybrid => "hybrid",
            Self::V1 => "v1",
        }
    }
}

impl fmt::Display for CgroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The mount points of the hierarchies in use. The controllers' fields are v1 hierarchies; where
/// one is `None` on [`CgroupKind::V2`], the controller is in the v2 hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMounts {
    /// How they are mounted.
    pub kind: CgroupKind,
    /// The v2 hierarchy.
    pub unified: Option<PathBuf>,
    /// The v1 memory controller.
    pub memory: Option<PathBuf>,
    /// The v1 pids controller.
    pub pids: Option<PathBuf>,
    /// The v1 freezer.
    pub freezer: Option<PathBuf>,
}

/// Why the hierarchies could not be found.
#[derive(Debug, Error)]
pub enum MountsError {
    /// The mount table could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The mount table.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// No cgroup file system is mounted.
    #[error("no cgroup file system is mounted (looked in {path}); mount cgroup2 on /sys/fs/cgroup")]
    NoCgroups {
        /// The mount table.
        path: PathBuf,
    },
}

impl CgroupMounts {
    /// Reads the mount table at `path` (`/proc/mounts`).
    pub fn detect(path: &Path) -> Result<Self, MountsError> {
        let table = fs::read_to_string(path)
            .map_err(|source| MountsError::Read { path: path.to_owned(), source })?;
        Self::parse(&table).ok_or_else(|| MountsError::NoCgroups { path: path.to_owned() })
    }

    /// Finds the hierarchies in the text of a mount table; the first mount of each counts.
    pub fn parse(table: &str) -> Option<Self> {
        let mut unified = None;
        let (mut memory, mut pids, mut freezer) = (None, None, None);
        for line in table.lines() {
            let mut fields = line.split(' ').skip(1);
            let (Some(point), Some(kind), Some(options)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let point = || PathBuf::from(unescape(point));
            match kind {
                "cgroup2" => {
                    unified.get_or_insert_with(point);
                }
                "cgroup" => {
                    for option in options.split(',') {
                        let slot = match option {
                            "memory" => &mut memory,
                            "pids" => &mut pids,
                            "freezer" => &mut freezer,
                            _ => continue,
                        };
                        slot.get_or_insert_with(point);
                    }
                }
                _ => {}
            }
        }
        let v1 = memory.is_some() || pids.is_some() || freezer.is_some();
        let kind = match (unified.is_some(), v1) {
            (true, false) => CgroupKind::V2,
            (true, true) => CgroupKind::Hybrid,
            (false, true) => CgroupKind::V1,
            (false, false) => return None,
        };
        Some(Self { kind, unified, memory, pids, freezer })
    }

    /// The hierarchy whose directory inodes identify a cgroup: v2 where there is one.
    pub fn identity(&self) -> Option<&Path> {
        [&self.unified, &self.pids, &self.memory, &self.freezer]
            .into_iter()
            .find_map(|mount| mount.as_deref())
    }
}

/// Undoes the octal escapes of the mount table (`\040` is a space).
fn unescape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|c| u8::from_str_radix(c, 8).ok());
        match code {
            Some(code) => {
                out.push(char::from(code));
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n";
    const HYBRID: &str = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
        cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
        cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
        cgroup /sys/fs/cgroup/freezer cgroup rw,freezer 0 0\n\
        cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n\
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
    const V1: &str = "cgroup /a\\040b cgroup rw,memory 0 0\ncgroup /c cgroup rw,pids,freezer 0 0\n";
    /// systemd's own named hierarchy has no controller: not a reason to call it hybrid.
    const NAMED: &str = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n\
        cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n\
        cgroup2 /later cgroup2 rw 0 0\n";

    #[test]
    fn layouts() {
        let cases = [
            ("v2", V2, CgroupKind::V2, Some("/sys/fs/cgroup"), None, "/sys/fs/cgroup"),
            (
                "hybrid",
                HYBRID,
                CgroupKind::Hybrid,
                Some("/sys/fs/cgroup/unified"),
                Some("/sys/fs/cgroup/memory"),
                "/sys/fs/cgroup/unified",
            ),
            ("v1", V1, CgroupKind::V1, None, Some("/a b"), "/c"),
            ("named", NAMED, CgroupKind::V2, Some("/sys/fs/cgroup"), None, "/sys/fs/cgroup"),
        ];
        for (name, table, kind, unified, memory, identity) in cases {
            let mounts = CgroupMounts::parse(table).expect(name);
            assert_eq!(mounts.kind, kind, "{name}");
            assert_eq!(mounts.unified.as_deref(), unified.map(Path::new), "{name}");
            assert_eq!(mounts.memory.as_deref(), memory.map(Path::new), "{name}");
            assert_eq!(mounts.identity(), Some(Path::new(identity)), "{name}");
        }
        assert_eq!(CgroupMounts::parse("proc /proc proc rw 0 0\n"), None);
        assert_eq!(CgroupMounts::parse("broken line\n\n"), None);
    }
}
