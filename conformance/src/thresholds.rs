//! Eviction maps: what they parse to, or the kubelet's error.

use evictd_core::{EvictionMaps, Policy, Semantics, Threshold, ThresholdValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    compare::{Mismatch, without_nothings},
    report::Failure,
    scenario::Strings,
};

/// The capacities that recorded values were resolved at.
const CAPACITIES: [i64; 12] = [
    0,
    1,
    7,
    100,
    32_768,
    4_194_304,
    999_999_999,
    1 << 30,
    16 << 30,
    107_374_182_400,
    1_099_511_627_776,
    9_007_199_254_740_993,
];

/// A threshold case: eviction maps, and what the kubelet makes of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Case {
    id: String,
    pub(crate) description: String,
    eviction_hard: Strings,
    eviction_soft: Strings,
    eviction_soft_grace_period: Strings,
    eviction_minimum_reclaim: Strings,
    enforce_node_allocatable: Vec<String>,
    errors: Option<Vec<String>>,
    thresholds: Option<Vec<Value>>,
}

impl Case {
    /// Reads one line of `thresholds.jsonl`.
    pub fn parse(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }

    /// Its identifier.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The maps, in kubelet semantics.
    pub fn maps(&self) -> EvictionMaps {
        EvictionMaps {
            hard: self.eviction_hard.clone(),
            soft: self.eviction_soft.clone(),
            soft_grace_period: self.eviction_soft_grace_period.clone(),
            minimum_reclaim: self.eviction_minimum_reclaim.clone(),
            enforce_pods: self.enforce_node_allocatable.iter().any(|key| key == "pods"),
            semantics: Semantics::Kubelet,
        }
    }

    /// `enforceNodeAllocatable`.
    pub fn enforce_node_allocatable(&self) -> &[String] {
        &self.enforce_node_allocatable
    }

    /// Whether `got`, thresholds or an error text, is what the kubelet makes of the maps.
    pub fn judge(&self, got: Result<&[Threshold], &str>) -> Result<(), Failure> {
        let got = got.map(describe_all);
        let expected = self.thresholds.clone().unwrap_or_default();
        let right = match (&got, &self.errors) {
            (Ok(thresholds), None) => meaning(thresholds) == meaning(&expected),
            (Err(error), Some(errors)) => errors.iter().any(|expected| expected == error),
            (Ok(_), Some(_)) | (Err(_), None) => false,
        };
        if right {
            return Ok(());
        }
        let show = |list: &[Value]| Value::from(list.to_vec()).to_string();
        let expected = self.errors.as_ref().map_or_else(|| show(&expected), |e| e.join(" or "));
        let got = got.map_or_else(str::to_owned, |list| show(&list));
        let text = format!("thresholds\n  expected {expected}\n  got      {got}\n");
        Err(Failure::new(&self.id, &self.description, None, Mismatch::Outcome(text)))
    }
}

pub(crate) fn check(case: &Case) -> Result<(), Failure> {
    let parsed = Policy::parse(&case.maps()).map_err(|error| error.to_string());
    case.judge(parsed.as_ref().map(|policy| &*policy.thresholds).map_err(String::as_str))
}

fn meaning(thresholds: &[Value]) -> Vec<Value> {
    thresholds.iter().map(without_nothings).collect()
}

/// Sorted by signal and grace period, as recorded; equal ones stay in order.
fn describe_all(thresholds: &[Threshold]) -> Vec<Value> {
    let mut sorted: Vec<_> = thresholds.iter().collect();
    sorted.sort_by_key(|t| (t.signal.name(), t.grace));
    sorted.into_iter().map(describe).collect()
}

fn describe(threshold: &Threshold) -> Value {
    json!({
        "signal": threshold.signal.name(),
        "operator": "LessThan",
        "grace_period_ns": u64::try_from(threshold.grace.as_nanos()).unwrap_or(u64::MAX),
        "value": describe_value(threshold.value),
        "min_reclaim": threshold.min_reclaim.map(describe_value),
    })
}

fn describe_value(value: ThresholdValue) -> Value {
    let at_capacities = CAPACITIES.map(|capacity| value.resolve(capacity));
    match value {
        ThresholdValue::Quantity(quantity) => json!({
            "quantity": quantity.to_string(),
            "quantity_value": quantity.value(),
            "at_capacities": at_capacities,
        }),
        ThresholdValue::Percentage(share) if share.is_nan() => json!({
            "percentage_f32_bits": f32::NAN.to_bits(),
            "percentage_is_nan": true,
        }),
        ThresholdValue::Percentage(share) => json!({
            "percentage_f32": shortest(share),
            "percentage_f32_bits": share.to_bits(),
            "at_capacities": at_capacities,
        }),
    }
}

/// The shortest decimal that reads as `share` in single precision; a whole number without a fraction.
fn shortest(share: f32) -> Value {
    if share.fract() == 0.0 {
        return Value::from(share as i64);
    }
    share.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}
