//! What a walk of one pod's directories found.

use std::{
    ffi::CStr,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use evictd_core::{ContainerStats, DiskUsage, FsStats, PodSpec, PodStats, Quantity, VolumeStats};

use super::{
    counted::{ByPart, Seen, Tally},
    deleted,
    naming::{Naming, Unnamed},
};
use crate::{
    pods::{EmptyDir, LogDir},
    sample::DiskWalk,
};

/// A pod that limits its storage and writes is walked at least this often, however far it is from its
/// limits. (The kubelet does it every 10 s, on figures of 60 s and more.)
const WALK_WRITERS: Duration = Duration::from_secs(10);

/// The same where nothing was seen written: not every way to write is counted.
const WALK_ANYWAY: Duration = Duration::from_secs(60);

/// A walk on whose figures there is doubt is done again, at the earliest after this time; where the doubt
/// is only that others freed files that nobody is known to own, after the longer one.
const WALK_DOUBTFUL: Duration = Duration::from_secs(10);

/// So much of doubt is let be, beside a hundredth of the usage.
const DOUBT: u64 = 1 << 20;

/// The last walk of one pod.
#[derive(Clone, Debug)]
pub(super) struct Walked {
    /// Everything in its log directory.
    pub(super) logs: Option<DiskUsage>,
    /// Its emptyDir volumes on disk.
    pub(super) volumes: Option<DiskUsage>,
    /// Inodes, where they were counted later than that.
    pub(super) inodes: ByPart<Option<u64>>,
    /// What had been counted by then.
    pub(super) at: ByPart<Tally>,
    pub(super) seen: Seen,
    /// The parts of which blocks are counted from there on.
    pub(super) exact: ByPart<bool>,
    /// Why not, where the filesystem would allow it.
    pub(super) unnamed: Option<Unnamed>,
    /// Files that were named to the kernel.
    pub(super) files: usize,
    /// Blocks that changed hands while it was walked.
    pub(super) slack: u64,
    /// Bytes freed by anybody, of files without a known owner, by then.
    pub(super) strays: u64,
    pub(super) begun: Instant,
    /// Walks of the pod away from decisions.
    pub(super) walks: u64,
    /// For pods that limit their storage.
    limits: Option<Limits>,
    /// The limits are those of an earlier walk.
    is_stale: bool,
}

/// How a pod stands to its limits of local storage.
#[derive(Clone, Debug)]
struct Limits {
    stats: Arc<PodStats>,
    /// Bytes left to the nearest limit.
    headroom: u64,
}

/// What is measured of a pod one by one.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) logs: Option<DiskUsage>,
    /// In the order of the pod's log directories.
    log_dirs: Vec<DiskUsage>,
    /// In the order of the pod's emptyDirs.
    empty_dirs: Vec<Option<DiskUsage>>,
    /// Files without a name.
    pub(super) deleted: DiskUsage,
}

/// Where a pod's files are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) logs_root: &'a CStr,
    pub(super) log_dirs: &'a [LogDir],
    pub(super) empty_dirs: &'a [EmptyDir],
    /// Its cgroup and the kernel's number of nodefs, where files without a name are looked for.
    pub(super) deleted: Option<(&'a OwnedFd, u32)>,
}

impl Parts {
    /// Measures logs and volumes within one walk, naming what it finds. Allocates nothing once it is as
    /// large as it gets, unless it looks for files without a name.
    pub(super) fn measure(
        &mut self,
        walk: &mut DiskWalk,
        place: Place<'_>,
        mut naming: Option<&mut Naming<'_>>,
    ) {
        let Place { logs_root, log_dirs, empty_dirs, deleted } = place;
        let mut walk = walk.begin();
        self.log_dirs.clear();
        self.log_dirs.resize(log_dirs.len(), DiskUsage::default());
        let each = &mut self.log_dirs;
        let each = |inode, usage| {
            if let Some(at) = log_dirs.iter().position(|log| log.inode == inode) {
                each[at] = usage;
            }
        };
        self.logs = walk.contents(logs_root, each, |found| {
            if let Some(naming) = &mut naming {
                naming.log(found);
            }
        });
        self.empty_dirs.clear();
        for dir in empty_dirs {
            self.empty_dirs.push(walk.tree_seen(&dir.path, |found| {
                if let Some(naming) = &mut naming {
                    naming.volume(found);
                }
            }));
        }
        let held = deleted.map(|(cgroup, dev)| deleted::held(cgroup, dev, &mut walk, naming));
        self.deleted = held.unwrap_or_default();
    }

    /// The sum over emptyDirs on disk and files without a name; `None` if one is unknown.
    pub(super) fn volumes(&self, empty_dirs: &[EmptyDir]) -> Option<DiskUsage> {
        let on_disk = empty_dirs.iter().zip(&self.empty_dirs).filter(|(dir, _)| dir.on_disk);
        on_disk.map(|(_, usage)| *usage).try_fold(self.deleted, |sum, usage| {
            let usage = usage?;
            let bytes = sum.bytes.saturating_add(usage.bytes);
            Some(DiskUsage { bytes, inodes: sum.inodes.saturating_add(usage.inodes) })
        })
    }

    /// Whether nothing is missing.
    pub(super) fn is_whole(&self, empty_dirs: &[EmptyDir]) -> bool {
        self.logs.is_some() && self.volumes(empty_dirs).is_some()
    }

    /// As the kubelet's summary has it (S-19); writable layers are the runtime's and not known. A sum
    /// of which a part is unknown is the sum of the rest, so that nobody is over a limit by guess.
    fn stats(&self, log_dirs: &[LogDir], empty_dirs: &[EmptyDir]) -> PodStats {
        let fs =
            |usage: DiskUsage| FsStats { used: Some(usage.bytes), inodes_used: Some(usage.inodes) };
        let known = |usage| if self.logs.is_some() { fs(usage) } else { FsStats::default() };
        let containers = log_dirs.iter().zip(&self.log_dirs).map(|(log, usage)| ContainerStats {
            name: log.container.clone(),
            memory_working_set: None,
            rootfs: FsStats::default(),
            logs: known(*usage),
        });
        let volumes = empty_dirs.iter().zip(&self.empty_dirs).filter_map(|(dir, usage)| {
            Some(VolumeStats { name: dir.volume.clone(), fs: fs((*usage)?) })
        });
        let on_disk = empty_dirs.iter().zip(&self.empty_dirs).filter(|(dir, _)| dir.on_disk);
        let held = on_disk.filter_map(|(_, usage)| *usage).chain(self.logs);
        let used = held.map(|usage| usage.bytes).reduce(u64::saturating_add);
        PodStats {
            ephemeral_storage_used: used,
            containers: containers.collect(),
            volumes: volumes.collect(),
            ..PodStats::default()
        }
    }
}

/// The pod that was walked, as it was then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) spec: &'a PodSpec,
    pub(super) log_dirs: &'a [LogDir],
    pub(super) empty_dirs: &'a [EmptyDir],
}

/// What goes with a walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    pub(super) at: ByPart<Tally>,
    pub(super) seen: Seen,
    pub(super) exact: ByPart<bool>,
    pub(super) unnamed: Option<Unnamed>,
    pub(super) files: usize,
    pub(super) slack: u64,
    pub(super) strays: u64,
    pub(super) begun: Instant,
}

impl Circumstances {
    /// Of a walk after which bytes written are to be counted.
    pub(super) fn inexact(at: ByPart<Tally>, seen: Seen) -> Self {
        let begun = Instant::now();
        let exact = ByPart::default();
        Self { at, seen, exact, unnamed: None, files: 0, slack: 0, strays: 0, begun }
    }
}

impl Walked {
    pub(super) fn new(parts: &Parts, subject: Subject<'_>, circumstances: Circumstances) -> Self {
        let Subject { spec, log_dirs, empty_dirs } = subject;
        let limits = spec.limits_storage().then(|| {
            let stats = Arc::new(parts.stats(log_dirs, empty_dirs));
            Limits { headroom: headroom(spec, &stats), stats }
        });
        let mut walked = Self { limits, is_stale: false, ..Self::never() };
        walked.take(parts, empty_dirs, circumstances);
        walked
    }

    /// Nothing is known yet.
    pub(super) fn never() -> Self {
        let (logs, volumes, limits) = (None, None, None);
        let Circumstances { at, seen, exact, unnamed, files, slack, strays, begun } =
            Circumstances::inexact(ByPart::default(), Seen::default());
        Self {
            logs,
            volumes,
            inodes: ByPart::default(),
            at,
            seen,
            exact,
            unnamed,
            files,
            slack,
            strays,
            begun,
            walks: 0,
            limits,
            is_stale: true,
        }
    }

    fn take(&mut self, parts: &Parts, empty_dirs: &[EmptyDir], circumstances: Circumstances) {
        self.logs = parts.logs;
        self.volumes = parts.volumes(empty_dirs);
        self.inodes = ByPart::default();
        let Circumstances { at, seen, exact, unnamed, files, slack, strays, begun } = circumstances;
        (self.at, self.seen, self.exact, self.unnamed) = (at, seen, exact, unnamed);
        (self.files, self.slack, self.strays, self.begun) = (files, slack, strays, begun);
    }

    /// Takes in a walk on the way to a decision. How the pod stands to its limits is left as it was, since
    /// telling that allocates.
    pub(super) fn renew(&mut self, parts: &Parts, subject: Subject<'_>, now: Circumstances) {
        self.take(parts, subject.empty_dirs, now);
        self.is_stale = subject.spec.limits_storage();
    }

    /// For a pod that limits its storage.
    pub(super) fn stats(&self) -> Option<&Arc<PodStats>> {
        self.limits.as_ref().filter(|_| !self.is_stale).map(|limits| &limits.stats)
    }

    /// Blocks of all its parts are counted: it need not be walked again to be ranked.
    pub(super) const fn is_exact(&self) -> bool {
        self.exact.logs && self.exact.volumes
    }

    /// Nothing was too large to walk.
    pub(super) const fn is_whole(&self) -> bool {
        self.logs.is_some() && self.volumes.is_some()
    }

    /// Bytes in all, as far as they are known.
    pub(super) fn used(&self) -> u64 {
        [self.logs, self.volumes].into_iter().flatten().map(|usage| usage.bytes).sum()
    }

    pub(super) const fn limits_storage(&self) -> bool {
        self.limits.is_some()
    }

    /// Time to walk a pod again of whose limits the nearest may be met.
    pub(super) fn is_due(&self, now: ByPart<Tally>, counts: bool, at: Instant) -> bool {
        let since = if self.is_exact() {
            Since::Blocks { grown: now.grown_since(self.at), changed: now.changed_since(self.at) }
        } else if counts {
            Since::Written(now.written_since(self.at))
        } else {
            Since::Unknown
        };
        self.is_near_a_limit(since, at)
    }

    fn is_near_a_limit(&self, since: Since, at: Instant) -> bool {
        if self.is_stale {
            return true;
        }
        let Some(limits) = &self.limits else {
            return false;
        };
        let age = at.saturating_duration_since(self.begun);
        let half = limits.headroom.div_ceil(2);
        match since {
            Since::Unknown => age >= WALK_WRITERS,
            Since::Written(0) => age >= WALK_ANYWAY,
            Since::Written(bytes) => bytes >= half || age >= WALK_WRITERS,
            // No way to take blocks goes uncounted.
            Since::Blocks { grown, changed } => {
                grown >= half.max(1) || (changed > 0 && age >= WALK_ANYWAY)
            }
        }
    }

    /// Time to walk a pod again because its account may be off: files changed while it was walked, or were
    /// freed that the kernel did not know whose they are. `strays`: bytes so freed on the filesystem of its
    /// logs since, by anybody.
    pub(super) fn is_doubtful(&self, now: ByPart<Tally>, strays: u64, at: Instant) -> bool {
        let age = at.saturating_duration_since(self.begun);
        let used = |usage: Option<DiskUsage>| usage.map_or(0, |usage| usage.bytes);
        let own = now.volumes.space.stray.saturating_sub(self.at.volumes.space.stray);
        // Logs are freed by the runtime and the kubelet.
        let others = strays.saturating_sub(own).min(used(self.logs));
        let bearable = (used(self.logs) + used(self.volumes)) / 100 + DOUBT;
        let is_off = |doubt: u64, patience| doubt > bearable && age >= patience;
        is_off(own.saturating_add(self.slack), WALK_DOUBTFUL) || is_off(others, WALK_ANYWAY)
    }
}

/// What is known to have happened since a walk, bytes.
#[derive(Clone, Copy, Debug)]
enum Since {
    Unknown,
    Written(u64),
    Blocks { grown: u64, changed: u64 },
}

/// Bytes left until the first of the pod's limits is exceeded.
fn headroom(spec: &PodSpec, stats: &PodStats) -> u64 {
    let bytes = |limit: Quantity| u64::try_from(limit.value()).unwrap_or_default();
    let volumes = spec.volumes().iter().filter_map(|volume| {
        let limit = volume.size_limit.filter(|limit| limit.signum() > 0)?;
        let held = stats.volumes.iter().find(|held| held.name == volume.name)?;
        Some(bytes(limit).saturating_sub(held.fs.used?))
    });
    let containers = spec.containers().iter().filter_map(|container| {
        let limit = container.limits.ephemeral_storage.filter(|limit| !limit.is_zero())?;
        let held = stats.containers.iter().find(|held| held.name == container.name)?;
        Some(bytes(limit).saturating_sub(held.logs.used?))
    });
    let pod = spec
        .ephemeral_storage_limit()
        .map(|limit| bytes(limit).saturating_sub(stats.ephemeral_storage_used.unwrap_or_default()));
    volumes.chain(containers).chain(pod).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{ffi::CString, fs, os::unix::ffi::OsStrExt, path::Path};

    use evictd_core::{Container, Format, PodSpecParts, ResourceList, Volume, VolumeKind};

    use super::*;

    fn c(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).expect("no NUL")
    }

    fn mib(n: i64) -> Option<Quantity> {
        Some(Quantity::new(n << 20, Format::BinarySi))
    }

    fn spec(container: i64, volume: i64) -> PodSpec {
        let limits = ResourceList { ephemeral_storage: mib(container), ..ResourceList::default() };
        PodSpec::new(PodSpecParts {
            containers: vec![Container {
                name: "c".into(),
                requests: limits,
                limits,
                is_sidecar: false,
            }],
            volumes: vec![Volume {
                name: "data".into(),
                kind: VolumeKind::EmptyDir,
                size_limit: mib(volume),
            }],
            ..PodSpecParts::default()
        })
    }

    #[test]
    fn each_log_and_volume_is_told_by_its_name() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (logs, data) = (dir.path().join("logs"), dir.path().join("data"));
        for path in [logs.join("c"), data.clone()] {
            fs::create_dir_all(path).expect("mkdir");
        }
        fs::write(logs.join("c/0.log"), vec![1; 300_000]).expect("write");
        fs::write(data.join("file"), vec![1; 500_000]).expect("write");
        let inode = rustix::fs::stat(logs.join("c")).expect("stat").st_ino;
        let log_dirs = [LogDir { container: "c".into(), dev: 0, inode }];
        let data = EmptyDir { volume: "data".into(), path: c(&data), on_disk: true };
        let gone = EmptyDir { volume: "gone".into(), path: c(dir.path()), on_disk: false };
        let empty_dirs = [data, gone];
        let mut parts = Parts::default();
        let logs_root = c(&logs);
        let place = Place {
            logs_root: &logs_root,
            log_dirs: &log_dirs,
            empty_dirs: &empty_dirs,
            deleted: None,
        };
        parts.measure(&mut DiskWalk::default(), place, None);
        let stats = parts.stats(&log_dirs, &empty_dirs);
        let [container] = &stats.containers[..] else { panic!("{stats:?}") };
        let held = container.logs.used.expect("known");
        assert!((300_000..310_000).contains(&held), "without its directory: {held}");
        assert_eq!(container.rootfs, FsStats::default(), "not known here");
        assert_eq!(stats.volumes[0].name, "data".into());
        let used = stats.ephemeral_storage_used.expect("known");
        assert!((800_000..840_000).contains(&used), "what is in memory is no disk: {used}");
    }

    #[test]
    fn a_pod_is_walked_again_the_sooner_the_nearer_it_is_to_a_limit() {
        let usage = |mib: u64| DiskUsage { bytes: mib << 20, inodes: 1 };
        let parts = Parts {
            logs: Some(usage(2)),
            log_dirs: vec![usage(2)],
            empty_dirs: vec![Some(usage(30))],
            deleted: DiskUsage::default(),
        };
        let log_dirs = [LogDir { container: "c".into(), dev: 0, inode: 1 }];
        let empty_dirs = [EmptyDir { volume: "data".into(), path: c"/x".into(), on_disk: true }];
        let begun = Instant::now();
        let walked = |spec: &PodSpec| {
            let subject = Subject { spec, log_dirs: &log_dirs, empty_dirs: &empty_dirs };
            let at = Circumstances::inexact(ByPart::default(), Seen::default());
            Walked::new(&parts, subject, Circumstances { begun, ..at })
        };
        let written = |mib: u64| Since::Written(mib << 20);
        let blocks = |grown: u64, changed: u64| Since::Blocks { grown: grown << 20, changed };
        // Limits of the container (so of the pod too) and the volume in MiB, what happened since, seconds.
        let cases = [
            ("far away", 100, 100, written(10), 1, false),
            ("half the way to the pod's", 100, 100, written(34), 1, true),
            ("half the way to the volume's", 100, 40, written(5), 1, true),
            ("over already", 10, 10, written(1), 1, true),
            ("quiet", 10, 10, written(0), 11, false),
            ("quiet for long", 100, 100, written(0), 60, true),
            ("a little, for a while", 100, 100, written(1), 10, true),
            ("not counted", 100, 100, Since::Unknown, 9, false),
            ("not counted, for a while", 100, 100, Since::Unknown, 10, true),
            ("blocks, far away", 100, 100, blocks(10, 10 << 20), 59, false),
            ("blocks, half the way", 100, 100, blocks(34, 34 << 20), 1, true),
            ("blocks, nothing changed", 10, 10, blocks(0, 0), 3600, false),
            ("blocks given back", 100, 100, blocks(0, 1), 60, true),
        ];
        for (name, container, volume, since, seconds, due) in cases {
            let now = begun + Duration::from_secs(seconds);
            let walked = walked(&spec(container, volume));
            assert_eq!(walked.is_near_a_limit(since, now), due, "{name}");
        }
        let unlimited = walked(&PodSpec::new(PodSpecParts::default()));
        assert!(unlimited.stats().is_none());
        assert!(!unlimited.is_near_a_limit(written(1 << 40), begun + Duration::from_secs(3600)));
    }

    #[test]
    fn a_walk_is_doubted_when_files_change_meanwhile_or_are_freed_unknown() {
        let mib = |n: u64| n << 20;
        let usage = |n: u64| Some(DiskUsage { bytes: mib(n), inodes: 1 });
        let begun = Instant::now();
        // MiB: slack of the walk, freed unknown by the pod, by anybody; seconds since.
        let cases = [
            ("nothing", 0, 0, 0, 3600, false),
            ("changed a little meanwhile", 2, 0, 0, 3600, false),
            ("changed meanwhile", 4, 0, 0, 10, true),
            ("not again at once", 4, 0, 0, 9, false),
            ("freed unknown by itself", 0, 4, 4, 10, true),
            ("by others, maybe a log", 0, 0, 4, 59, false),
            ("by others, maybe a log, later", 0, 0, 4, 60, true),
        ];
        for (name, slack, own, strays, seconds, doubtful) in cases {
            let walked = Walked {
                logs: usage(50),
                volumes: usage(150),
                begun,
                slack: mib(slack),
                ..Walked::never()
            };
            let mut now = ByPart::<Tally>::default();
            now.volumes.space.stray = mib(own);
            let at = begun + Duration::from_secs(seconds);
            assert_eq!(walked.is_doubtful(now, mib(strays), at), doubtful, "{name}");
        }
        // Without logs, what others free is nothing to it.
        let walked = Walked { volumes: usage(150), begun, ..Walked::never() };
        let later = begun + Duration::from_secs(3600);
        assert!(!walked.is_doubtful(ByPart::default(), mib(1000), later));
    }
}
