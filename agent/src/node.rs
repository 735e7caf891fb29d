//! This node as a configuration describes it: its samplers and its pods.

use std::path::Path;

use evictd_core::{NodeReclaim, Policy, Semantics};

use crate::{
    config::Config,
    pods::{CgroupTree, ManifestDirectory, PodIndex, PodSource},
    sample::{CgroupMounts, NodeSampler, NodeSources},
};

/// Everything that can be read of a node, opened once.
pub struct Node {
    /// The cgroup hierarchies.
    pub mounts: CgroupMounts,
    /// The signals.
    pub sampler: NodeSampler,
    /// The pods.
    pub index: PodIndex,
}

impl Node {
    /// Opens what `config` names.
    ///
    /// # Errors
    /// An [`InputError`](crate::config::InputError) for a manifest that cannot be used; else what
    /// this machine lacks.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        Self::with_pods(config, PodSource::Manifests(ManifestDirectory::new(config.pods.clone())))
    }

    /// As [`Self::open`], with pods from elsewhere.
    pub fn with_pods(config: &Config, source: PodSource) -> anyhow::Result<Self> {
        let mounts = CgroupMounts::detect(Path::new("/proc/mounts"))?;
        let mut layout = config.layout();
        let mut tree = CgroupTree::open(&mounts, &layout.pods_cgroup())?;
        layout.find_driver(&mut tree);
        let is_strict = config.policy.semantics == Semantics::Strict;
        let sources = NodeSources {
            proc: Path::new("/proc"),
            nodefs: &config.root_directory,
            imagefs: config.imagefs.as_deref(),
            containerfs: config.containerfs.as_deref(),
            logs: is_strict.then_some(config.pod_logs_dir.as_path()),
            memory: config.memory_source,
            pods_pids_limit: is_strict,
        };
        let sampler = NodeSampler::open(sources, &tree)?;
        let index = PodIndex::open(source, layout, config.protect.clone(), tree)?;
        Ok(Self { mounts, sampler, index })
    }

    /// The policy of `config` on this node: with its filesystems as they lie, and with something freed
    /// before a pod is evicted if there is `runtime` to free it.
    pub fn policy(config: &Config, sampler: &NodeSampler, runtime: bool) -> Policy {
        let node_reclaim = if runtime && config.reclaim.is_first {
            NodeReclaim::First
        } else {
            NodeReclaim::Never
        };
        let policy = Policy { layout: sampler.fs_layout(), node_reclaim, ..config.policy.clone() };
        match sampler.logfs() {
            Some(_) => policy.with_logs_apart(&config.eviction.maps),
            None => policy,
        }
    }
}
