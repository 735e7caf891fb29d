//! What is in force, threshold by threshold, in this node's own numbers.

use std::collections::BTreeMap;

use evictd_core::{
    EvictionMaps, FsLayout, MapField, Semantics, Signal, SignalObservation, Threshold,
    ThresholdValue,
};

use super::{facts::NodeFacts, places::At};
use crate::config::{Config, ConfigKind, EvictionSettings, Place};

/// A threshold in force.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The threshold.
    pub threshold: Threshold,
    /// The map it comes from.
    pub map: MapField,
    /// Its value as written.
    pub written: String,
    /// Its minimum reclaim as written.
    pub written_reclaim: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// The signal now, if known.
    pub seen: Option<SignalObservation>,
}

/// Where a threshold comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration; where, if that is known.
    Written(Option<Place>),
    /// The defaults (T-18).
    Default,
    /// A copy of another signal's threshold (T-12, T-14).
    Copied(Signal),
}

impl InForce {
    /// The signal.
    pub const fn signal(&self) -> Signal {
        self.threshold.signal
    }

    /// What a finding about it points at: for a copy, what it was copied from.
    pub const fn at(&self) -> At {
        match self.origin {
            Origin::Copied(source) => At::Entry(self.map, source),
            Origin::Written(_) | Origin::Default => At::Entry(self.map, self.threshold.signal),
        }
    }

    /// True if somebody wrote it.
    pub const fn is_written(&self) -> bool {
        matches!(self.origin, Origin::Written(_))
    }

    /// True if its value is not the default's, whoever wrote that.
    pub fn is_own(&self) -> bool {
        let default = (self.signal().name(), self.written.as_str());
        self.is_written() && !EvictionMaps::LINUX_HARD.contains(&default)
    }

    /// Its amount on this node, in the signal's unit; of a share only where the capacity is known.
    pub fn quantity(&self) -> Option<i64> {
        self.resolved(self.threshold.value)
    }

    /// Its minimum reclaim on this node.
    pub fn min_reclaim(&self) -> Option<i64> {
        self.threshold.min_reclaim.and_then(|value| self.resolved(value))
    }

    fn resolved(&self, value: ThresholdValue) -> Option<i64> {
        match (value, self.seen) {
            (value, Some(seen)) => Some(value.resolve(seen.capacity)),
            (ThresholdValue::Quantity(quantity), None) => Some(quantity.value()),
            (ThresholdValue::Percentage(_), None) => None,
        }
    }

    /// Whether it is met now.
    pub fn is_met(&self) -> Option<bool> {
        self.seen.map(|seen| self.threshold.is_met(seen))
    }

    /// How much of the signal is left above it; below zero when it is met.
    pub fn distance(&self) -> Option<i64> {
        Some(self.seen?.available.saturating_sub(self.quantity()?))
    }
}

/// True for the two texts that switch an entry off (T-3).
pub fn is_off(value: &str) -> bool {
    value == "0%" || value == "100%"
}

/// Every threshold in force, signal by signal; of one signal hard, soft, copies.
pub fn in_force(config: &Config, facts: &NodeFacts) -> Vec<InForce> {
    let maps = &config.eviction.maps;
    let on = |map: &BTreeMap<String, String>| map.values().filter(|value| !is_off(value)).count();
    let hard = on(&maps.hard);
    let thresholds = &config.policy.thresholds;
    let (originals, copies) = thresholds.split_at(thresholds.len().min(hard + on(&maps.soft)));
    let row = |threshold: &Threshold, map, source: Signal, origin| InForce {
        threshold: *threshold,
        map,
        written: entry(&config.eviction, map, source).unwrap_or_default(),
        written_reclaim: entry(&config.eviction, MapField::MinimumReclaim, source),
        origin,
        seen: facts.seen(threshold.signal),
    };
    let original = |(i, threshold): (usize, &Threshold)| {
        let map = if i < hard { MapField::Hard } else { MapField::Soft };
        let origin = origin(&config.eviction, map, threshold.signal);
        row(threshold, map, threshold.signal, origin)
    };
    let mut rows: Vec<InForce> = originals.iter().enumerate().map(original).collect();
    // T-12: in the order of what they are copies of.
    let memory = Signal::MemoryAvailable;
    let copied = rows.iter().filter(|r| r.signal() == memory && r.threshold.is_hard());
    let sources: Vec<MapField> = copied.map(|r| r.map).collect();
    let copy = |(threshold, map)| row(threshold, map, memory, Origin::Copied(memory));
    rows.extend(copies.iter().zip(sources).map(copy));
    // E-46: where logs lie apart, what is set for nodefs holds for them too.
    if facts.seen(Signal::LogfsAvailable).is_some() {
        let with_logs = config.policy.clone().with_logs_apart(maps);
        for copy in with_logs.thresholds.iter().skip(thresholds.len()) {
            let is_source =
                |r: &&InForce| Threshold { signal: copy.signal, ..r.threshold } == *copy;
            let source = rows.iter().find(is_source).map(|r| (r.map, r.signal()));
            rows.extend(source.map(|(map, of)| row(copy, map, of, Origin::Copied(of))));
        }
    }
    let layout = facts.layout().filter(|_| rewrites_containerfs(config));
    if let Some(layout) = layout {
        rows = copy_to_containerfs(rows, layout, facts);
    }
    rows.sort_by_key(InForce::signal);
    rows
}

/// The text of an entry.
pub fn entry(settings: &EvictionSettings, map: MapField, signal: Signal) -> Option<String> {
    let maps = &settings.maps;
    let map = match map {
        MapField::Hard => &maps.hard,
        MapField::Soft => &maps.soft,
        MapField::SoftGracePeriod => &maps.soft_grace_period,
        MapField::MinimumReclaim => &maps.minimum_reclaim,
    };
    map.get(signal.name()).cloned()
}

/// An entry that nobody wrote is a default.
fn origin(settings: &EvictionSettings, map: MapField, signal: Signal) -> Origin {
    match settings.place(map, signal.name()) {
        Some(place) => Origin::Written(Some(place)),
        None if map == MapField::Hard => Origin::Default,
        None => Origin::Written(None),
    }
}

/// The amounts of two thresholds on the same resource. Of an unknown capacity two shares can still be
/// told apart: they are shares of any.
pub fn quantities(a: &Threshold, b: &Threshold, capacity: Option<i64>) -> Option<(i64, i64)> {
    const ANY: i64 = 1 << 40;
    let share = |t: &Threshold| matches!(t.value, ThresholdValue::Percentage(_));
    let capacity = match (capacity, share(a), share(b)) {
        (Some(capacity), ..) => capacity,
        (None, true, true) => ANY,
        (None, false, false) => 0,
        (None, ..) => return None,
    };
    Some((a.quantity(capacity), b.quantity(capacity)))
}

/// Whether containerfs thresholds are overwritten (E-13).
pub fn rewrites_containerfs(config: &Config) -> bool {
    config.eviction.kind == ConfigKind::Kubelet || config.policy.semantics == Semantics::Kubelet
}

/// What the kubelet copies to containerfs (T-14): each signal and its source.
pub fn containerfs_copies(layout: FsLayout) -> [(Signal, Signal); 2] {
    let (bytes, inodes) = match layout {
        FsLayout::Single | FsLayout::Split => (Signal::NodefsAvailable, Signal::NodefsInodesFree),
        FsLayout::DedicatedImagefs => (Signal::ImagefsAvailable, Signal::ImagefsInodesFree),
    };
    [(Signal::ContainerfsAvailable, bytes), (Signal::ContainerfsInodesFree, inodes)]
}

/// Puts the copies in the place of whatever was written for containerfs. Where there is nothing to
/// copy, the kubelet keeps one that is never met (T-15): it is left out.
fn copy_to_containerfs(rows: Vec<InForce>, layout: FsLayout, facts: &NodeFacts) -> Vec<InForce> {
    let copies = containerfs_copies(layout);
    let written = |row: &InForce| copies.iter().any(|(signal, _)| row.signal() == *signal);
    let mut rows: Vec<InForce> = rows.into_iter().filter(|row| !written(row)).collect();
    for (signal, source) in copies {
        for hard in [true, false] {
            let of = |row: &&InForce| row.signal() == source && row.threshold.is_hard() == hard;
            let Some(copied) = rows.iter().rfind(of).cloned() else { continue };
            rows.push(InForce {
                threshold: Threshold { signal, ..copied.threshold },
                origin: Origin::Copied(source),
                seen: facts.seen(signal),
                ..copied
            });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::sample::Case;

    fn lines(case: &Case) -> Vec<String> {
        case.rows().iter().map(line).collect()
    }

    fn line(row: &InForce) -> String {
        let kind = if row.threshold.is_hard() { "hard" } else { "soft" };
        let from = match &row.origin {
            Origin::Written(place) => format!("{}", place.as_ref().map_or(0, |p| p.line)),
            Origin::Default => "default".to_owned(),
            Origin::Copied(source) => source.name().to_owned(),
        };
        format!("{} {kind} {} {:?} {from}", row.signal(), row.written, row.quantity())
    }

    #[test]
    fn e46_logs_that_lie_apart_have_the_thresholds_of_nodefs() {
        let text = "evictionHard: {nodefs.available: 10%}\nevictionMinimumReclaim: {}\n";
        let apart = |text: &str| Case::evictd(text).with(Signal::LogfsAvailable, 50, 100);
        let of_logs = |case: &Case| {
            let rows = lines(case).into_iter().filter(|line| line.starts_with("logfs"));
            rows.collect::<Vec<_>>()
        };
        assert_eq!(of_logs(&Case::evictd(text)), [""; 0], "they lie together");
        assert_eq!(of_logs(&apart(text)), ["logfs.available hard 10% Some(10) nodefs.available"]);
        let own = apart("evictionHard: {nodefs.available: 10%, logfs.available: \"7\"}\n");
        assert_eq!(of_logs(&own), ["logfs.available hard 7 Some(7) 1"]);
    }

    #[test]
    fn every_threshold_says_where_it_comes_from() {
        assert_eq!(
            lines(&Case::evictd("")),
            [
                "memory.available hard 100Mi Some(104857600) default",
                "allocatableMemory.available hard 100Mi Some(104857600) memory.available",
                "nodefs.available hard 10% Some(10737418400) default",
                "nodefs.inodesFree hard 5% Some(327680) default",
                "imagefs.available hard 15% None default",
                "imagefs.inodesFree hard 5% None default",
            ]
        );
        let both = "evictionHard:\n  memory.available: 1Gi\n  nodefs.available: 0%\n\
                    evictionSoft:\n  memory.available: 2Gi\n  pid.available: \"100\"\n\
                    evictionSoftGracePeriod: {memory.available: 0s, pid.available: 1m}\n";
        assert_eq!(
            lines(&Case::evictd(both)),
            [
                "memory.available hard 1Gi Some(1073741824) 2",
                "memory.available hard 2Gi Some(2147483648) 5",
                "allocatableMemory.available hard 1Gi Some(1073741824) memory.available",
                "allocatableMemory.available hard 2Gi Some(2147483648) memory.available",
                "pid.available soft 100 Some(100) 6",
            ]
        );
    }

    #[test]
    fn in_kubelet_semantics_containerfs_is_a_copy() {
        let text = "semantics: kubelet\nevictionHard: {nodefs.available: 7Gi, \
                    imagefs.available: 8Gi, containerfs.available: 9Gi}\n";
        let containerfs = |case: Case| lines(&case).last().cloned().unwrap_or_default();
        assert_eq!(
            containerfs(Case::evictd(text).images(Some(false))),
            "containerfs.available hard 7Gi Some(7516192768) nodefs.available"
        );
        assert_eq!(
            containerfs(Case::evictd(text).images(Some(true))),
            "containerfs.available hard 8Gi Some(8589934592) imagefs.available"
        );
        assert_eq!(
            containerfs(Case::evictd(text)),
            "containerfs.available hard 9Gi Some(9663676416) 2",
            "an unknown layout overwrites nothing"
        );
    }
}
