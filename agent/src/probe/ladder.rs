//! The hook ladder as a table: each probe family's rungs, best first, and the programs of each.

pub use evictd_common::Probe as Family;

use std::{slice, str::FromStr};

use super::{cgroup_files::FileSource, filesystem::FsKind, offsets::Offset, tracefs::Field};

mod disk;
mod node;

/// What works less well without any rung of a family.
pub(super) const fn cost_of_absence(family: Family) -> &'static str {
    match family {
        Family::Writes => "disks are looked at by fill rate, and no writer is named",
        Family::Tasks => "tasks are looked at by fill rate, and nobody's forks are counted",
        Family::MemoryEvents | Family::Reclaim => "memory is looked at by fill rate alone",
        Family::Oom => "victims of the OOM killer are not named",
        Family::CgroupLife => "new containers are known by the 1 s tick only",
        Family::Space => "disk usage is known by walks and bytes written, not by blocks",
    }
}

/// What a rung misses of what the family is about; `None` if it misses nothing.
pub(super) fn cost_of_rung(family: Family, rung: &str) -> Option<&'static str> {
    match (family, rung) {
        (Family::Writes, "kprobe") => Some("each write costs two traps more"),
        (Family::Writes, "btf-tracepoint" | "raw-tracepoint") => Some(
            "each folio of a write costs a probe run, and what btrfs overwrites counts by the block; \
             without the tracepoint iomap_iter direct I/O is missed",
        ),
        (Family::Writes, "dirty-folio" | "raw-dirty-folio") => Some(
            "writes count by the folio, once until it is written back, and direct I/O is missed: \
             figures are approximate",
        ),
        (Family::Writes, PLAIN) => Some(
            "log writers are not watched and direct I/O of ext4 is not counted, \
             so pods are walked to rank them",
        ),
        (Family::Tasks, POLLING) => Some(cost_of_absence(family)),
        (Family::MemoryEvents, INOTIFY) => {
            Some("told once in 10 ms at most, and of pods whose cgroup is known")
        }
        (Family::MemoryEvents, EVENTFD) => Some("only OOM is told, neither high nor max"),
        (Family::CgroupLife, INOTIFY) => Some("only cgroups of pods and containers are seen"),
        (Family::Oom, PLAIN) => Some("victims are known by process, not by cgroup"),
        _ => None,
    }
}

/// Name of the rungs that are plain tracepoints.
const PLAIN: &str = "tracepoint";

/// Names of the rungs that are files.
const INOTIFY: &str = "inotify";
const EVENTFD: &str = "eventfd";
const POLLING: &str = "polling";

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
    /// Tracepoint of tracefs (perf), by `category/name`.
    Tracepoint,
    /// kprobe or kretprobe, as the program says.
    Kprobe,
    /// No program: files of cgroups.
    Files(FileSource),
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
    /// The filesystems that it is about, if it is about some. Left out where none is in use.
    pub filesystems: &'static [FsKind],
    /// How it is attached, if otherwise than its rung.
    pub hook: Option<Hook>,
    /// Programs that do its work too where they run. Left out beside one of them.
    pub instead: &'static [&'static str],
    /// What it reads of a tracepoint's record.
    pub fields: &'static [Field],
}

impl Attachment {
    /// A program that the rung cannot do without.
    pub const fn need(program: &'static str, target: &'static str) -> Self {
        Self { optional: false, ..Self::want(program, target) }
    }

    /// A program that the rung can do without.
    pub const fn want(program: &'static str, target: &'static str) -> Self {
        Self {
            program,
            target,
            optional: true,
            filesystems: &[],
            hook: None,
            fields: &[],
            instead: &[],
        }
    }

    /// The same, which reads these fields.
    pub const fn reading(self, fields: &'static [Field]) -> Self {
        Self { fields, ..self }
    }

    /// The same, where that filesystem is in use.
    const fn on(self, filesystem: FsKind) -> Self {
        self.on_any(match filesystem {
            FsKind::Ext4 => &[FsKind::Ext4],
            FsKind::Xfs => &[FsKind::Xfs],
            FsKind::Btrfs => &[FsKind::Btrfs],
        })
    }

    /// The same, where one of the filesystems is in use.
    const fn on_any(self, filesystems: &'static [FsKind]) -> Self {
        Self { filesystems, ..self }
    }

    /// The same, attached another way than its rung.
    const fn by(self, hook: Hook) -> Self {
        Self { hook: Some(hook), ..self }
    }

    /// The same, but not beside any of these programs.
    const fn not_beside(self, instead: &'static [&'static str]) -> Self {
        Self { instead, ..self }
    }
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
    /// Struct offsets that are read where a filesystem is in use.
    pub fs_offsets: &'static [(FsKind, &'static [Offset])],
}

impl Rung {
    /// A rung of files.
    const fn files(name: &'static str, source: FileSource) -> Self {
        let hook = Hook::Files(source);
        Self { name, hook, attachments: &[], offsets: &[], fs_offsets: &[] }
    }

    /// The files that it is, if it is no program.
    pub const fn source(&self) -> Option<FileSource> {
        match self.hook {
            Hook::Files(source) => Some(source),
            Hook::Fentry
            | Hook::Fexit
            | Hook::BtfTracepoint
            | Hook::RawTracepoint
            | Hook::Tracepoint
            | Hook::Kprobe => None,
        }
    }
}

/// The files that this rung of a family is, if it is no program.
pub fn source(family: Family, rung: &str) -> Option<FileSource> {
    let (_, rungs) = LADDER.iter().find(|(known, _)| *known == family)?;
    rungs.iter().find(|known| known.name == rung)?.source()
}

/// Whether this rung of the writes tells the directory that was written into.
pub fn counts_logs(rung: &str) -> bool {
    rung != PLAIN
}

/// The ladder. Families in the order of reports, rungs best first.
pub const LADDER: &[(Family, &[Rung])] = &[
    (Family::Writes, disk::WRITES),
    (Family::Tasks, node::TASKS),
    (Family::MemoryEvents, node::MEMORY_EVENTS),
    (Family::Oom, node::OOM),
    (Family::Reclaim, node::RECLAIM),
    (Family::CgroupLife, node::CGROUP_LIFE),
    (Family::Space, disk::SPACE),
];

/// Whether a rung of a family is about that filesystem too.
pub fn serves(family: Family, rung: &str, filesystem: FsKind) -> bool {
    let rungs = LADDER.iter().filter(|(known, _)| *known == family).flat_map(|(_, rungs)| *rungs);
    let mut attachments =
        rungs.filter(|known| known.name == rung).flat_map(|rung| rung.attachments);
    attachments.any(|attachment| attachment.filesystems.contains(&filesystem))
}

/// In the place of a rung: the family is to have none.
const NONE: &str = "none";

/// One rung that a family is to have, and no other: `FAMILY=RUNG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForcedRung {
    family: Family,
    /// None or one.
    rung: &'static [Rung],
}

impl FromStr for ForcedRung {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (family, rung) = text.split_once('=').ok_or("not of the form FAMILY=RUNG")?;
        let families = || LADDER.iter().map(|(family, _)| family.name());
        let (family, rungs) = LADDER
            .iter()
            .find(|(known, _)| known.name() == family)
            .ok_or_else(|| format!("no probe family {family}; allowed: {}", list(families())))?;
        let family = *family;
        if rung == NONE {
            return Ok(Self { family, rung: &[] });
        }
        let found = rungs.iter().find(|known| known.name == rung);
        found.map(|rung| Self { family, rung: slice::from_ref(rung) }).ok_or_else(|| {
            let allowed = list(rungs.iter().map(|rung| rung.name).chain([NONE]));
            format!("{} has no rung {rung}; allowed: {allowed}", family.name())
        })
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// The ladder with only the forced rung of each family that has one.
pub fn with_forced(forced: &[ForcedRung]) -> Vec<(Family, &'static [Rung])> {
    let of = |family| forced.iter().find(move |forced| forced.family == family);
    let one = |(family, rungs): &(Family, &'static [Rung])| match of(*family) {
        Some(forced) => (*family, forced.rung),
        None => (*family, *rungs),
    };
    LADDER.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rung_is_forced_by_name_and_the_error_lists_what_there_is() {
        let forced: ForcedRung = "tasks=raw-tracepoint".parse().unwrap();
        for (family, rungs) in with_forced(&[forced]) {
            let names: Vec<&str> = rungs.iter().map(|rung| rung.name).collect();
            if family == Family::Tasks {
                assert_eq!(names, ["raw-tracepoint"]);
            } else {
                assert!(LADDER.contains(&(family, rungs)), "{names:?}");
            }
        }
        let none: ForcedRung = "oom=none".parse().unwrap();
        assert!(with_forced(&[none]).contains(&(Family::Oom, &[])));
        let error = |text: &str| text.parse::<ForcedRung>().unwrap_err();
        assert_eq!(error("tasks"), "not of the form FAMILY=RUNG");
        assert_eq!(
            error("forks=x"),
            "no probe family forks; allowed: writes, tasks, memory_events, oom, reclaim, \
             cgroup_life, space"
        );
        assert_eq!(
            error("tasks=fentry"),
            "tasks has no rung fentry; allowed: btf-tracepoint, raw-tracepoint, tracepoint, polling, none"
        );
    }

    #[test]
    fn rungs_of_a_family_have_names_of_their_own() {
        for (family, rungs) in LADDER {
            for (i, rung) in rungs.iter().enumerate() {
                let twice = rungs.iter().skip(i + 1).any(|other| other.name == rung.name);
                assert!(!twice, "{}: {}", family.name(), rung.name);
            }
        }
    }
}
