//! Defaults that are no longer in force.

use evictd_core::{EvictionMaps, MapField};

use super::{Found, Rule, Subject, warning};
use crate::{
    check::places::At,
    config::{Config, ConfigKind},
};

pub(super) const RULES: &[Rule] = &[
    Rule { code: "defaults-dropped", because: &["E-8", "T-20"], find: defaults_dropped },
    Rule { code: "no-thresholds", because: &["T-3", "T-20"], find: no_thresholds },
];

fn defaults_dropped(s: &Subject<'_>) -> Vec<Found> {
    let dropped = dropped(s.config);
    if s.rows.is_empty() || dropped.is_empty() {
        return Vec::new();
    }
    let names: Vec<&str> = dropped.iter().map(|(signal, _)| *signal).collect();
    let lines: Vec<String> = dropped.iter().map(|(s, value)| format!("{s}: {value}")).collect();
    let why = if s.config.eviction.maps.hard.is_empty() {
        "an empty evictionHard drops every default"
    } else {
        "one key in evictionHard drops the defaults of all the others"
    };
    vec![warning(
        At::Map(MapField::Hard),
        format!("no hard threshold on {}: {why}", names.join(", ")),
        format!("add {}, or mergeDefaultEvictionSettings: true", lines.join(", ")),
    )]
}

fn no_thresholds(s: &Subject<'_>) -> Vec<Found> {
    if !s.rows.is_empty() {
        return Vec::new();
    }
    vec![warning(
        At::Map(MapField::Hard),
        "no threshold at all: no pod is ever evicted for what the node lacks; an evictionHard that \
         is there, but empty or switched off entry by entry, does not bring the defaults",
        "leave evictionHard out for the defaults, or write the thresholds that are meant",
    )]
}

/// The defaults that hold no longer because something else was written. Those of an imagefs that evictd
/// does not watch are not missed.
fn dropped(config: &Config) -> Vec<(&'static str, &'static str)> {
    let settings = &config.eviction;
    if settings.written_hard.is_none() {
        return Vec::new();
    }
    let unwatched = settings.kind == ConfigKind::Evictd && config.imagefs.is_none();
    let kept = |(signal, _): &(&str, &str)| {
        settings.maps.hard.contains_key(*signal) || (unwatched && signal.starts_with("imagefs"))
    };
    EvictionMaps::LINUX_HARD.into_iter().filter(|default| !kept(default)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Severity::Warning, tests::assert_found};
    use crate::check::sample::Case;

    #[test]
    fn one_key_drops_the_other_defaults() {
        const ALL: &str = "evictionHard: {memory.available: 1Gi, nodefs.available: 5%, \
                           nodefs.inodesFree: 5%";
        let code = "defaults-dropped";
        for (name, case, expected) in [
            ("nothing written", Case::evictd(""), None),
            (
                "one key",
                Case::evictd("evictionHard: {memory.available: 1Gi}\n"),
                Some("no hard threshold on nodefs.available, nodefs.inodesFree: one key"),
            ),
            (
                "imagefs is watched",
                Case::evictd("evictionHard: {memory.available: 1Gi}\nimagefs: /i\n"),
                Some("add nodefs.available: 10%, nodefs.inodesFree: 5%, imagefs.available: 15%"),
            ),
            (
                "the kubelet always watches imagefs",
                Case::kubelet(&format!("{ALL}}}\n")),
                Some("imagefs.inodesFree: 5%, or mergeDefaultEvictionSettings: true"),
            ),
            (
                "merged",
                Case::evictd(
                    "evictionHard: {memory.available: 1Gi}\nmergeDefaultEvictionSettings: true\n",
                ),
                None,
            ),
            ("all that matter", Case::evictd(&format!("{ALL}}}\n")), None),
            (
                "switched off on purpose",
                Case::evictd(
                    "evictionHard: {memory.available: 1Gi, nodefs.available: 0%, \
                     nodefs.inodesFree: 0%}\n",
                ),
                None,
            ),
            (
                "empty, but a soft one is left",
                Case::evictd(
                    "evictionHard: {}\nevictionSoft: {memory.available: 1Gi}\n\
                     evictionSoftGracePeriod: {memory.available: 1m}\n",
                ),
                Some("an empty evictionHard drops every default"),
            ),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|text| (Warning, text)).collect();
            assert_found(name, &case, code, &expected);
        }
    }

    #[test]
    fn no_threshold_at_all_is_told() {
        for (name, text, found) in [
            ("empty", "evictionHard: {}\n", true),
            ("all off", "evictionHard: {memory.available: 0%}\n", true),
            ("defaults", "", false),
            ("one", "evictionHard: {pid.available: \"10\"}\n", false),
        ] {
            let expected: &[_] = if found { &[(Warning, "no threshold at all")] } else { &[] };
            assert_found(name, &Case::evictd(text), "no-thresholds", expected);
        }
    }
}
