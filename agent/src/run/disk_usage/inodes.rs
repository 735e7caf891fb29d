//! Inodes of this moment. Blocks and bytes written are counted by the kernel's probes from a pod's walk on, and
//! inodes are not: before pods are ranked for them they are counted again.

use std::time::Instant;

use super::{DiskUsages, UNKNOWN_WALKS, counted::ByPart};
use crate::{
    pods::{Pod, PodIndex},
    sample::DiskWalk,
};

/// What a count came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    inodes: u64,
    /// Nothing was left out.
    is_whole: bool,
}

impl DiskUsages {
    /// Counts the inodes of every pod, one pod no longer than a walk on the way to a decision may take, and all of
    /// them no longer than such walks may take while something is unknown: a decision that is late is better than
    /// one that takes the wrong pod. A tree that is too large for that has at least what was counted, and at least what
    /// was known of it.
    pub fn count_inodes(&mut self, index: &PodIndex) {
        let begin = Instant::now();
        for pod in index.iter() {
            if begin.elapsed() > self.time.max(UNKNOWN_WALKS) {
                return;
            }
            let Some(walked) = self.walked.get_mut(&pod.facts().id.uid) else { continue };
            let counted = count(&mut self.walk, pod);
            self.walks.deciding += 1;
            let logs = walked.inodes.logs.or(walked.logs.map(|usage| usage.inodes));
            let volumes = walked.inodes.volumes.or(walked.volumes.map(|usage| usage.inodes));
            walked.inodes = ByPart {
                logs: Some(at_least(counted.logs, logs)),
                volumes: Some(at_least(counted.volumes, volumes)),
            };
        }
    }
}

fn at_least(count: Count, known: Option<u64>) -> u64 {
    if count.is_whole { count.inodes } else { count.inodes.max(known.unwrap_or_default()) }
}

/// Allocates nothing but for files with several names.
fn count(walk: &mut DiskWalk, pod: &Pod) -> ByPart<Count> {
    let mut walk = walk.begin();
    let mut inodes = 0;
    let is_whole = walk.contents(pod.logs_root(), |_, _| (), |_| inodes += 1).is_some();
    let logs = Count { inodes, is_whole };
    let mut volumes = Count { inodes: 0, is_whole: true };
    for dir in pod.empty_dirs().iter().filter(|dir| dir.on_disk) {
        let seen = walk.tree_seen(&dir.path, |_| volumes.inodes += 1);
        volumes.is_whole &= seen.is_some();
    }
    ByPart { logs, volumes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_was_cut_short_is_a_least() {
        let cases = [
            ("whole, fewer than before", (5, true), Some(9), 5),
            ("whole, nothing known", (5, true), None, 5),
            ("cut short, more was known", (5, false), Some(9), 9),
            ("cut short, more was counted", (5, false), Some(3), 5),
            ("cut short, nothing known", (5, false), None, 5),
        ];
        for (name, (inodes, is_whole), known, expected) in cases {
            assert_eq!(at_least(Count { inodes, is_whole }, known), expected, "{name}");
        }
    }
}
