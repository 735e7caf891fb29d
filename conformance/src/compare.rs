//! Comparing what was done with what the kubelet may have done.

use std::fmt::Write;

use serde_json::{Map, Value};

/// Keys of a recorded outcome that are no part of the behaviour of a step.
const APART: [&str; 2] = ["next", METRIC];
const METRIC: &str = "evictions_metric_any_of";

/// How a step went another way.
#[derive(Clone, Debug)]
pub(crate) enum Mismatch {
    /// The vector could not be played.
    Broken(String),
    /// The lines tell what was expected and what came.
    Outcome(String),
}

/// The hidden state after the recorded alternative that equals `produced`.
///
/// Where the original crashed, anything is right that evicts nobody.
pub(crate) fn find(
    alternatives: &[Value],
    produced: &Value,
    metric: &str,
) -> Result<usize, Mismatch> {
    let produced = without_nothings(produced);
    for alternative in alternatives {
        let crashed = alternative["decision"] == "panic" && produced.get("evicted").is_none();
        if crashed || (behaviour(alternative) == produced && counts(alternative, metric)) {
            return Ok(usize::try_from(alternative["next"].as_u64().unwrap_or(0)).unwrap_or(0));
        }
    }
    Err(Mismatch::Outcome(describe(alternatives, &produced, metric)))
}

fn behaviour(alternative: &Value) -> Value {
    let mut outcome = without_nothings(alternative);
    if let Value::Object(map) = &mut outcome {
        map.retain(|key, _| !APART.contains(&key.as_str()));
    }
    outcome
}

fn counts(alternative: &Value, metric: &str) -> bool {
    match alternative[METRIC].as_array() {
        Some(any_of) => any_of.iter().any(|text| text == metric),
        None => metric.is_empty(),
    }
}

/// A key that is absent means null, empty, false or 0.
pub(crate) fn without_nothings(value: &Value) -> Value {
    let is_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    };
    match value {
        Value::Object(map) => {
            let parts = map.iter().map(|(key, part)| (key.clone(), without_nothings(part)));
            Value::Object(parts.filter(|(_, part)| !is_nothing(part)).collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.iter().map(without_nothings).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// The differences from the alternative that is nearest.
fn describe(alternatives: &[Value], produced: &Value, metric: &str) -> String {
    let differing = |alternative: &Value| {
        let expected = behaviour(alternative);
        let keys = [&expected, produced].map(|v| v.as_object().into_iter().flat_map(Map::keys));
        let mut keys: Vec<String> = keys.into_iter().flatten().cloned().collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| expected.get(key) != produced.get(key));
        (expected, keys)
    };
    let nearest = alternatives.iter().map(differing).min_by_key(|(_, keys)| keys.len());
    let Some((expected, keys)) = nearest else {
        return "nothing was recorded for this state".to_owned();
    };
    let mut text = String::new();
    for key in &keys {
        let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
        let _ = writeln!(text, "{key}");
        let _ = writeln!(text, "  expected {}", show(expected.get(key)));
        let _ = writeln!(text, "  got      {}", show(produced.get(key)));
    }
    if keys.is_empty() {
        let any_of = alternatives.first().map(|a| a[METRIC].to_string()).unwrap_or_default();
        let _ = writeln!(text, "{METRIC}\n  expected one of {any_of}\n  got      {metric:?}");
    }
    if let (Some(rank), false) = (produced.get("rank"), keys.iter().any(|key| key == "rank")) {
        let _ = writeln!(text, "pods were ranked {rank}");
    }
    if alternatives.len() > 1 {
        let _ = writeln!(text, "(the nearest of {} alternatives)", alternatives.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_outcome_has_to_equal_one_alternative() {
        let evicted = |pod: &str, next| {
            json!({
                "decision": "evicted", "evicted": [pod], "conditions": [], "next": next,
                "evictions_metric_any_of": ["memory.available=1"],
            })
        };
        let alternatives = [evicted("a", 1), evicted("b", 2)];
        let count = "memory.available=1";
        let cases = [
            ("the first", json!({"decision": "evicted", "evicted": ["a"]}), count, Some(1)),
            ("the second", json!({"decision": "evicted", "evicted": ["b"]}), count, Some(2)),
            ("none of them", json!({"decision": "evicted", "evicted": ["c"]}), count, None),
            (
                "too much",
                json!({"decision": "evicted", "evicted": ["a"], "gc": ["image"]}),
                count,
                None,
            ),
            ("too little", json!({"decision": "evicted"}), count, None),
            ("counted otherwise", json!({"decision": "evicted", "evicted": ["a"]}), "pid=1", None),
            (
                "nothing spelled out",
                json!({
                    "decision": "evicted", "evicted": ["a"], "gc": [], "error": null, "summary_calls": 0,
                }),
                count,
                Some(1),
            ),
        ];
        for (name, produced, metric, state) in cases {
            assert_eq!(find(&alternatives, &produced, metric).ok(), state, "{name}");
        }
    }

    #[test]
    fn where_the_original_crashed_nobody_may_be_evicted() {
        let crash = [json!({"decision": "panic", "error": "panic: nil", "next": 0})];
        let quiet = json!({"decision": "nothing_to_reclaim"});
        assert_eq!(find(&crash, &quiet, "").ok(), Some(0));
        let evicting = json!({"decision": "evicted", "evicted": ["a"]});
        assert!(find(&crash, &evicting, "").is_err());
    }
}
