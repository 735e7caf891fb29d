//! Entries that do nothing, or less than they seem to.

use std::collections::BTreeMap;

use evictd_core::{MapField, Signal};

use super::{Found, Rule, Subject, note, warning};
use crate::check::{in_force::is_off, places::At};

pub(super) const RULES: &[Rule] = &[
    Rule { code: "grace-without-soft", because: &["T-8"], find: grace_without_soft },
    Rule { code: "reclaim-without-threshold", because: &["T-10"], find: reclaim_without_threshold },
    Rule { code: "switched-off", because: &["T-3"], find: switched_off },
];

fn grace_without_soft(s: &Subject<'_>) -> Vec<Found> {
    let maps = &s.config.eviction.maps;
    let lonely = signals(&maps.soft_grace_period)
        .filter(|(signal, _)| !maps.soft.contains_key(signal.name()));
    let found = |(signal, value): (Signal, &str)| {
        warning(
            At::Entry(MapField::SoftGracePeriod, signal),
            format!("the grace period {value} of {signal} is ignored: it has no soft threshold"),
            format!("add evictionSoft {signal}, or remove the grace period"),
        )
    };
    lonely.map(found).collect()
}

fn reclaim_without_threshold(s: &Subject<'_>) -> Vec<Found> {
    let maps = &s.config.eviction.maps;
    // One whose threshold is switched off is not forgotten; the copy of T-12 takes that of memory.
    let has_threshold = |signal: Signal| {
        maps.hard.contains_key(signal.name()) || maps.soft.contains_key(signal.name())
    };
    let lonely = signals(&maps.minimum_reclaim).filter(|(signal, _)| !has_threshold(*signal));
    let found = |(signal, value): (Signal, &str)| {
        warning(
            At::Entry(MapField::MinimumReclaim, signal),
            format!("the minimum reclaim {value} of {signal} is ignored: it has no threshold"),
            format!("add evictionHard {signal}, or remove the minimum reclaim"),
        )
    };
    lonely.map(found).collect()
}

fn switched_off(s: &Subject<'_>) -> Vec<Found> {
    let maps = &s.config.eviction.maps;
    let found = |map: MapField, (signal, value): (Signal, &str)| {
        note(
            At::Entry(map, signal),
            format!("{value} switches this threshold on {signal} off"),
            "keep it, if that is meant; a quantity or a share in between switches it on",
        )
    };
    let off = |map, values| {
        let entries: Vec<_> = signals(values).filter(|(_, value)| is_off(value)).collect();
        entries.into_iter().map(move |entry| found(map, entry))
    };
    off(MapField::Hard, &maps.hard).chain(off(MapField::Soft, &maps.soft)).collect()
}

fn signals(map: &BTreeMap<String, String>) -> impl Iterator<Item = (Signal, &str)> {
    map.iter().filter_map(|(key, value)| Some((Signal::from_name(key)?, value.as_str())))
}

#[cfg(test)]
mod tests {
    use super::super::{
        Severity::{Note, Warning},
        tests::assert_found,
    };
    use crate::check::sample::Case;

    const SOFT: &str = "evictionSoft: {memory.available: 1Gi}\n\
                        evictionSoftGracePeriod: {memory.available: 1m}\n";

    #[test]
    fn entries_without_their_threshold_are_told() {
        let grace = "grace-without-soft";
        let reclaim = "reclaim-without-threshold";
        for (name, code, text, expected) in [
            ("paired", grace, SOFT.to_owned(), None),
            (
                "no soft one",
                grace,
                "evictionSoftGracePeriod: {nodefs.available: 2m}\n".to_owned(),
                Some("the grace period 2m of nodefs.available is ignored"),
            ),
            ("soft one switched off", grace, SOFT.replace("1Gi", "0%"), None),
            (
                "of a default",
                reclaim,
                "evictionMinimumReclaim: {nodefs.available: 1Gi}\n".to_owned(),
                None,
            ),
            (
                "of nothing",
                reclaim,
                "evictionMinimumReclaim: {pid.available: \"10\"}\n".to_owned(),
                Some("the minimum reclaim 10 of pid.available is ignored"),
            ),
            (
                "of the copy, which has memory's",
                reclaim,
                "evictionMinimumReclaim: {allocatableMemory.available: 1Mi}\n".to_owned(),
                Some("the minimum reclaim 1Mi of allocatableMemory.available is ignored"),
            ),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|text| (Warning, text)).collect();
            assert_found(name, &Case::evictd(&text), code, &expected);
        }
    }

    #[test]
    fn thresholds_that_are_off_are_named() {
        let case = Case::evictd("evictionHard: {nodefs.available: 0%, pid.available: \"5\"}\n");
        let text = "0% switches this threshold on nodefs.available off";
        assert_found("hard", &case, "switched-off", &[(Note, text)]);
        assert_found("none", &Case::evictd(SOFT), "switched-off", &[]);
        let soft = Case::evictd(&SOFT.replace("1Gi", "100%"));
        assert_found("soft", &soft, "switched-off", &[(Note, "100% switches")]);
    }
}
