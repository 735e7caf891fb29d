//! One run: a pod goes wrong, somebody evicts it, and then everybody is watched for a minute.

use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;

use super::{Cluster, Kubelet, Trouble, cluster::rest, evictd::Evictd, gauge, status::Status};
use crate::{
    clock::{mono_ns, ms_between},
    containerd::Cri,
    record::{Eviction, Record},
};

const PATIENCE: Duration = Duration::from_secs(240);
/// How long everybody is watched after the eviction.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// What happened. Times are milliseconds after the signal was past the threshold of the one who is to act.
#[derive(Debug, Serialize)]
pub struct Run {
    /// Of [`Trouble::name`].
    pub trouble: &'static str,
    /// Whether evictd was there.
    pub evictd: bool,
    /// That threshold: with evictd the kubelet's and the margin. MiB.
    pub threshold_mib: u64,
    /// The least that was left, MiB.
    pub lowest_mib: f64,
    /// When the one who evicted chose the pod.
    pub decided_ms: f64,
    /// When the container had no process left.
    pub ended_ms: f64,
    /// When the API had the pod as failed.
    pub told_ms: f64,
    /// `status.message` at the end.
    pub message: String,
    /// How often the kubelet decided to evict the pod.
    pub kubelet_evictions: usize,
    /// How often evictd had to kill it again.
    pub killed_again: usize,
    /// How often it was no more Failed: the kubelet had taken the status back.
    pub taken_back: usize,
    /// Containers that were started after the eviction.
    pub restarted: usize,
    /// How fast evictd said that the container writes its log, bytes per second.
    pub log_writer: Option<u64>,
    /// The status as it changed, from the eviction on.
    pub statuses: Vec<Status>,
    /// What is not as it must be.
    pub wrong: Vec<String>,
}

/// Runs it, with evictd or with the kubelet alone.
pub fn run(
    trouble: Trouble,
    with_evictd: bool,
    cluster: &Cluster,
    kubelet: &Kubelet,
    cri: &mut Cri,
) -> Result<Run> {
    let evictd = with_evictd.then(Evictd::start).transpose()?;
    let name = format!("{}-{}", trouble.name(), if with_evictd { "evictd" } else { "kubelet" });
    let pod = cluster.create(&name, trouble.workload())?;
    let uid = pod.metadata.uid.clone().context("a pod without UID")?;
    let changes = cluster.changes(&pod)?;
    let cgroup = wait_running(&changes, &uid)?;
    let threshold_mib = trouble.threshold_mib(with_evictd);
    let seen = gauge::watch(trouble, threshold_mib, cgroup).recv_timeout(PATIENCE);
    let seen = seen.context("nobody evicts the pod")??;
    let crossed = seen.crossed_ns.context("the pod ended before the threshold was met")?;
    let started = cri.containers()?.len();

    let mut statuses = Vec::new();
    let until = Instant::now() + AFTERWARDS;
    loop {
        match changes.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((at, pod)) => statuses.push(Status::of(&pod, ms_between(crossed, at))),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => bail!("the watch of the pod has ended"),
        }
    }
    let records = evictd.as_ref().map(Evictd::records).transpose()?.unwrap_or_default();
    let kubelet_evictions = kubelet.evictions(&uid)?;
    let own = records.iter().find_map(|record| eviction_of(record, &uid));
    let decided = own.map(|own| own.decided_ns).or(kubelet_evictions.first().copied());
    let last = cluster.pod(&name)?;
    let told = statuses.iter().find(|status| status.phase == "Failed");
    let mut run = Run {
        trouble: trouble.name(),
        evictd: with_evictd,
        threshold_mib,
        lowest_mib: mib(seen.lowest),
        decided_ms: ms_between(crossed, decided.context("nobody says that it evicted the pod")?),
        ended_ms: ms_between(crossed, seen.ended_ns),
        told_ms: told.context("the API never had the pod as failed")?.at_ms,
        message: last.status.as_ref().and_then(|s| s.message.clone()).unwrap_or_default(),
        kubelet_evictions: kubelet_evictions.len(),
        killed_again: records.iter().filter(|r| matches!(r, Record::KilledAgain { .. })).count(),
        taken_back: 0,
        restarted: cri.containers()?.len().saturating_sub(started),
        log_writer: records.iter().find_map(|record| log_writer(record, &uid)),
        statuses,
        wrong: Vec::new(),
    };
    run.judge(&Status::of(&last, ms_between(crossed, mono_ns())), own, trouble);
    cluster.remove(&name)?;
    drop(evictd);
    Ok(run)
}

impl Run {
    fn judge(&mut self, last: &Status, own: Option<&Eviction>, trouble: Trouble) {
        let theirs = usize::from(!self.evictd);
        self.must(last.phase == "Failed", || format!("the pod ends as {}", last.phase));
        let reason = last.reason.as_deref();
        self.must(reason == Some("Evicted"), || format!("the pod's reason ends as {reason:?}"));
        let target = last.disruption.as_deref();
        let by_kubelet = target == Some("TerminationByKubelet");
        self.must(by_kubelet, || format!("DisruptionTarget ends as {target:?}"));
        let count = self.kubelet_evictions;
        self.must(count == theirs, || format!("the kubelet evicted the pod {count} times"));
        let phases = self.statuses.windows(2).map(|two| (&*two[0].phase, &*two[1].phase));
        self.taken_back =
            phases.filter(|(before, after)| *before == "Failed" && *after != "Failed").count();
        if let Some(own) = own {
            let kept = self.message == own.message;
            self.must(kept, || format!("evictd's message was {:?}", own.message));
            let named = self.log_writer.is_some() == (trouble == Trouble::Log);
            self.must(named, || {
                "the writer of the log is not named, or somebody else is".to_owned()
            });
        } else {
            self.must(!self.evictd, || "evictd did not evict the pod".to_owned());
        }
    }

    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }

    /// The message with its figures left out. evictd's is the kubelet's; of a disk it does not say which container
    /// uses how much, which the kubelet adds at the end.
    pub fn message_shape(&self) -> String {
        let figure = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
        let words = self.message.split(' ').map(|word| if figure(word) { "N" } else { word });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Waits for the pod's container; gives its cgroup.
fn wait_running(changes: &Receiver<(u64, Pod)>, uid: &str) -> Result<PathBuf> {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let (_, pod) = changes.recv_timeout(left).context("the pod does not run")?;
        let container = pod.status.and_then(|status| status.container_statuses?.into_iter().next());
        if let Some(container) = container
            && container.state.is_some_and(|state| state.running.is_some())
            && let Some(id) = container.container_id
        {
            let id = id.trim_start_matches("containerd://");
            return Ok(format!("/sys/fs/cgroup/kubepods/besteffort/pod{uid}/{id}").into());
        }
    }
}

/// Waits until `holds`.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !holds()? {
        if Instant::now() > until {
            bail!("in vain waited for {what}");
        }
        rest();
    }
    Ok(())
}

fn eviction_of<'a>(record: &'a Record, uid: &str) -> Option<&'a Eviction> {
    if let Record::Eviction(eviction) = record {
        Some(eviction).filter(|e| e.uid == uid)
    } else {
        None
    }
}

fn log_writer(record: &Record, uid: &str) -> Option<u64> {
    if let Record::LogWriter(writer) = record {
        (writer.uid == uid && writer.container == "main").then_some(writer.rate_bytes_per_second)
    } else {
        None
    }
}

#[expect(clippy::cast_precision_loss, reason = "MiB with a few decimals")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
