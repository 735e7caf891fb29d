//! What is left, as the kubelet reckons it, and what has become of a container: looked at by a thread of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::fs::statvfs;

use super::Trouble;
use crate::clock::mono_ns;

const POLL: Duration = Duration::from_millis(5);

/// What the thread saw until the container had no process left.
pub(super) struct Seen {
    /// When the signal was first past its threshold.
    pub(super) crossed_ns: Option<u64>,
    /// The least that was left, bytes.
    pub(super) lowest: u64,
    /// When the container's last process was gone.
    pub(super) ended_ns: u64,
}

/// Looks until the container whose cgroup that is has ended.
pub(super) fn watch(
    trouble: Trouble,
    threshold_mib: u64,
    cgroup: PathBuf,
) -> Receiver<Result<Seen>> {
    let (sender, receiver) = mpsc::channel();
    // Nobody listens any more when the run has failed.
    thread::spawn(move || sender.send(look(trouble, threshold_mib << 20, &cgroup)));
    receiver
}

fn look(trouble: Trouble, threshold: u64, cgroup: &Path) -> Result<Seen> {
    let (mut crossed_ns, mut lowest) = (None, u64::MAX);
    while is_populated(cgroup) {
        let left = match trouble {
            Trouble::Memory => memory()?,
            Trouble::Log => disk()?,
        };
        lowest = lowest.min(left);
        if left < threshold && crossed_ns.is_none() {
            crossed_ns = Some(mono_ns());
        }
        thread::sleep(POLL);
    }
    Ok(Seen { crossed_ns, lowest, ended_ns: mono_ns() })
}

pub(super) fn is_populated(cgroup: &Path) -> bool {
    fs::read_to_string(cgroup.join("cgroup.events")).is_ok_and(|text| text.contains("populated 1"))
}

fn disk() -> Result<u64> {
    let fs = statvfs("/var/lib/kubelet")?;
    Ok(fs.f_bavail * fs.f_frsize)
}

/// All memory less the root cgroup's anonymous and file pages, of which the inactive files count as left.
fn memory() -> Result<u64> {
    let total = field(&fs::read_to_string("/proc/meminfo")?, "MemTotal:")? << 10;
    let stat = fs::read_to_string("/sys/fs/cgroup/memory.stat")?;
    let used = field(&stat, "anon")? + field(&stat, "file")?;
    Ok(total.saturating_sub(used.saturating_sub(field(&stat, "inactive_file")?)))
}

fn field(text: &str, name: &str) -> Result<u64> {
    let mut lines = text.lines().map(str::split_whitespace);
    let value = lines.find_map(|mut words| (words.next() == Some(name)).then(|| words.next())?);
    value.and_then(|value| value.parse().ok()).with_context(|| format!("no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_names() {
        let text = "inactive_file 1\nfile 22\nfile_mapped 3\n";
        assert_eq!(field(text, "file").unwrap(), 22);
        assert!(field(text, "anon").is_err());
    }
}
