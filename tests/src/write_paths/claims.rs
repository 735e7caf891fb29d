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
const FUNCTIONS: &[&str] = &["fexit", "kprobe"];

/// The table.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        measure: Measure::Bytes,
        rungs: TRACEPOINTS,
        filesystems: &[Place::Btrfs],
        paths: &[],
        unless_tracepoint: None,
        reason: "btrfs has no tracepoint that tells the bytes of a write",
    },
    Exception {
        measure: Measure::Space,
        rungs: &[],
        filesystems: &[Place::Btrfs],
        paths: &[],
        unless_tracepoint: None,
        reason: "btrfs has no tracepoint that tells blocks by file",
    },
    Exception {
        measure: Measure::Bytes,
        rungs: &[],
        filesystems: &[Place::Ext4, Place::Overlay, Place::Xfs, Place::Btrfs],
        paths: &[WritePath::Mmap],
        unless_tracepoint: None,
        reason: "a store is no call: its bytes pass no hook (its blocks do)",
    },
    Exception {
        measure: Measure::Bytes,
        rungs: FUNCTIONS,
        filesystems: &[Place::Ext4, Place::Overlay, Place::Xfs, Place::Btrfs],
        paths: &[WritePath::AioDirect, WritePath::IoUringDirect],
        unless_tracepoint: None,
        reason: "the hooked function returns before it knows how much will be written",
    },
    Exception {
        measure: Measure::Bytes,
        rungs: TRACEPOINTS,
        filesystems: &[Place::Ext4, Place::Overlay],
        paths: &[WritePath::Direct, WritePath::AioDirect, WritePath::IoUringDirect],
        unless_tracepoint: Some("iomap_dio_rw_begin"),
        reason: "this kernel has no tracepoint of direct I/O",
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
        let with = "0 t __traceiter_iomap_dio_rw_begin\n0 t next\n";
        let module = "0 t __traceiter_iomap_dio_rw_begin\t[iomap]\n";
        let without = "0 t __traceiter_iomap_dio_rw_begin_more\n";
        for (symbols, made) in [(with, true), (module, true), (without, false)] {
            let here = ClaimsHere { symbols: symbols.to_owned() };
            let makes =
                |filesystem, path| here.makes(Measure::Bytes, "raw-tracepoint", filesystem, path);
            assert_eq!(makes(Place::Ext4, WritePath::Direct), made, "{symbols}");
            assert!(makes(Place::Ext4, WritePath::Write) && makes(Place::Xfs, WritePath::Direct));
            assert!(!makes(Place::Ext4, WritePath::Mmap));
        }
    }
}
