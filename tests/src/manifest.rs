//! A pod of the sandbox, and its manifest as an ordinary Pod in YAML.

use std::{fmt::Write as _, fs};

use anyhow::{Context as _, Result};

/// Quality of service class; decides where the pod's cgroup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    /// Requests equal limits.
    Guaranteed,
    /// Some requests.
    Burstable,
    /// No requests of cpu and memory.
    BestEffort,
}

/// What a pod is, whatever its UID.
#[derive(Clone, Debug)]
pub struct PodSpec {
    /// Namespace.
    pub namespace: &'static str,
    /// Name.
    pub name: &'static str,
    /// Quality of service class.
    pub qos: Qos,
    /// `spec.priority`.
    pub priority: i32,
    /// Memory request, MiB; ignored for best effort.
    pub memory_mib: u64,
    /// Request of ephemeral-storage, MiB.
    pub disk_mib: u64,
    /// What its main container does, as arguments of `evictd-workload`.
    pub work: &'static [&'static str],
    /// Has an emptyDir, and its main container writes into it.
    pub empty_dir: bool,
    /// What it may hold of local storage.
    pub limits: StorageLimits,
    /// Comes from a file on the node, not from the API server.
    pub is_static: bool,
}

/// Limits of local storage in MiB; 0 is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct StorageLimits {
    /// `sizeLimit` of its emptyDir.
    pub volume: u64,
    /// Limit of `ephemeral-storage` of its container `app`.
    pub app: u64,
    /// The same of `worker`.
    pub worker: u64,
}

impl StorageLimits {
    /// No limits.
    pub const NONE: Self = Self { volume: 0, app: 0, worker: 0 };
}

/// A pod's identity: a pod that is made again has another.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `metadata.uid`.
    pub uid: String,
    /// Id of the container `app`, which runs from the start.
    pub app: String,
    /// Id of the container `worker`, which may go wrong later.
    pub worker: String,
}

impl Identity {
    /// A new one.
    pub fn random() -> Result<Self> {
        let container = || anyhow::Ok([random_uuid()?, random_uuid()?].concat().replace('-', ""));
        Ok(Self { uid: random_uuid()?, app: container()?, worker: container()? })
    }
}

/// The annotation of a static pod.
const STATIC: &str = "  annotations: {kubernetes.io/config.source: file}\n";

fn random_uuid() -> Result<String> {
    let path = "/proc/sys/kernel/random/uuid";
    Ok(fs::read_to_string(path).context(path)?.trim().to_owned())
}

impl Qos {
    /// The kubelet's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }

    /// The cgroup below `kubepods`; guaranteed pods are directly in it.
    pub const fn cgroup(self) -> Option<&'static str> {
        match self {
            Self::Guaranteed => None,
            Self::Burstable => Some("burstable"),
            Self::BestEffort => Some("besteffort"),
        }
    }
}

impl PodSpec {
    /// `namespace/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The pod's manifest.
    pub fn manifest(&self, identity: &Identity) -> String {
        let Identity { uid, app, worker } = identity;
        let source = if self.is_static { STATIC } else { "" };
        let mut text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  namespace: {}\n  name: {}\n  uid: {uid}\n{source}spec:\n  \
             priority: {}\n  terminationGracePeriodSeconds: 30\n  containers:\n",
            self.namespace, self.name, self.priority
        );
        self.push_container(&mut text, "app", self.limits.app);
        if self.qos != Qos::Guaranteed && self.limits.worker == 0 {
            text.push_str("    - name: worker\n      image: example.org/worker:1\n");
        } else {
            self.push_container(&mut text, "worker", self.limits.worker);
        }
        if self.empty_dir {
            let limit = match self.limits.volume {
                0 => String::new(),
                mib => format!("sizeLimit: {mib}Mi"),
            };
            let _ = write!(text, "  volumes:\n    - name: data\n      emptyDir: {{{limit}}}\n");
        }
        let _ = write!(
            text,
            "status:\n  phase: Running\n  qosClass: {}\n  containerStatuses:\n",
            self.qos.name()
        );
        for (name, id) in [("app", app), ("worker", worker)] {
            let _ = write!(
                text,
                "    - name: {name}\n      containerID: containerd://{id}\n      image: example.org/{name}:1\n      \
                 imageID: \"\"\n      ready: true\n      restartCount: 0\n"
            );
        }
        text
    }

    /// A container with the requests (on a guaranteed pod each has half of the memory).
    fn push_container(&self, text: &mut String, name: &str, disk_limit: u64) {
        let guaranteed = self.qos == Qos::Guaranteed;
        let share = if guaranteed { 2 } else { 1 };
        let disk = format!("ephemeral-storage: {}Mi", self.disk_mib / share);
        let compute = format!("cpu: 50m, memory: {}Mi", self.memory_mib / share);
        let requests = match self.qos {
            Qos::BestEffort => disk,
            Qos::Guaranteed | Qos::Burstable => format!("{compute}, {disk}"),
        };
        let _ = write!(
            text,
            "    - name: {name}\n      image: example.org/{name}:1\n      resources:\n        \
             requests: {{{requests}}}\n"
        );
        let disk_limit = (disk_limit > 0).then(|| format!("ephemeral-storage: {disk_limit}Mi"));
        let limits: Vec<_> = guaranteed.then_some(compute).into_iter().chain(disk_limit).collect();
        if !limits.is_empty() {
            let _ = writeln!(text, "        limits: {{{}}}", limits.join(", "));
        }
        if self.empty_dir {
            text.push_str("      volumeMounts: [{name: data, mountPath: /data}]\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_an_ordinary_pod() {
        let spec = PodSpec {
            namespace: "shop",
            name: "cart",
            qos: Qos::Burstable,
            priority: 7,
            memory_mib: 32,
            disk_mib: 64,
            work: &[],
            empty_dir: true,
            limits: StorageLimits::NONE,
            is_static: false,
        };
        let identity = Identity { uid: "u-1".into(), app: "a1".into(), worker: "b2".into() };
        let expected = "\
apiVersion: v1
kind: Pod
metadata:
  namespace: shop
  name: cart
  uid: u-1
spec:
  priority: 7
  terminationGracePeriodSeconds: 30
  containers:
    - name: app
      image: example.org/app:1
      resources:
        requests: {cpu: 50m, memory: 32Mi, ephemeral-storage: 64Mi}
      volumeMounts: [{name: data, mountPath: /data}]
    - name: worker
      image: example.org/worker:1
  volumes:
    - name: data
      emptyDir: {}
status:
  phase: Running
  qosClass: Burstable
  containerStatuses:
    - name: app
      containerID: containerd://a1
      image: example.org/app:1
      imageID: \"\"
      ready: true
      restartCount: 0
    - name: worker
      containerID: containerd://b2
      image: example.org/worker:1
      imageID: \"\"
      ready: true
      restartCount: 0
";
        assert_eq!(spec.manifest(&identity), expected);
    }
}
