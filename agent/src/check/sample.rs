//! A made-up node for the tests: 16 GiB of memory, a disk of 100 GiB, 32768 tasks, a pods cgroup with
//! a limit of 8 GiB; half of everything is left. Images are not found.

use std::{
    fs,
    path::{Path, PathBuf},
};

use evictd_core::{EvictionMaps, Policy, Signal, SignalObservation};

use super::{
    beside::Beside,
    facts::{Images, NodeFacts, PodsCgroup},
    findings::Finding,
    in_force::{InForce, in_force},
    places::Places,
    report::Report,
};
use crate::{
    config::{Config, Sources, WrittenSemantics},
    sample::CgroupKind,
};

/// A configuration on the made-up node.
pub struct Case {
    pub text: String,
    pub config: Config,
    pub facts: NodeFacts,
    pub beside: Beside,
}

const GIB: i64 = 1 << 30;

impl Case {
    /// evictd's configuration.
    pub fn evictd(text: &str) -> Self {
        let config = Config::parse(Path::new("c.yaml"), text).unwrap_or_else(|e| panic!("{e}"));
        Self { text: text.to_owned(), config, facts: node(), beside: Beside::Nobody }
    }

    /// A KubeletConfiguration, with these fields, in kubelet semantics.
    pub fn kubelet(fields: &str) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("c.yaml");
        let head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
        let text = format!("{head}{fields}");
        fs::write(&file, &text).expect("write");
        let semantics = Some(WrittenSemantics::Kubelet);
        let args = Sources { config: Some(file), semantics, ..Sources::default() };
        let config = args.read().unwrap_or_else(|e| panic!("{e}"));
        Self { text, config, facts: node(), beside: Beside::Nobody }
    }

    /// Images are known to be on their own disk or not.
    pub fn images(mut self, own_disk: Option<bool>) -> Self {
        let path = PathBuf::from("/images");
        self.facts.images = Some(Images { path, own_disk, named: true });
        for signal in [Signal::ImagefsAvailable, Signal::ContainerfsAvailable] {
            self.see(signal, 50 * GIB, 100 * GIB);
        }
        for signal in [Signal::ImagefsInodesFree, Signal::ContainerfsInodesFree] {
            self.see(signal, 3_276_800, 6_553_600);
        }
        self.config.imagefs = Some("/images".into());
        self
    }

    /// Changes the node.
    pub fn node(mut self, change: impl FnOnce(&mut NodeFacts)) -> Self {
        change(&mut self.facts);
        self
    }

    /// Changes a signal.
    pub fn with(mut self, signal: Signal, available: i64, capacity: i64) -> Self {
        self.see(signal, available, capacity);
        self
    }

    /// Changes the maps and makes the policy anew.
    pub fn maps(mut self, change: impl FnOnce(&mut EvictionMaps)) -> Self {
        change(&mut self.config.eviction.maps);
        let thresholds = Policy::parse(&self.config.eviction.maps).expect("valid").thresholds;
        self.config.policy.thresholds = thresholds;
        self
    }

    /// A kubelet with these hard thresholds is on the node.
    pub fn beside(mut self, text: &str) -> Self {
        let path = PathBuf::from("kubelet.yaml");
        let config = Self::kubelet(text).config;
        self.beside = Beside::Kubelet { path, config: Box::new(config) };
        self
    }

    fn see(&mut self, signal: Signal, available: i64, capacity: i64) {
        let seen = SignalObservation { available, capacity, at: None };
        self.facts.signals.set(signal, Some(seen));
    }

    pub fn rows(&self) -> Vec<InForce> {
        in_force(&self.config, &self.facts)
    }

    pub fn findings(&self) -> Vec<Finding> {
        self.asked(|report| report.findings.clone())
    }

    /// Asks the whole report.
    pub fn asked<T>(&self, ask: impl FnOnce(&Report<'_>) -> T) -> T {
        let file = Path::new("c.yaml");
        let places = Places::parse(file, &self.text, &self.config.eviction);
        ask(&Report::new(file, &self.config, &self.facts, &self.beside, &places))
    }
}

fn node() -> NodeFacts {
    let cgroups = Some(CgroupKind::V2);
    let pods_cgroup = PodsCgroup::Limited;
    let mut facts = NodeFacts { read: true, cgroups, pods_cgroup, ..NodeFacts::default() };
    for (signal, capacity) in [
        (Signal::MemoryAvailable, 16 * GIB),
        (Signal::AllocatableMemoryAvailable, 8 * GIB),
        (Signal::NodefsAvailable, 100 * GIB),
        (Signal::NodefsInodesFree, 6_553_600),
        (Signal::PidAvailable, 32_768),
    ] {
        let seen = SignalObservation { available: capacity / 2, capacity, at: None };
        facts.signals.set(signal, Some(seen));
    }
    for signal in [
        Signal::ImagefsAvailable,
        Signal::ImagefsInodesFree,
        Signal::ContainerfsAvailable,
        Signal::ContainerfsInodesFree,
    ] {
        facts.forget(signal, "`imagefs` is not configured");
    }
    facts
}
