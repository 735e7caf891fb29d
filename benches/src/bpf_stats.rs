//! Has the kernel measure the run time of BPF programs, for as long as the value lives.

use std::fs;

use anyhow::{Context as _, Result};

const SYSCTL: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Puts the setting back on drop.
#[derive(Debug)]
pub(crate) struct BpfStats {
    before: String,
}

impl BpfStats {
    pub(crate) fn enable() -> Result<Self> {
        let before = fs::read_to_string(SYSCTL).with_context(|| format!("reading {SYSCTL}"))?;
        fs::write(SYSCTL, "1").with_context(|| format!("writing {SYSCTL}"))?;
        Ok(Self { before })
    }
}

impl Drop for BpfStats {
    fn drop(&mut self) {
        if let Err(e) = fs::write(SYSCTL, self.before.trim()) {
            eprintln!("{SYSCTL} stays 1, it was {}: {e}", self.before.trim());
        }
    }
}
