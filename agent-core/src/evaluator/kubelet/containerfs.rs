//! The thresholds of containerfs, which are copies of others (T-14 to T-17).

use std::time::Duration;

use crate::{
    Evaluator, Signal, Threshold, ThresholdValue,
    disks::{Disks, Mirror},
    evaluator::track::Track,
};

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

    fn made_from(self, source: Option<Threshold>) -> Threshold {
        let never = Threshold {
            signal: self.signal,
            value: NEVER_MET,
            grace: Duration::ZERO,
            min_reclaim: None,
        };
        source.map_or(never, |source| Threshold { signal: self.signal, ..source })
    }
}

/// A change of the threshold list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Overwrite(usize, Threshold),
    Append(Threshold),
}

/// T-15: where there is nothing to copy, the kubelet keeps a threshold that is never met.
const NEVER_MET: ThresholdValue = ThresholdValue::Percentage(f32::NAN);

impl Evaluator {
    /// Overwrites thresholds that the user set on containerfs (T-16, E-13), once, and gives what is to
    /// change only after the first evaluation, which goes by the list as it was (T-17, E-15).
    ///
    /// The first evaluation sees what is overwritten in place; what comes after the first threshold
    /// that is new it does not see, for the list then lies elsewhere in the kubelet's memory. (That it
    /// moves then is the kubelet's memory allocator's choice; it is what happens as a rule.)
    pub(super) fn mirror_containerfs(&mut self) -> Vec<Change> {
        let mirror = self.kubelet.disks.and_then(Disks::mirror);
        let Some(mirror) = mirror.filter(|_| !self.kubelet.mirrored) else {
            return Vec::new();
        };
        self.kubelet.mirrored = true;
        let mut later = Vec::new();
        let mut moved = false;
        for copy in COPIES {
            let thresholds = &self.policy.thresholds;
            let source = copy.last(thresholds, copy.source(mirror)).map(|i| thresholds[i]);
            match (copy.last(thresholds, copy.signal), source) {
                (Some(at), source) => {
                    let change = Change::Overwrite(at, copy.made_from(source));
                    if moved {
                        later.push(change);
                    } else {
                        self.apply(change);
                    }
                }
                (None, source) => {
                    moved = true;
                    later.extend(source.map(|_| Change::Append(copy.made_from(source))));
                }
            }
        }
        later
    }

    pub(super) fn apply_all(&mut self, changes: Vec<Change>) {
        changes.into_iter().for_each(|change| self.apply(change));
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Overwrite(at, threshold) => {
                let old = std::mem::replace(&mut self.policy.thresholds[at], threshold);
                let track = std::mem::take(&mut self.tracks[at]);
                // Met while it was in the list, it goes on until it is resolved.
                if track.satisfied {
                    self.policy.thresholds.push(old);
                    self.tracks.push(Track { lingering: true, ..track });
                }
            }
            Change::Append(threshold) => {
                self.policy.thresholds.push(threshold);
                self.tracks.push(Track::default());
            }
        }
    }
}
