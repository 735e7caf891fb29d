//! The thresholds of containerfs, which are copies of others (T-14 to T-17).

use crate::{Evaluator, Signal, Threshold, disks::Mirror, evaluator::track::Track};

/// A kind of copy: bytes or inodes, hard or soft.
#[derive(Clone, Copy)]
struct Copy {
    signal: Signal,
    hard: bool,
}

/// In the order in which they are appended.
const COPIES: [Copy; 4] = [
    Copy { signal: Signal::ContainerfsAvailable, hard: true },
    Copy { signal: Signal::ContainerfsAvailable, hard: false },
    Copy { signal: Signal::ContainerfsInodesFree, hard: true },
    Copy { signal: Signal::ContainerfsInodesFree, hard: false },
];

impl Copy {
    const fn source(self, mirror: Mirror) -> Signal {
        let inodes = matches!(self.signal, Signal::ContainerfsInodesFree);
        match (mirror, inodes) {
            (Mirror::Nodefs, false) => Signal::NodefsAvailable,
            (Mirror::Nodefs, true) => Signal::NodefsInodesFree,
            (Mirror::Imagefs, false) => Signal::ImagefsAvailable,
            (Mirror::Imagefs, true) => Signal::ImagefsInodesFree,
        }
    }

    /// The last threshold of that kind on `signal`.
    fn last(self, thresholds: &[Threshold], signal: Signal) -> Option<usize> {
        thresholds.iter().rposition(|t| t.signal == signal && t.is_hard() == self.hard)
    }

    fn made_from(self, source: Threshold) -> Threshold {
        Threshold { signal: self.signal, ..source }
    }
}

impl Evaluator {
    /// The copies to be appended after the first evaluation, which goes without them (E-15). Thresholds
    /// that the user set on containerfs are overwritten at once (T-16, E-13), or dropped where there is
    /// nothing to copy: the kubelet keeps such a one as an entry that is never met (T-15).
    pub(super) fn mirror_containerfs(&mut self) -> Vec<Threshold> {
        let mirror = self.kubelet.disks.and_then(|disks| disks.mirror());
        let Some(mirror) = mirror.filter(|_| !self.kubelet.mirrored) else {
            return Vec::new();
        };
        self.kubelet.mirrored = true;
        let thresholds = &mut self.policy.thresholds;
        let planned = COPIES.map(|copy| {
            let source = copy.last(thresholds, copy.source(mirror));
            let source = source.map(|i| copy.made_from(thresholds[i]));
            (copy.last(thresholds, copy.signal), source)
        });
        let mut appended = Vec::new();
        let mut dropped = Vec::new();
        for (overwritten, source) in planned {
            match (overwritten, source) {
                (Some(at), Some(copy)) => {
                    thresholds[at] = copy;
                    self.tracks[at] = Track::default();
                }
                (Some(at), None) => dropped.push(at),
                (None, Some(copy)) => appended.push(copy),
                (None, None) => {}
            }
        }
        dropped.sort_unstable();
        for at in dropped.into_iter().rev() {
            self.policy.thresholds.remove(at);
            self.tracks.remove(at);
        }
        appended
    }

    /// T-17: from now on the copies count.
    pub(super) fn append_mirrored(&mut self, copies: Vec<Threshold>) {
        self.tracks.extend(copies.iter().map(|_| Track::default()));
        self.policy.thresholds.extend(copies);
    }
}
