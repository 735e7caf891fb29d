//! What a walk of one pod's directories found.

use std::{
    ffi::CStr,
    sync::Arc,
    time::{Duration, Instant},
};

use evictd_core::{ContainerStats, DiskUsage, FsStats, PodSpec, PodStats, Quantity, VolumeStats};

use super::written::Written;
use crate::{
    pods::{EmptyDir, LogDir},
    sample::DiskWalk,
};

/// A pod that limits its storage and writes is walked at least this often, however far it is from its
/// limits. (The kubelet does it every 10 s, on figures of 60 s and more.)
const WALK_WRITERS: Duration = Duration::from_secs(10);

/// The same where nothing was seen written: not every way to write is counted.
const WALK_ANYWAY: Duration = Duration::from_secs(60);

/// The last walk of one pod.
#[derive(Clone, Debug)]
pub(super) struct Walked {
    /// Everything in its log directory.
    pub(super) logs: Option<DiskUsage>,
    /// Its emptyDir volumes on disk.
    pub(super) volumes: Option<DiskUsage>,
    /// What had been written before.
    pub(super) at: Written,
    pub(super) counted: u64,
    pub(super) begun: Instant,
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
}

impl Parts {
    /// Measures logs and volumes within one walk. Allocates nothing once it is as large as it gets.
    pub(super) fn measure(
        &mut self,
        walk: &mut DiskWalk,
        logs_root: &CStr,
        log_dirs: &[LogDir],
        empty_dirs: &[EmptyDir],
    ) {
        let mut walk = walk.begin();
        self.log_dirs.clear();
        self.log_dirs.resize(log_dirs.len(), DiskUsage::default());
        let each = &mut self.log_dirs;
        self.logs = walk.contents(logs_root, |inode, usage| {
            if let Some(at) = log_dirs.iter().position(|log| log.inode == inode) {
                each[at] = usage;
            }
        });
        self.empty_dirs.clear();
        self.empty_dirs.extend(empty_dirs.iter().map(|dir| walk.tree(&dir.path)));
    }

    /// The sum over emptyDirs on disk; `None` if one is unknown.
    pub(super) fn volumes(&self, empty_dirs: &[EmptyDir]) -> Option<DiskUsage> {
        let on_disk = empty_dirs.iter().zip(&self.empty_dirs).filter(|(dir, _)| dir.on_disk);
        on_disk.map(|(_, usage)| *usage).try_fold(DiskUsage::default(), |sum, usage| {
            let usage = usage?;
            let bytes = sum.bytes.saturating_add(usage.bytes);
            Some(DiskUsage { bytes, inodes: sum.inodes.saturating_add(usage.inodes) })
        })
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

impl Walked {
    pub(super) fn new(
        parts: &Parts,
        subject: Subject<'_>,
        at: Written,
        counted: u64,
        begun: Instant,
    ) -> Self {
        let Subject { spec, log_dirs, empty_dirs } = subject;
        let limits = spec.limits_storage().then(|| {
            let stats = Arc::new(parts.stats(log_dirs, empty_dirs));
            Limits { headroom: headroom(spec, &stats), stats }
        });
        let (logs, volumes) = (parts.logs, parts.volumes(empty_dirs));
        Self { logs, volumes, at, counted, begun, limits, is_stale: false }
    }

    /// Nothing is known yet.
    pub(super) fn never() -> Self {
        let at = Written::default();
        let (logs, volumes, limits) = (None, None, None);
        Self { logs, volumes, at, counted: 0, begun: Instant::now(), limits, is_stale: true }
    }

    /// Takes in a walk on the way to a decision. How the pod stands to its limits is left as it was, since
    /// telling that allocates.
    pub(super) fn renew(&mut self, parts: &Parts, subject: Subject<'_>, at: Written, counted: u64) {
        self.logs = parts.logs;
        self.volumes = parts.volumes(subject.empty_dirs);
        (self.at, self.counted, self.begun) = (at, counted, Instant::now());
        self.is_stale = subject.spec.limits_storage();
    }

    /// For a pod that limits its storage.
    pub(super) fn stats(&self) -> Option<&Arc<PodStats>> {
        self.limits.as_ref().filter(|_| !self.is_stale).map(|limits| &limits.stats)
    }

    /// Time to walk a pod again that limits its storage and has written so much since; `None` where
    /// writes are not counted.
    pub(super) fn is_due(&self, since: Option<u64>, now: Instant) -> bool {
        if self.is_stale {
            return true;
        }
        let Some(limits) = &self.limits else {
            return false;
        };
        let age = now.saturating_duration_since(self.begun);
        match since {
            None => age >= WALK_WRITERS,
            Some(0) => age >= WALK_ANYWAY,
            Some(since) => since >= limits.headroom.div_ceil(2) || age >= WALK_WRITERS,
        }
    }
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
        parts.measure(&mut DiskWalk::default(), &c(&logs), &log_dirs, &empty_dirs);
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
        };
        let log_dirs = [LogDir { container: "c".into(), dev: 0, inode: 1 }];
        let empty_dirs = [EmptyDir { volume: "data".into(), path: c"/x".into(), on_disk: true }];
        let begun = Instant::now();
        let walked = |spec: &PodSpec| {
            let subject = Subject { spec, log_dirs: &log_dirs, empty_dirs: &empty_dirs };
            Walked::new(&parts, subject, Written::default(), 0, begun)
        };
        // Limits of the container (so of the pod too) and the volume in MiB, MiB written since, seconds.
        let cases = [
            ("far away", 100, 100, Some(10), 1, false),
            ("half the way to the pod's", 100, 100, Some(34), 1, true),
            ("half the way to the volume's", 100, 40, Some(5), 1, true),
            ("over already", 10, 10, Some(1), 1, true),
            ("quiet", 10, 10, Some(0), 11, false),
            ("quiet for long", 100, 100, Some(0), 60, true),
            ("a little, for a while", 100, 100, Some(1), 10, true),
            ("not counted", 100, 100, None, 9, false),
            ("not counted, for a while", 100, 100, None, 10, true),
        ];
        for (name, container, volume, since, seconds, due) in cases {
            let now = begun + Duration::from_secs(seconds);
            let walked = walked(&spec(container, volume));
            assert_eq!(walked.is_due(since.map(|mib: u64| mib << 20), now), due, "{name}");
        }
        let unlimited = walked(&PodSpec::new(PodSpecParts::default()));
        assert!(unlimited.stats().is_none());
        assert!(!unlimited.is_due(Some(u64::MAX), begun + Duration::from_secs(3600)));
    }
}
