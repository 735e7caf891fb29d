//! The control loop's dealings with the container runtime: what it is asked for, and what it tells.

use std::time::Duration;

use evictd_core::{MonoTime, Outcome, ReclaimStep, Signal};
use tokio::time::timeout;
use tracing::{info, warn};

use super::{
    daemon::Daemon,
    inbox::Wake,
    reclaim::{NodeReclaim, Request},
    record::{Record, WokenBy},
};
use crate::{
    clock::now,
    config::{Config, Mode},
    node::Node,
    runtime::{Reclaimed, RuntimeFilesystems, RuntimeThread, SOCKETS, Told},
    sample::Filesystem,
};

/// How long the start waits for a runtime's first word, so that probes are attached for imagefs too.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// What a runtime says at once: whether it is there, and where its files lie.
pub async fn first_word(thread: &mut RuntimeThread) -> Vec<Told> {
    let mut heard = Vec::new();
    let hear = async {
        while !matches!(heard.last(), Some(Told::Filesystems(_) | Told::Lost(_) | Told::Absent)) {
            heard.push(thread.told().await);
        }
    };
    // One that hangs is heard of later.
    let _ = timeout(FIRST_WORD, hear).await;
    heard
}

/// The configuration with imagefs and containerfs where the runtime says they are, unless it names an
/// imagefs itself.
pub fn with_filesystems(config: &Config, heard: &[Told]) -> Config {
    let mut config = config.clone();
    for told in heard {
        if let Told::Filesystems(RuntimeFilesystems { images, containers }) = told
            && config.imagefs.is_none()
            && [images, containers].into_iter().all(|path| Filesystem::open(path).is_ok())
        {
            config.imagefs = Some(images.clone());
            config.containerfs = Some(containers.clone());
        }
    }
    config
}

impl Daemon {
    /// Acts on what the runtime's thread tells.
    pub(super) fn hear(&mut self, told: Told, at: MonoTime) {
        match told {
            Told::Reached { endpoint, version } => {
                let detail = format!("{} {} at {endpoint}", version.name, version.version);
                info!("container runtime: {detail}");
                self.reclaims.reached(true);
                self.reporter.report(at, Record::Runtime { reached: true, detail });
                self.follow_runtime();
            }
            Told::Absent => {
                info!("no container runtime to reclaim through; looked for {}", SOCKETS.join(", "));
            }
            Told::Lost(detail) => {
                warn!("nothing is reclaimed through a container runtime: {detail}");
                self.reclaims.reached(false);
                self.reporter.report(at, Record::Runtime { reached: false, detail });
            }
            Told::Filesystems(filesystems) => self.take_filesystems(&filesystems, at),
            Told::Reclaimed(done) => self.take_reclaimed(*done, at),
        }
    }

    /// Puts the policy in force that this node's filesystems and runtime ask for, if it is another.
    fn follow_runtime(&mut self) {
        let Self { configuration, observer, evaluator, .. } = self;
        let (old, config) = (evaluator.policy(), configuration.in_force());
        // Once there was a runtime it is asked: that it is away only shortens the answer.
        let new = Node::policy(config, observer.sampler(), self.reclaims.was_reached());
        if (old.node_reclaim, old.layout) != (new.node_reclaim, new.layout) {
            evaluator.set_policy(new, now());
        }
    }

    fn take_filesystems(&mut self, filesystems: &RuntimeFilesystems, at: MonoTime) {
        let RuntimeFilesystems { images, containers } = filesystems;
        if self.configuration.in_force().imagefs.is_none()
            && let Err(error) = self.observer.set_images(images, containers)
        {
            warn!(
                "imagefs stays as it was: {} or {}, where the runtime keeps images and layers: {error}",
                images.display(),
                containers.display()
            );
        }
        self.follow_runtime();
        let layout = self.evaluator.policy().layout;
        let path = |path: &std::path::Path| path.display().to_string();
        let (images, containers) = (path(images), path(containers));
        self.reporter.report(at, Record::RuntimeFilesystems { images, containers, layout });
    }

    /// Notices filesystems that were mounted over those that are watched.
    pub(super) fn notice_mounts(&mut self) {
        if self.observer.notice_mounts() {
            self.follow_runtime();
        }
    }

    fn take_reclaimed(&mut self, done: Reclaimed, at: MonoTime) {
        let Some((signal, end)) = self.reclaims.done(&done, at) else { return };
        if let Some(problem) = &done.problem {
            warn!("reclaiming for {signal}: {problem}");
        }
        let seen = self.observer.sampler().signals(at).get(signal);
        let record = NodeReclaim {
            signal: signal.name(),
            mode: self.evictions.mode(),
            end,
            took_ms: u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX),
            freed: done.freed,
            available: seen.map(|seen| seen.available),
            problem: done.problem,
        };
        self.reporter.report(at, Record::NodeReclaim(Box::new(record)));
    }

    /// Carries out the command to free something first. Where the eviction does not wait for it, the evaluator is told
    /// at once.
    pub(super) fn reclaim(&mut self, signal: Signal, steps: &'static [ReclaimStep], at: MonoTime) {
        let config = self.configuration.in_force();
        let sampler = self.observer.sampler();
        let request = Request {
            signal,
            steps,
            policy: self.evaluator.policy(),
            signals: &self.observer.observation().signals,
            pods: &self.observer.observation().pods,
            path: sampler.filesystem_of(signal).map(|filesystem| filesystem.path().to_owned()),
            pod_logs_dir: config.pod_logs_dir.clone(),
            minimum_image_age: config.image_minimum_age,
            pretend: config.mode == Mode::Observe,
            settings: config.reclaim,
        };
        if self.reclaims.begin(request, at).is_some() {
            let freed_nothing = Outcome::Reclaimed { signals: None };
            self.evaluator.handle_outcome(&freed_nothing, now());
        }
    }

    /// Lets the eviction go on that waited for the runtime, once it has waited enough. True if it does.
    pub(super) fn settle_reclaim(&mut self, at: MonoTime) -> bool {
        if self.reclaims.next_check().is_none() {
            return false;
        }
        let signals = self.observer.sampler().signals(at);
        let Some(pods) = self.reclaims.settle(&signals, at) else { return false };
        self.observer.recall(pods);
        let signals = Some(Box::new(signals));
        self.evaluator.handle_outcome(&Outcome::Reclaimed { signals }, now());
        self.carry_out(Wake::by_clock(WokenBy::Look));
        self.evaluator.flush(self.observer.observation());
        true
    }
}
