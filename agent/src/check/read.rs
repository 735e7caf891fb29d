//! Reads the node part by part: what is missing takes its own signals with it and nothing else.

use std::{
    io,
    path::{Path, PathBuf},
};

use evictd_core::{Semantics, Signal};

use super::facts::{Images, NodeFacts, PodsCgroup};
use crate::{
    clock,
    config::{Config, ConfigKind},
    pods::CgroupTree,
    sample::{CgroupKind, CgroupMemory, CgroupMounts, Filesystem, NodeSampler, NodeSources},
};

/// Where runtimes keep images unless told otherwise: containerd, CRI-O.
const USUAL_IMAGES: [&str; 2] = ["/var/lib/containerd", "/var/lib/containers/storage"];

/// A path that is always there, sampled in the place of one that is not; the result is thrown away.
const STAND_IN: &str = "/";

const NODEFS: [Signal; 2] = [Signal::NodefsAvailable, Signal::NodefsInodesFree];
const LOGFS: [Signal; 2] = [Signal::LogfsAvailable, Signal::LogfsInodesFree];
const IMAGEFS: [Signal; 4] = [
    Signal::ImagefsAvailable,
    Signal::ImagefsInodesFree,
    Signal::ContainerfsAvailable,
    Signal::ContainerfsInodesFree,
];

/// Reads this node as `config` describes it; `images` is where images lie.
pub fn read(config: &Config, images: Option<&Path>) -> NodeFacts {
    let mut facts = NodeFacts { read: true, ..NodeFacts::default() };
    let nodefs = Filesystem::open(&config.root_directory);
    facts.images = find_images(config, images, nodefs.as_ref().ok());
    let (tree, no_cgroups) = cgroups(config, &mut facts);
    let Some(tree) = tree else {
        return NodeFacts::unread(&no_cgroups.unwrap_or_default());
    };
    let imagefs = watched_images(config, &facts).map(|path| (Filesystem::open(&path), path));
    let sources = NodeSources {
        proc: Path::new("/proc"),
        nodefs: if nodefs.is_ok() { &config.root_directory } else { Path::new(STAND_IN) },
        imagefs: imagefs
            .as_ref()
            .filter(|(opened, _)| opened.is_ok())
            .map(|(_, path)| path.as_path()),
        containerfs: None,
        logs: (config.policy.semantics == Semantics::Strict).then_some(&config.pod_logs_dir),
        memory: config.memory_source,
        pods_pids_limit: config.policy.semantics == Semantics::Strict,
    };
    match NodeSampler::open(sources, &tree) {
        Ok(sampler) => facts.signals = sampler.signals(clock::now()),
        Err(error) => {
            Signal::ALL.into_iter().for_each(|signal| facts.forget(signal, error.to_string()));
            return facts;
        }
    }
    explain_disks(
        &mut facts,
        &NODEFS,
        nodefs.as_ref().err(),
        "rootDirectory",
        &config.root_directory,
    );
    match imagefs {
        Some((opened, path)) => {
            explain_disks(&mut facts, &IMAGEFS, opened.as_ref().err(), "imagefs", &path);
        }
        None => IMAGEFS.into_iter().for_each(|signal| facts.forget(signal, no_images(config))),
    }
    if let Some(reason) = no_cgroups.or_else(|| look_at_pods(&tree, &mut facts)) {
        facts.forget(Signal::AllocatableMemoryAvailable, reason);
    }
    if facts.seen(Signal::LogfsAvailable).is_none() {
        LOGFS.into_iter().for_each(|signal| {
            facts.forget(signal, "container logs do not lie apart from rootDirectory");
        });
    }
    for signal in Signal::ALL {
        if facts.seen(signal).is_none() && facts.reason(signal).is_none() {
            facts.forget(signal, "nothing on this node tells");
        }
    }
    facts
}

/// evictd watches imagefs where it is named; the kubelet always does (S-10).
fn watched_images(config: &Config, facts: &NodeFacts) -> Option<PathBuf> {
    match config.eviction.kind {
        ConfigKind::Evictd => config.imagefs.clone(),
        ConfigKind::Kubelet => facts.images.as_ref().map(|images| images.path.clone()),
    }
}

fn no_images(config: &Config) -> &'static str {
    match config.eviction.kind {
        ConfigKind::Evictd => "`imagefs` is not configured",
        ConfigKind::Kubelet => {
            "a KubeletConfiguration does not say where images are; --images does"
        }
    }
}

fn find_images(
    config: &Config,
    argument: Option<&Path>,
    nodefs: Option<&Filesystem>,
) -> Option<Images> {
    let named = argument.or(config.imagefs.as_deref());
    let usual = USUAL_IMAGES.into_iter().map(Path::new).find(|path| path.is_dir());
    let path = named.or(usual)?.to_owned();
    let own = Filesystem::open(&path).ok().zip(nodefs);
    let own_disk = own.map(|(images, nodefs)| images.dev() != nodefs.dev());
    Some(Images { path, own_disk, named: named.is_some() })
}

/// The cgroup hierarchies; where they cannot be used, none of them and why.
fn cgroups(config: &Config, facts: &mut NodeFacts) -> (Option<CgroupTree>, Option<String>) {
    const NONE: CgroupMounts = CgroupMounts {
        kind: CgroupKind::V2,
        unified: None,
        memory: None,
        pids: None,
        freezer: None,
    };
    let mut layout = config.layout();
    let pods = layout.pods_cgroup();
    let detected = CgroupMounts::detect(Path::new("/proc/mounts"));
    facts.cgroups = detected.as_ref().ok().map(|mounts| mounts.kind);
    let opened = detected
        .map_err(|e| e.to_string())
        .and_then(|mounts| CgroupTree::open(&mounts, &pods).map_err(|e| e.to_string()));
    match opened {
        Ok(mut tree) => {
            layout.find_driver(&mut tree);
            (Some(tree), None)
        }
        Err(reason) => (CgroupTree::open(&NONE, &pods).ok(), Some(reason)),
    }
}

/// Says why nothing is known of `allocatableMemory.available`, if so.
fn look_at_pods(tree: &CgroupTree, facts: &mut NodeFacts) -> Option<String> {
    let path = format!("/{}", tree.pods_path().to_string_lossy());
    if tree.pods_inode().is_none() {
        facts.pods_cgroup = PodsCgroup::Missing;
        return Some(format!("there is no cgroup {path}"));
    }
    let memory = CgroupMemory::open(&tree.open_pods());
    facts.pods_cgroup = match &memory {
        Err(_) => PodsCgroup::NotRead,
        Ok(memory) if memory.limit().is_none() => PodsCgroup::Unlimited,
        Ok(_) => PodsCgroup::Limited,
    };
    if facts.seen(Signal::AllocatableMemoryAvailable).is_some() {
        return None;
    }
    Some(match memory {
        Err(error) => format!("the memory of cgroup {path} cannot be read: {error}"),
        Ok(_) => format!("cgroup {path} has no memory limit"),
    })
}

/// Says why signals of a filesystem are unknown, if they are.
fn explain_disks(
    facts: &mut NodeFacts,
    signals: &[Signal],
    error: Option<&io::Error>,
    field: &str,
    path: &Path,
) {
    let path = path.display();
    for &signal in signals {
        match error {
            Some(error) => facts.forget(signal, format!("{field} {path}: {error}")),
            None if facts.seen(signal).is_none() => {
                facts.forget(signal, format!("the filesystem of {path} does not count them"));
            }
            None => {}
        }
    }
}
