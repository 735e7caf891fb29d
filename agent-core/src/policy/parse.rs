//! The four maps of the kubelet's configuration to thresholds (T-1 to T-12).

use std::{collections::BTreeMap, time::Duration};

use super::{
    MapField, Policy, PolicyError, PolicyErrorKind, Semantics,
    value::{parse_grace, parse_min_reclaim, parse_value},
};
use crate::{Format, Quantity, Signal, Threshold, ThresholdValue};

/// The eviction maps as written: signal name to value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvictionMaps {
    /// `evictionHard`
    pub hard: BTreeMap<String, String>,
    /// `evictionSoft`
    pub soft: BTreeMap<String, String>,
    /// `evictionSoftGracePeriod`
    pub soft_grace_period: BTreeMap<String, String>,
    /// `evictionMinimumReclaim`
    pub minimum_reclaim: BTreeMap<String, String>,
    /// True when `enforceNodeAllocatable` holds `pods`, its default (T-12).
    pub enforce_pods: bool,
    /// In strict semantics values that the kubelet takes but that cannot be meant are refused
    /// (E-10, E-11).
    pub semantics: Semantics,
}

impl Default for EvictionMaps {
    fn default() -> Self {
        Self {
            hard: BTreeMap::new(),
            soft: BTreeMap::new(),
            soft_grace_period: BTreeMap::new(),
            minimum_reclaim: BTreeMap::new(),
            enforce_pods: true,
            semantics: Semantics::default(),
        }
    }
}

impl EvictionMaps {
    /// The Linux defaults of `evictionHard` (T-18).
    pub const LINUX_HARD: [(&str, &str); 5] = [
        ("memory.available", "100Mi"),
        ("nodefs.available", "10%"),
        ("nodefs.inodesFree", "5%"),
        ("imagefs.available", "15%"),
        ("imagefs.inodesFree", "5%"),
    ];

    /// The maps in force when the configuration has no `evictionHard` (T-18).
    pub fn linux_defaults() -> Self {
        let hard = Self::LINUX_HARD.map(|(signal, value)| (signal.to_owned(), value.to_owned()));
        Self { hard: hard.into(), ..Self::default() }
    }
}

impl Policy {
    /// Builds the policy the maps describe: hard, soft, then the copies of T-12 (T-11).
    ///
    /// Errors surface in the kubelet's order: hard, soft, grace periods, minimum reclaims, pairing
    /// of soft with grace; within a map in the order of names.
    pub fn parse(maps: &EvictionMaps) -> Result<Self, PolicyError> {
        let strict = maps.semantics == Semantics::Strict;
        let mut thresholds = parse_thresholds(&maps.hard, MapField::Hard, strict)?;
        let mut soft = parse_thresholds(&maps.soft, MapField::Soft, strict)?;
        let graces =
            parse_map(&maps.soft_grace_period, MapField::SoftGracePeriod, strict, parse_grace)?;
        let reclaims =
            parse_map(&maps.minimum_reclaim, MapField::MinimumReclaim, strict, |s, v| {
                parse_min_reclaim(s, v, strict)
            })?;
        for threshold in &mut soft {
            let signal = threshold.signal;
            threshold.grace = *graces.get(&signal).ok_or_else(|| PolicyError {
                field: MapField::Soft,
                signal: signal.name().to_owned(),
                kind: PolicyErrorKind::MissingGrace { signal },
            })?;
        }
        thresholds.append(&mut soft);
        for threshold in &mut thresholds {
            threshold.min_reclaim = reclaims.get(&threshold.signal).copied();
        }
        if maps.enforce_pods {
            copy_to_allocatable(&mut thresholds);
        }
        Ok(Self::with_thresholds(thresholds, maps.semantics))
    }

    /// The policy on a node whose container logs lie on a filesystem apart from nodefs: in strict
    /// semantics what is set for nodefs holds for that filesystem too, as copies at the end of the list
    /// (E-46), unless `maps`, which the policy was made from, name it.
    #[must_use]
    pub fn with_logs_apart(mut self, maps: &EvictionMaps) -> Self {
        let names_logs = [&maps.hard, &maps.soft].into_iter().any(|map| {
            let mut signals = map.keys().filter_map(|key| Signal::from_name(key));
            signals.any(|signal| !signal.is_known_to(Semantics::Kubelet))
        });
        if self.semantics == Semantics::Strict && !names_logs {
            self.thresholds.extend(copies_for_logs(&self.thresholds));
        }
        self
    }
}

/// T-18 with the copy of T-12.
pub(super) fn linux_default_thresholds() -> Vec<Threshold> {
    const MEBIBYTES_100: Quantity = Quantity::new(100 << 20, Format::BinarySi);
    let hard =
        |signal, value| Threshold { signal, value, grace: Duration::ZERO, min_reclaim: None };
    let mut thresholds = vec![
        hard(Signal::MemoryAvailable, ThresholdValue::Quantity(MEBIBYTES_100)),
        hard(Signal::NodefsAvailable, ThresholdValue::Percentage(10.0 / 100.0)),
        hard(Signal::NodefsInodesFree, ThresholdValue::Percentage(5.0 / 100.0)),
        hard(Signal::ImagefsAvailable, ThresholdValue::Percentage(15.0 / 100.0)),
        hard(Signal::ImagefsInodesFree, ThresholdValue::Percentage(5.0 / 100.0)),
    ];
    copy_to_allocatable(&mut thresholds);
    thresholds
}

/// T-12: hard thresholds on the node's memory hold for the pods cgroup too.
fn copy_to_allocatable(thresholds: &mut Vec<Threshold>) {
    let memory = |t: &&Threshold| t.signal == Signal::MemoryAvailable && t.is_hard();
    let copies: Vec<_> = thresholds
        .iter()
        .filter(memory)
        .map(|t| Threshold { signal: Signal::AllocatableMemoryAvailable, ..*t })
        .collect();
    thresholds.extend(copies);
}

/// Strict semantics, where container logs lie on a filesystem apart from nodefs: what is set for nodefs
/// holds for that one too (E-46), unless the user says anything of it.
fn copies_for_logs(thresholds: &[Threshold]) -> Vec<Threshold> {
    let copy = |threshold: &Threshold| {
        let of_nodefs = [Signal::NodefsAvailable, Signal::NodefsInodesFree];
        let of_logs = [Signal::LogfsAvailable, Signal::LogfsInodesFree];
        let at = of_nodefs.iter().position(|signal| *signal == threshold.signal)?;
        Some(Threshold { signal: of_logs[at], ..*threshold })
    };
    thresholds.iter().filter_map(copy).collect()
}

/// Parses every entry of one map, in the order of [`Signal::ALL`] once parsed. T-1: of the signals that
/// these semantics know.
fn parse_map<T>(
    map: &BTreeMap<String, String>,
    field: MapField,
    strict: bool,
    parse: impl Fn(Signal, &str) -> Result<T, PolicyErrorKind>,
) -> Result<BTreeMap<Signal, T>, PolicyError> {
    map.iter()
        .map(|(key, value)| {
            let at = |kind| PolicyError { field, signal: key.clone(), kind };
            let semantics = if strict { Semantics::Strict } else { Semantics::Kubelet };
            let signal = Signal::from_name(key)
                .filter(|signal| signal.is_known_to(semantics))
                .ok_or_else(|| at(PolicyErrorKind::UnsupportedSignal { signal: key.clone() }))?;
            Ok((signal, parse(signal, value).map_err(at)?))
        })
        .collect()
}

fn parse_thresholds(
    map: &BTreeMap<String, String>,
    field: MapField,
    strict: bool,
) -> Result<Vec<Threshold>, PolicyError> {
    let values = parse_map(map, field, strict, |signal, value| parse_value(signal, value, strict))?;
    Ok(values
        .into_iter()
        .filter_map(|(signal, value)| {
            Some(Threshold { signal, value: value?, grace: Duration::ZERO, min_reclaim: None })
        })
        .collect())
}

#[cfg(test)]
mod tests;
