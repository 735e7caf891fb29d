//! The four eviction maps.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use evictd::config::Config;
use evictd_core::{
    EvictionMaps, FlagError, FlagPairs, Policy, PolicyError, PolicyErrorKind, Semantics, Signal,
    ThresholdValue,
};

use crate::{place::points_into, text};

/// Reads the first four lines as the kubelet's flags for hard and soft thresholds, grace periods and
/// minimum reclaims (`memory.available<100Mi,nodefs.available<10%`). In either semantics the maps give
/// a sound policy or an error that says something, the configuration file the same as the maps alone;
/// strict semantics take nothing that the kubelet would refuse, but signals of evictd's own, or read as
/// something else.
pub fn threshold_maps(data: &[u8]) {
    let Some(Ok(maps)) = text(data).map(maps) else {
        return;
    };
    let [strict, kubelet] = [Semantics::Strict, Semantics::Kubelet].map(|semantics| {
        let maps = EvictionMaps { semantics, ..maps.clone() };
        let policy = Policy::parse(&maps);
        match &policy {
            Ok(policy) => is_sound(policy),
            Err(error) => {
                assert!(!error.to_string().is_empty(), "an error says nothing: {error:?}");
                let written = entries(&maps).any(|(_, map)| map.contains_key(&error.signal));
                assert!(written, "{error:?} about an entry that is not there");
            }
        }
        from_file_as_from_maps(&maps);
        policy
    });
    match (strict, kubelet) {
        // Nobody but evictd can say what is wrong with a threshold of its own.
        (_, Err(kubelet)) if is_own_signal(&kubelet) => {}
        (Ok(strict), Ok(kubelet)) => assert_eq!(strict.thresholds, kubelet.thresholds),
        (Ok(_), Err(error)) => panic!("refused by the kubelet alone: {error}"),
        (Err(strict), Err(kubelet)) => assert!(
            strict == kubelet || matches!(strict.kind, PolicyErrorKind::Misleading { .. }),
            "the kubelet says {kubelet}, strict {strict}"
        ),
        (Err(strict), Ok(_)) => {
            let misleading = matches!(strict.kind, PolicyErrorKind::Misleading { .. });
            assert!(misleading, "refused in strict semantics alone: {strict}");
        }
    }
}

/// Refused for a signal that only strict semantics know (T-1, E-46).
fn is_own_signal(error: &PolicyError) -> bool {
    matches!(error.kind, PolicyErrorKind::UnsupportedSignal { .. })
        && Signal::from_name(&error.signal).is_some_and(|s| !s.is_known_to(Semantics::Kubelet))
}

fn maps(text: &str) -> Result<EvictionMaps, FlagError> {
    let mut lines = text.lines();
    let mut next = |pairs: FlagPairs| pairs.parse(lines.next().unwrap_or_default());
    Ok(EvictionMaps {
        hard: next(FlagPairs::LessThan)?,
        soft: next(FlagPairs::LessThan)?,
        soft_grace_period: next(FlagPairs::Equals)?,
        minimum_reclaim: next(FlagPairs::Equals)?,
        ..EvictionMaps::default()
    })
}

type Entries = BTreeMap<String, String>;

fn entries(maps: &EvictionMaps) -> impl Iterator<Item = (&'static str, &Entries)> {
    [
        ("evictionHard", &maps.hard),
        ("evictionSoft", &maps.soft),
        ("evictionSoftGracePeriod", &maps.soft_grace_period),
        ("evictionMinimumReclaim", &maps.minimum_reclaim),
    ]
    .into_iter()
}

/// Thresholds are positive and no more than everything; what is asked for beyond them is not negative.
/// In kubelet semantics a value may be no number, as in the kubelet.
fn is_sound(policy: &Policy) {
    let strict = policy.semantics == Semantics::Strict;
    for threshold in &policy.thresholds {
        let sound = match threshold.value {
            ThresholdValue::Quantity(quantity) => quantity.signum() > 0,
            ThresholdValue::Percentage(share) if strict => share > 0.0 && share < 1.0,
            ThresholdValue::Percentage(share) => share.is_nan() || (0.0..=1.0).contains(&share),
        };
        let reclaim = match threshold.min_reclaim {
            None => true,
            Some(ThresholdValue::Quantity(quantity)) => quantity.signum() >= 0,
            Some(ThresholdValue::Percentage(share)) if strict => share > 0.0 && share.is_finite(),
            Some(ThresholdValue::Percentage(share)) => share.is_nan() || share > 0.0,
        };
        assert!(sound && reclaim, "{:?}: {threshold:?}", policy.semantics);
        for capacity in [0, 1, 1 << 40, i64::MAX] {
            let least = threshold.quantity_with_min_reclaim(capacity);
            let known = !strict || least >= threshold.quantity(capacity);
            assert!(known, "less than itself at {capacity}: {threshold:?}");
        }
    }
}

/// Writes the maps as a configuration file, which must come to the same thresholds or the same error,
/// at a place in the file.
fn from_file_as_from_maps(maps: &EvictionMaps) {
    let semantics = match maps.semantics {
        Semantics::Strict => "strict",
        Semantics::Kubelet => "kubelet",
    };
    let mut text = format!("semantics: {semantics}\n");
    for (field, map) in entries(maps) {
        let _ = writeln!(text, "{field}:{}", if map.is_empty() { " {}" } else { "" });
        for (signal, value) in map {
            // A key after `?` may be of any length.
            let _ = writeln!(text, "  ? {}\n  : {}", quoted(signal), quoted(value));
        }
    }
    match (Config::parse(Path::new("maps.yaml"), &text), Policy::parse(maps)) {
        (Ok(config), Ok(policy)) => assert_eq!(
            format!("{:?}", config.policy.thresholds),
            format!("{:?}", policy.thresholds),
            "{text}"
        ),
        (Err(error), Err(expected)) => {
            points_into(&text, &error);
            assert_eq!(error.problem, expected.to_string(), "{text}");
        }
        (Ok(_), Err(error)) => panic!("not refused in a file: {error}\n{text}"),
        (Err(error), Ok(_)) => panic!("refused in a file alone: {error}\n{text}"),
    }
}

/// The text as a YAML scalar in double quotes.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            ' '..='~' if c != '"' && c != '\\' => quoted.push(c),
            _ => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted + "\""
}
