//! What each rung claims: to count every path on every filesystem within 2 %, but for the
//! exceptions listed here. `docs/write-paths.md` and the test of it follow this table.

use std::fs;

use super::{finding::Measure, path::WritePath, place::Place};

/// Some cells of the table that are not claimed, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Exception {
    /// What is counted.
    pub measure: Measure,
    /// Rungs; none named is all.
    pub rungs: &'static [&'static str],
    /// Filesystems; none named is all.
    pub filesystems: &'static [Place],
    /// Paths; none named is all.
    pub paths: &'static [WritePath],
    /// A kernel that has this tracepoint makes the claim all the same.
    pub unless_tracepoint: Option<&'static str>,
    /// Why.
    pub reason: &'static str,
}

const TRACEPOINTS: &[&str] = &["btf-tracepoint", "raw-tracepoint"];
const DIRECT: &[WritePath] = &[WritePath::Direct, WritePath::AioDirect, WritePath::IoUringDirect];

/// The table.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        measure: Measure::Bytes,
        rungs: &["dirty-folio", "raw-dirty-folio"],
        filesystems: &[Place::Ext4, Place::Overlay, Place::Xfs, Place::Btrfs],
        paths: &[],
        unless_tracepoint: None,
        reason: "folios count whole, once until they are written back, and direct I/O makes none dirty",
    },
    Exception {
        measure: Measure::Bytes,
        rungs: &["tracepoint"],
        filesystems: &[Place::Btrfs],
        paths: &[],
        unless_tracepoint: None,
        reason: "what its tracepoints tell must be read in its structs",
    },
    Exception {
        measure: Measure::Bytes,
        rungs: &["tracepoint"],
        filesystems: &[Place::Ext4, Place::Overlay, Place::Xfs],
        paths: &[WritePath::Mmap, WritePath::MmapAgain],
        unless_tracepoint: None,
        reason: "a store is no call: its bytes pass no hook (its blocks do)",
    },
    Exception {
        measure: Measure::Bytes,
        rungs: &["tracepoint"],
        filesystems: &[Place::Xfs],
        paths: &[WritePath::IoUringDirect],
        unless_tracepoint: None,
        reason: "a write that would wait is told, refused, and told again when it is tried once more",
    },
    Exception {
        measure: Measure::Bytes,
        rungs: &["tracepoint"],
        filesystems: &[Place::Ext4, Place::Overlay],
        paths: DIRECT,
        unless_tracepoint: None,
        reason: "direct I/O is told in structs alone",
    },
    Exception {
        measure: Measure::Bytes,
        rungs: TRACEPOINTS,
        filesystems: &[Place::Ext4, Place::Overlay, Place::Btrfs],
        paths: DIRECT,
        unless_tracepoint: Some("iomap_iter"),
        reason: "this kernel has no tracepoint of direct I/O",
    },
    Exception {
        measure: Measure::Bytes,
        rungs: &["fexit"],
        filesystems: &[Place::Ext4, Place::Overlay, Place::Xfs, Place::Btrfs],
        paths: &[WritePath::AioDirect, WritePath::IoUringDirect],
        unless_tracepoint: Some("iomap_iter"),
        reason: "the hooked function returns before it knows how much will be written",
    },
];

impl Exception {
    fn is_about(&self, measure: Measure, rung: &str, filesystem: Place, path: WritePath) -> bool {
        fn among<T: PartialEq>(named: &[T], one: &T) -> bool {
            named.is_empty() || named.contains(one)
        }
        self.measure == measure
            && among(self.rungs, &rung)
            && among(self.filesystems, &filesystem)
            && among(self.paths, &path)
    }
}

/// The exception that a cell falls under; `None` if it is claimed on every kernel.
pub fn exception(
    measure: Measure,
    rung: &str,
    filesystem: Place,
    path: WritePath,
) -> Option<&'static Exception> {
    EXCEPTIONS.iter().find(|exception| exception.is_about(measure, rung, filesystem, path))
}

/// The claims as they are on the running kernel.
#[derive(Debug)]
pub struct ClaimsHere {
    symbols: String,
}

impl ClaimsHere {
    /// Reads which tracepoints the kernel has.
    pub fn read() -> std::io::Result<Self> {
        Ok(Self { symbols: fs::read_to_string("/proc/kallsyms")? })
    }

    /// Whether a rung claims a cell here.
    pub fn makes(&self, measure: Measure, rung: &str, filesystem: Place, path: WritePath) -> bool {
        exception(measure, rung, filesystem, path).is_none_or(|exception| {
            exception.unless_tracepoint.is_some_and(|name| self.has_tracepoint(name))
        })
    }

    fn has_tracepoint(&self, name: &str) -> bool {
        let symbol = format!(" __traceiter_{name}");
        self.symbols
            .lines()
            .any(|line| line.split('\t').next().is_some_and(|start| start.ends_with(&symbol)))
    }
}

#[cfg(test)]
mod tests {
    use evictd::probe::LADDER;

    use super::*;

    #[test]
    fn exceptions_name_rungs_that_there_are_and_are_all_of_use() {
        for exception in EXCEPTIONS {
            let family = exception.measure.family();
            let (_, rungs) = LADDER.iter().find(|(known, _)| *known == family).unwrap();
            for name in exception.rungs {
                assert!(rungs.iter().any(|rung| rung.name == *name), "{name}: {exception:?}");
            }
            let falls_under = rungs.iter().any(|rung| {
                Place::ALL.iter().any(|place| {
                    WritePath::ALL.iter().any(|path| {
                        self::exception(exception.measure, rung.name, *place, *path)
                            == Some(exception)
                    })
                })
            });
            assert!(falls_under, "earlier ones hide {exception:?}");
        }
    }

    #[test]
    fn a_claim_may_hang_on_a_tracepoint() {
        let with = "0 t __traceiter_iomap_iter\n0 t next\n";
        let module = "0 t __traceiter_iomap_iter\t[iomap]\n";
        let without = "0 t __traceiter_iomap_iter_dstmap\n";
        for (symbols, made) in [(with, true), (module, true), (without, false)] {
            let here = ClaimsHere { symbols: symbols.to_owned() };
            let makes =
                |filesystem, path| here.makes(Measure::Bytes, "raw-tracepoint", filesystem, path);
            assert_eq!(makes(Place::Ext4, WritePath::Direct), made, "{symbols}");
            assert!(makes(Place::Ext4, WritePath::Write) && makes(Place::Xfs, WritePath::Direct));
            assert!(!here.makes(Measure::Bytes, "dirty-folio", Place::Ext4, WritePath::Write));
        }
    }
}
