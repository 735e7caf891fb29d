//! Keeps the kernel's maps in step with what is to be watched.

use std::collections::BTreeSet;

use evictd_common::{LOGS_TRIPWIRE, LogDirectory, TASKS_TRIPWIRE, kernel_dev};
use evictd_core::{NodeSignals, Policy, Signal, tripwire_budget};
use rustix::fs::{major, minor};
use tracing::warn;

use super::{disk_usage::log_directory, pace::Pace};
use crate::{
    clock::now,
    pods::{Pod, PodIndex},
    probe::{Counters, Tripwires},
    sample::{Filesystem, NodeSampler},
};

/// The smallest budget of bytes: a threshold is overshot by no more than this, except in a storm
/// ([`Pace`]).
const LEAST_BYTES: u64 = 1 << 20;

/// One tripwire: a filesystem's, that of the tasks, or that of the logs.
struct Slot {
    number: u32,
    /// `None` for tasks and logs.
    dev: Option<u32>,
    signals: Vec<Signal>,
    /// The smallest budget.
    least: u64,
    /// What had been used before the signals were last sampled.
    mark: i64,
    pace: Pace,
}

impl Slot {
    fn tasks() -> Self {
        Self { signals: vec![Signal::PidAvailable], ..Self::bare(TASKS_TRIPWIRE, 1) }
    }

    fn logs() -> Self {
        Self::bare(LOGS_TRIPWIRE, 1)
    }

    fn filesystem(number: u32, dev: u32, signals: &[Signal]) -> Self {
        Self { dev: Some(dev), signals: signals.to_vec(), ..Self::bare(number, LEAST_BYTES) }
    }

    fn bare(number: u32, least: u64) -> Self {
        Self { number, dev: None, signals: Vec::new(), least, mark: 0, pace: Pace::default() }
    }
}

/// What the kernel watches for evictd.
pub struct Watch {
    slots: Vec<Slot>,
    log_directories: BTreeSet<LogDirectory>,
}

const NODEFS: &[Signal] = &[Signal::NodefsAvailable];
const LOGFS: &[Signal] = &[Signal::LogfsAvailable];
const IMAGEFS: &[Signal] = &[Signal::ImagefsAvailable, Signal::ContainerfsAvailable];

/// The number under which the probes know a filesystem.
pub fn kernel_dev_of(filesystem: &Filesystem) -> u32 {
    let dev = filesystem.superblock_dev();
    kernel_dev(major(dev), minor(dev))
}

impl Watch {
    /// Watches the sampler's filesystems.
    pub fn new(sampler: &NodeSampler, counters: &mut Counters) -> Self {
        let slots = slots(&[
            (Some(kernel_dev_of(sampler.nodefs())), NODEFS),
            (sampler.imagefs().map(kernel_dev_of), IMAGEFS),
            (sampler.logfs().map(kernel_dev_of), LOGFS),
        ]);
        for (slot, dev) in slots.iter().filter_map(|slot| Some((slot, slot.dev?))) {
            if let Err(error) = counters.watch(dev, slot.number) {
                warn!("no tripwire for device {dev:#x}: {error}");
            }
        }
        Self { slots, log_directories: BTreeSet::new() }
    }

    /// The kernel's numbers of the watched devices.
    pub fn devs(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().filter_map(|slot| slot.dev)
    }

    /// Counts the log directories that the pods have now, and no others.
    pub fn follow(&mut self, index: &PodIndex, counters: &mut Counters) {
        let now: BTreeSet<LogDirectory> =
            index.iter().flat_map(Pod::logs).map(log_directory).collect();
        for gone in self.log_directories.difference(&now) {
            counters.forget_log_directory(gone);
        }
        for directory in now.difference(&self.log_directories) {
            if let Err(error) = counters.watch_log_directory(*directory) {
                warn!("log directory {} is not counted: {error}", directory.inode);
            }
        }
        self.log_directories = now;
    }

    /// Notes what has been used so far. To be called before the signals are sampled.
    pub fn mark(&mut self, tripwires: &Tripwires) {
        let at = now();
        for slot in &mut self.slots {
            // An array slot can always be read; an old mark only makes the budget smaller.
            slot.mark = tripwires.spent(slot.number).unwrap_or(slot.mark);
            slot.pace.note(slot.mark, at);
        }
    }

    /// Bytes written into all logs by the last [`Self::mark`].
    pub fn written_into_logs(&self) -> i64 {
        self.slots.iter().find(|slot| slot.number == LOGS_TRIPWIRE).map_or(0, |slot| slot.mark)
    }

    /// Arms every budget for the way that is left, and that of the logs for `log_bytes`, counted from
    /// the last [`Self::mark`]. True if one is used up already.
    pub fn arm(
        &mut self,
        tripwires: &mut Tripwires,
        policy: &Policy,
        signals: &NodeSignals,
        log_bytes: Option<u64>,
    ) -> bool {
        let mut again = false;
        for slot in &mut self.slots {
            let budget = match slot.number {
                LOGS_TRIPWIRE => log_bytes,
                _ => budget(policy, signals, &slot.signals),
            };
            let armed = match budget {
                Some(budget) => {
                    let budget = slot.pace.limit(budget.max(slot.least));
                    tripwires.arm(slot.number, slot.mark, budget)
                }
                None => tripwires.disarm(slot.number).map(|()| false),
            };
            again |= armed.unwrap_or_else(|error| {
                warn!("tripwire {} is not armed: {error}", slot.number);
                false
            });
        }
        again
    }
}

/// Tasks, a slot for each device, with every signal that is about it, and logs.
fn slots(filesystems: &[(Option<u32>, &[Signal])]) -> Vec<Slot> {
    let mut slots = vec![Slot::tasks()];
    for (dev, signals) in filesystems {
        let Some(dev) = *dev else { continue };
        match slots.iter_mut().find(|slot| slot.dev == Some(dev)) {
            Some(slot) => slot.signals.extend_from_slice(signals),
            None => slots.push(Slot::filesystem(slots.len() as u32, dev, signals)),
        }
    }
    slots.push(Slot::logs());
    slots
}

/// Half the way to the nearest threshold of these signals; `None` where there is none ahead: no
/// threshold, no sample, or met already (a crossed threshold is looked after by the clock).
fn budget(policy: &Policy, signals: &NodeSignals, watched: &[Signal]) -> Option<u64> {
    let headrooms = watched.iter().filter_map(|signal| policy.headroom(signals, *signal));
    headrooms.filter(|headroom| *headroom > 0).min().map(tripwire_budget)
}

#[cfg(test)]
mod tests {
    use evictd_core::{EvictionMaps, SignalObservation};

    use super::*;

    #[test]
    fn budgets_go_half_the_way_to_the_nearest_threshold_ahead() {
        let mut maps = EvictionMaps::default();
        maps.hard.insert("nodefs.available".into(), "100".into());
        maps.hard.insert("imagefs.available".into(), "200".into());
        let policy = Policy::parse(&maps).unwrap();
        let cases = [
            ("both ahead", Some(1000), Some(1000), Some(400)),
            ("one met", Some(1000), Some(150), Some(450)),
            ("one unknown", None, Some(400), Some(100)),
            ("both met", Some(50), Some(50), None),
            ("nothing known", None, None, None),
        ];
        for (name, nodefs, imagefs, expected) in cases {
            let mut signals = NodeSignals::default();
            for (signal, available) in
                [(Signal::NodefsAvailable, nodefs), (Signal::ImagefsAvailable, imagefs)]
            {
                signals.set(
                    signal,
                    available.map(|available| SignalObservation {
                        available,
                        capacity: 5000,
                        at: None,
                    }),
                );
            }
            let both = [NODEFS, IMAGEFS].concat();
            assert_eq!(budget(&policy, &signals, &both), expected, "{name}");
        }
    }

    #[test]
    fn each_device_has_one_slot_with_every_signal_about_it() {
        let cases = [
            ("one disk", [Some(1), Some(1), None], vec![(1, 3)]),
            ("images apart", [Some(1), Some(2), None], vec![(1, 1), (2, 2)]),
            ("logs apart", [Some(1), None, Some(3)], vec![(1, 1), (3, 1)]),
            ("all apart", [Some(1), Some(2), Some(3)], vec![(1, 1), (2, 2), (3, 1)]),
            ("logs with images", [Some(1), Some(2), Some(2)], vec![(1, 1), (2, 3)]),
        ];
        for (name, [nodefs, imagefs, logfs], expected) in cases {
            let slots = slots(&[(nodefs, NODEFS), (imagefs, IMAGEFS), (logfs, LOGFS)]);
            let told: Vec<_> =
                slots.iter().filter_map(|s| Some((s.dev?, s.signals.len()))).collect();
            assert_eq!(told, expected, "{name}");
            let numbers: Vec<_> = slots.iter().map(|slot| slot.number).collect();
            let filesystems = 1..=expected.len() as u32;
            let wanted = [TASKS_TRIPWIRE].into_iter().chain(filesystems).chain([LOGS_TRIPWIRE]);
            assert_eq!(numbers, wanted.collect::<Vec<_>>(), "{name}");
        }
    }
}
