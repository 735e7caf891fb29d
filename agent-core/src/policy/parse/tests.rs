use super::*;

type Entries = &'static [(&'static str, &'static str)];

fn maps(hard: Entries, soft: Entries, grace: Entries, reclaim: Entries) -> EvictionMaps {
    let map = |entries: Entries| {
        entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    EvictionMaps {
        hard: map(hard),
        soft: map(soft),
        soft_grace_period: map(grace),
        minimum_reclaim: map(reclaim),
        enforce_pods: false,
        semantics: Semantics::Kubelet,
    }
}

const MEMORY: &str = "memory.available";
const NODEFS: &str = "nodefs.available";

#[test]
fn maps_become_thresholds_hard_before_soft() {
    let maps = maps(
        &[(NODEFS, "10%"), (MEMORY, "150Mi")],
        &[(MEMORY, "300Mi")],
        &[(MEMORY, "30s"), (NODEFS, "1m")],
        &[(MEMORY, "0"), (NODEFS, "150%")],
    );
    let policy = Policy::parse(&maps).unwrap();
    let quantity = |text| ThresholdValue::Quantity(Quantity::parse(text).unwrap());
    let threshold = |signal, value, seconds, reclaim| Threshold {
        signal,
        value,
        grace: Duration::from_secs(seconds),
        min_reclaim: Some(reclaim),
    };
    assert_eq!(
        policy.thresholds,
        [
            threshold(Signal::MemoryAvailable, quantity("150Mi"), 0, quantity("0")),
            threshold(
                Signal::NodefsAvailable,
                ThresholdValue::Percentage(0.1),
                0,
                ThresholdValue::Percentage(1.5)
            ),
            threshold(Signal::MemoryAvailable, quantity("300Mi"), 30, quantity("0")),
        ]
    );
}

#[test]
fn hard_memory_thresholds_are_copied_to_allocatable() {
    let mut maps = maps(
        &[(MEMORY, "150Mi"), (NODEFS, "10%")],
        &[(MEMORY, "300Mi")],
        &[(MEMORY, "30s")],
        &[(MEMORY, "10Mi")],
    );
    maps.enforce_pods = true;
    let thresholds = Policy::parse(&maps).unwrap().thresholds;
    assert_eq!(thresholds.len(), 4);
    assert_eq!(
        thresholds[3],
        Threshold { signal: Signal::AllocatableMemoryAvailable, ..thresholds[0] }
    );
    // E-5: a soft threshold of 0s is hard, so it is copied as well.
    maps.soft_grace_period.insert(MEMORY.into(), "0s".into());
    assert_eq!(Policy::parse(&maps).unwrap().thresholds.len(), 5);
}

#[test]
fn zero_and_hundred_percent_switch_a_threshold_off() {
    let off = maps(&[(MEMORY, "0%"), (NODEFS, "100%")], &[(MEMORY, "0%")], &[], &[]);
    assert_eq!(Policy::parse(&off).unwrap().thresholds, []);
    let odd = maps(&[(MEMORY, "0.0%"), (NODEFS, "100.0%")], &[], &[], &[]);
    assert_eq!(Policy::parse(&odd).unwrap().thresholds.len(), 2, "T-3: only the exact texts");
}

#[test]
fn errors_are_the_kubelets_and_name_the_entry() {
    const FORMAT: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    use MapField::{Hard, MinimumReclaim, Soft, SoftGracePeriod};
    let cases: [(&str, EvictionMaps, MapField, &str, &str); 17] = [
        (
            "T-1 hard",
            maps(&[("mem", "1Mi")], &[], &[], &[]),
            Hard,
            "mem",
            "unsupported eviction signal mem",
        ),
        (
            "T-1 grace",
            maps(&[], &[], &[("mem", "1s")], &[]),
            SoftGracePeriod,
            "mem",
            "unsupported eviction signal mem",
        ),
        (
            "T-1 reclaim",
            maps(&[], &[], &[], &[("mem", "1")]),
            MinimumReclaim,
            "mem",
            "unsupported eviction signal mem",
        ),
        ("T-2", maps(&[(MEMORY, "100MiB")], &[], &[], &[]), Hard, MEMORY, FORMAT),
        ("T-2 empty", maps(&[(MEMORY, "")], &[], &[], &[]), Hard, MEMORY, FORMAT),
        (
            "T-4 low",
            maps(&[(NODEFS, "-15%")], &[], &[], &[]),
            Hard,
            NODEFS,
            "eviction percentage threshold nodefs.available must be >= 0%: -15%",
        ),
        (
            "T-4 high",
            maps(&[], &[(NODEFS, "150%")], &[], &[]),
            Soft,
            NODEFS,
            "eviction percentage threshold nodefs.available must be <= 100%: 150%",
        ),
        (
            "T-5 alone",
            maps(&[(NODEFS, "%")], &[], &[], &[]),
            Hard,
            NODEFS,
            r#"strconv.ParseFloat: parsing "": invalid syntax"#,
        ),
        (
            "T-5 inner",
            maps(&[(NODEFS, "12%345%")], &[], &[], &[]),
            Hard,
            NODEFS,
            r#"strconv.ParseFloat: parsing "12%345": invalid syntax"#,
        ),
        (
            "T-6 negative",
            maps(&[(MEMORY, "-150Mi")], &[], &[], &[]),
            Hard,
            MEMORY,
            "eviction threshold memory.available must be positive: -150Mi",
        ),
        (
            "T-6 zero",
            maps(&[(MEMORY, "0")], &[], &[], &[]),
            Hard,
            MEMORY,
            "eviction threshold memory.available must be positive: 0",
        ),
        (
            "T-8 negative",
            maps(&[], &[(MEMORY, "1Mi")], &[(MEMORY, "-30s")], &[]),
            SoftGracePeriod,
            MEMORY,
            "invalid eviction grace period specified: -30s, must be a positive value",
        ),
        (
            "T-8 bad",
            maps(&[], &[], &[(MEMORY, "30smoke")], &[]),
            SoftGracePeriod,
            MEMORY,
            r#"time: unknown unit "smoke" in duration "30smoke""#,
        ),
        (
            "T-9",
            maps(&[], &[(MEMORY, "1Mi")], &[(NODEFS, "1s")], &[]),
            Soft,
            MEMORY,
            "grace period must be specified for the soft eviction threshold memory.available",
        ),
        (
            "T-10 percent",
            maps(&[], &[], &[], &[(NODEFS, "0%")]),
            MinimumReclaim,
            NODEFS,
            "eviction percentage minimum reclaim nodefs.available must be positive: 0%",
        ),
        (
            "T-10 negative",
            maps(&[], &[], &[], &[(NODEFS, "-1Mi")]),
            MinimumReclaim,
            NODEFS,
            "negative eviction minimum reclaim specified for nodefs.available",
        ),
        (
            "T-11 hard before soft",
            maps(&[("b", "1")], &[("a", "1")], &[], &[]),
            Hard,
            "b",
            "unsupported eviction signal b",
        ),
    ];
    for (name, maps, field, signal, text) in cases {
        let error = Policy::parse(&maps).expect_err(name);
        assert_eq!((error.field, error.signal.as_str()), (field, signal), "{name}");
        assert_eq!(error.to_string(), text, "{name}");
    }
}

#[test]
fn strict_refuses_what_cannot_be_meant() {
    let taken: [(&str, Option<f32>); 3] =
        [("10%%", Some(0.1)), ("0.0%", Some(0.0)), ("100.0%", Some(1.0))];
    for (value, share) in taken {
        let kubelet = parse_value(Signal::NodefsAvailable, value, false);
        assert_eq!(kubelet, Ok(share.map(ThresholdValue::Percentage)), "{value}");
    }
    for value in ["10%%", "NaN%", "0.0%", "100.0%", "00%"] {
        assert!(parse_value(Signal::NodefsAvailable, value, false).is_ok(), "{value}");
        assert!(
            matches!(
                parse_value(Signal::NodefsAvailable, value, true),
                Err(PolicyErrorKind::Misleading { .. })
            ),
            "{value}"
        );
    }
}

#[test]
fn the_written_defaults_are_the_built_in_ones() {
    let parsed = Policy::parse(&EvictionMaps::linux_defaults()).unwrap();
    assert_eq!(parsed, Policy::linux_defaults());
}
