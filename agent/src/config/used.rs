//! The configuration as used: checked, with defaults filled in.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use evictd_core::{Policy, Semantics, parse_duration};

use super::{
    EvictionSettings, InputError, MemorySource, Mode, NodeMarks, Protect,
    file::{File, Own},
    layers::Layers,
    place::Placed,
    policy::policy,
    reclaim::ReclaimSettings,
};
use crate::pods::{CgroupDriver, NodeLayout};
use crate::runtime::{Endpoint, EndpointError};

/// The kubelet's default of `imageMinimumGCAge` (T-23).
const USUAL_IMAGE_AGE: Duration = Duration::from_secs(120);
/// The kubelet's default of `maxPods`.
const USUAL_PODS: u32 = 110;

/// Everything the configuration decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether decisions are carried out.
    pub mode: Mode,
    /// Thresholds and how they are applied.
    pub policy: Policy,
    /// What the thresholds were made from.
    pub eviction: EvictionSettings,
    /// nodefs is the file system that holds it; volumes are below it.
    pub root_directory: PathBuf,
    /// A path on imagefs, if that is watched.
    pub imagefs: Option<PathBuf>,
    /// A path on containerfs, where a runtime tells it.
    pub containerfs: Option<PathBuf>,
    /// What `memory.available` is.
    pub memory_source: MemorySource,
    /// The directory of container logs.
    pub pod_logs_dir: PathBuf,
    /// The cgroup that holds `kubepods`, from the root of each hierarchy.
    pub cgroup_root: PathBuf,
    /// The directory of Pod manifests.
    pub pods: PathBuf,
    /// Pods that are never evicted.
    pub protect: Protect,
    /// What is written onto the Node object.
    pub node: NodeMarks,
    /// The runtime's socket, if one is named.
    pub runtime_endpoint: Option<Endpoint>,
    /// `imageMinimumGCAge`: images that came later stay (L-24).
    pub image_minimum_age: Duration,
    /// Whether and for how long the node frees something before a pod goes.
    pub reclaim: ReclaimSettings,
    /// How many pods the kubelet lets onto the node; the kernel's maps are sized for them.
    pub max_pods: u32,
}

impl Config {
    /// Where the kubelet has what belongs to pods; whose cgroup driver is [found](NodeLayout::find_driver)
    /// on the machine.
    pub fn layout(&self) -> NodeLayout {
        NodeLayout {
            root_directory: self.root_directory.clone(),
            pod_logs_dir: self.pod_logs_dir.clone(),
            cgroup_root: self.cgroup_root.clone(),
            driver: CgroupDriver::default(),
        }
    }

    /// Reads and checks the file at `path`: evictd's own, or a KubeletConfiguration.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        Self::of_file(File::read(path)?)
    }

    /// Checks `text`, calling it `path` in errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, InputError> {
        Self::of_file(File::parse(path, text)?)
    }

    fn of_file(file: File) -> Result<Self, InputError> {
        let (own, layers) = match file {
            File::Own(own, layer) => (*own, Layers { own: Some(layer), ..Layers::default() }),
            File::Kubelet(layer) => {
                (Own::default(), Layers { file: Some(layer), ..Layers::default() })
            }
        };
        Self::of(own, &layers, None)
    }

    /// Checks everything that was written. `semantics` wins over the file's.
    pub(super) fn of(
        own: Own,
        layers: &Layers,
        semantics: Option<Semantics>,
    ) -> Result<Self, InputError> {
        let written = own.semantics.map(Semantics::from);
        let eviction = layers.settings(semantics.or(written).unwrap_or_default());
        let memory_source = MemorySource::default_of(eviction.maps.semantics);
        let mut policy = policy(layers, &eviction, own.kubelet_margin)?;
        policy.log_writers = own.log_writers;
        let path = |field, path: Option<&Placed<PathBuf>>, default: &str| match path {
            Some(path) => absolute(field, path),
            None => Ok(default.into()),
        };
        let root_directory = layers.first(|layer| layer.root_directory.as_ref());
        let pod_logs_dir = layers.first(|layer| layer.pod_logs_dir.as_ref());
        let max_pods = layers.first(|layer| layer.max_pods.as_ref());
        let cgroup_root = layers.first(|layer| layer.cgroup_root.as_ref());
        Ok(Self {
            mode: own.mode.unwrap_or_default(),
            policy,
            eviction,
            root_directory: path("rootDirectory", root_directory, "/var/lib/kubelet")?,
            imagefs: own.imagefs.as_ref().map(|path| absolute("imagefs", path)).transpose()?,
            containerfs: None,
            memory_source: own.memory_source.unwrap_or(memory_source),
            pod_logs_dir: path("podLogsDir", pod_logs_dir, "/var/log/pods")?,
            cgroup_root: path("cgroupRoot", cgroup_root, "/")?,
            pods: path("pods", own.pods.as_ref(), "/etc/evictd/pods")?,
            protect: own.protect,
            node: own.node,
            runtime_endpoint: layers
                .first(|layer| layer.runtime_endpoint.as_ref())
                .map(endpoint)
                .transpose()?,
            image_minimum_age: layers
                .first(|layer| layer.image_minimum_age.as_ref())
                .map_or(Ok(USUAL_IMAGE_AGE), image_minimum_age)?,
            reclaim: own.reclaim,
            max_pods: max_pods.map_or(Ok(USUAL_PODS), |pods| {
                u32::try_from(pods.value).map_err(|_| {
                    let problem = format!("{} is negative", pods.value);
                    InputError::at(&pods.at, "maxPods", problem).allowed("a number of pods")
                })
            })?,
        })
    }
}

fn endpoint(written: &Placed<String>) -> Result<Endpoint, InputError> {
    written.value.parse().map_err(|error: EndpointError| {
        InputError::at(&written.at, "containerRuntimeEndpoint", error.to_string())
    })
}

/// Zero means the default, as in the kubelet.
fn image_minimum_age(written: &Placed<String>) -> Result<Duration, InputError> {
    let age = parse_duration(&written.value).map_err(|error| {
        InputError::at(&written.at, "imageMinimumGCAge", error.to_string())
            .allowed("a Go duration such as 90s, 2m")
    })?;
    Ok(if age.is_zero() { USUAL_IMAGE_AGE } else { age })
}

fn absolute(field: &str, path: &Placed<PathBuf>) -> Result<PathBuf, InputError> {
    if path.value.is_absolute() {
        return Ok(path.value.clone());
    }
    let problem = format!("`{}` is not an absolute path", path.value.display());
    Err(InputError::at(&path.at, field, problem).allowed("a path that starts with /"))
}

#[cfg(test)]
mod tests;
