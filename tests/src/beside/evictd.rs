//! evictd as it runs beside the kubelet: its thresholds are the kubelet's own, raised by the margin.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{CLUSTER_FILES, KUBECONFIG, NODE, kubelet};
use crate::record::Record;

/// With the kubelet's notion of memory both go by the same figure.
const CONFIGURATION: &str = "mode: enforce
rootDirectory: /var/lib/kubelet
kubeletMargin: 10%
memorySource: kubelet
logWriters: {action: report, horizon: 10m, minimumRate: 500k}
";
const CONFIG: &str = "/etc/evictd.yaml";
const RECORDS: &str = "/tmp/evictd.jsonl";
const LOG: &str = "/tmp/evictd.log";
const STATE: &str = "/run/evictd-state";
/// In it, what the kubelet said that it is configured by.
const CONFIGZ: &str = "/run/evictd-state/kubelet/configz.yaml";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running evictd. Ended on drop.
pub(super) struct Evictd(Child);

impl Evictd {
    /// Starts it and waits until it watches, by the kubelet's thresholds.
    pub(super) fn start() -> Result<Self> {
        fs::write(CONFIG, CONFIGURATION).context(CONFIG)?;
        let asked_before = Path::new(CONFIGZ).exists();
        let is_ready = |record: &Record| {
            if asked_before {
                matches!(record, Record::Started(_))
            } else {
                matches!(record, Record::Config { outcome, .. } if outcome == "applied")
            }
        };
        let child = Command::new("evictd")
            .args(["run", "--config", CONFIG])
            .args(["--kubelet-url", kubelet::URL, "--kubelet-ca", kubelet::CERTIFICATE])
            .arg(format!("--kubeconfig={CLUSTER_FILES}/{KUBECONFIG}"))
            .args(["--node-name", NODE, "--state-dir", STATE])
            .stdin(Stdio::null())
            .stdout(File::create(RECORDS).context(RECORDS)?)
            .stderr(File::create(LOG).context(LOG)?)
            .spawn()
            .context("starting evictd")?;
        let mut evictd = Self(child);
        let until = Instant::now() + PATIENCE;
        while !evictd.records()?.iter().any(is_ready) {
            if let Some(status) = evictd.0.try_wait()? {
                bail!("evictd ended with {status}:\n{}", fs::read_to_string(LOG)?);
            }
            if Instant::now() > until {
                bail!("evictd does not start:\n{}", fs::read_to_string(LOG)?);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(evictd)
    }

    /// Everything that it has said. Its last line may be half written.
    pub(super) fn records(&self) -> Result<Vec<Record>> {
        let text = fs::read_to_string(RECORDS).context(RECORDS)?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
            .collect()
    }
}

impl Drop for Evictd {
    fn drop(&mut self) {
        // Fails only if it has already ended.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}
