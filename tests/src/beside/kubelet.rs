//! The real kubelet: its configuration, its process, and what it says that it does.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};

use super::{AUTHORITY, CLUSTER_FILES, KUBECONFIG, NODE, Trouble};
use crate::clock::mono_ns;

const CONFIG: &str = "/etc/kubelet.yaml";
const LOG: &str = "/tmp/kubelet.log";
/// Where it answers.
pub(super) const URL: &str = "https://127.0.0.1:10250";
/// Its certificate, which it has signed itself.
pub(super) const CERTIFICATE: &str = "/var/lib/kubelet/pki/kubelet.crt";
/// What it logs as it evicts a pod.
const EVICTING: &str = "\"Evicting pod\"";
const DAY_NS: u64 = 86_400_000_000_000;

/// A running kubelet. Killed on drop.
#[derive(Debug)]
pub struct Kubelet(Child);

impl Kubelet {
    /// Starts it at that runtime.
    pub fn start(runtime: &Path) -> Result<Self> {
        fs::write(CONFIG, configuration(runtime)).context(CONFIG)?;
        let log = File::create(LOG).context(LOG)?;
        let child = Command::new("kubelet")
            .arg(format!("--config={CONFIG}"))
            .arg(format!("--kubeconfig={CLUSTER_FILES}/{KUBECONFIG}"))
            .arg(format!("--hostname-override={NODE}"))
            .args(["--node-ip=10.0.2.15", "--root-dir=/var/lib/kubelet", "--v=3"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting the kubelet")?;
        Ok(Self(child))
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(LOG).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// When it decided to evict that pod, on the clock of [`mono_ns`]: once a time that it did.
    pub(super) fn evictions(&self, uid: &str) -> Result<Vec<u64>> {
        let text = fs::read_to_string(LOG).context(LOG)?;
        let lines = text.lines().filter(|line| line.contains(EVICTING) && line.contains(uid));
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let of_day = u64::try_from(now.as_nanos() % u128::from(DAY_NS))?;
        let mono = mono_ns();
        let when = |line: &str| Some(mono - (of_day + DAY_NS - time_of_day(line)?) % DAY_NS);
        lines.map(|line| when(line).with_context(|| line.to_owned())).collect()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        // Both fail only if it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nanoseconds since midnight in a line such as `I1123 14:28:56.959932     456 eviction_manager.go:622] …`.
fn time_of_day(line: &str) -> Option<u64> {
    let (clock, micros) = line.split_whitespace().nth(1)?.split_once('.')?;
    let seconds =
        clock.split(':').try_fold(0, |sum, part| Some(sum * 60 + part.parse::<u64>().ok()?));
    Some(seconds? * 1_000_000_000 + micros.parse::<u64>().ok()? * 1000)
}

fn configuration(runtime: &Path) -> String {
    let runtime: PathBuf = runtime.to_owned();
    let (memory, disk) =
        (Trouble::Memory.kubelet_threshold_mib(), Trouble::Log.kubelet_threshold_mib());
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: false}}
  x509: {{clientCAFile: {CLUSTER_FILES}/{AUTHORITY}}}
authorization: {{mode: AlwaysAllow}}
address: 127.0.0.1
healthzPort: 0
cgroupDriver: cgroupfs
makeIPTablesUtilChains: false
containerRuntimeEndpoint: unix://{}
evictionHard:
  memory.available: {memory}Mi
  nodefs.available: {disk}Mi
evictionPressureTransitionPeriod: 10s
# Rotation would hide how full the log makes the disk.
containerLogMaxSize: 1Gi
",
        runtime.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_line_is_read() {
        let line = "I1123 01:02:03.000004     456 eviction_manager.go:622] \"Evicting pod\"";
        assert_eq!(time_of_day(line), Some(3_723_000_004_000));
        assert_eq!(time_of_day("no line of klog"), None);
    }
}
