//! Every recorded case of eviction maps, read from a file as people write it: the thresholds, or the
//! kubelet's own text after file, line, column and field.

use std::{collections::BTreeMap, fmt::Write as _};

use evictd_conformance::ThresholdCase;
use evictd_core::MapField;

use super::*;

const CASES: &str = include_str!("../../../../../tests/conformance/thresholds.jsonl");

/// The file, and the line of each entry of its maps.
struct Yaml {
    text: String,
    lines: BTreeMap<(&'static str, String), u64>,
}

/// One entry a line; texts in quotation marks, as JSON has them.
fn yaml(case: &ThresholdCase) -> Yaml {
    let maps = case.maps();
    let quoted = |text: &str| serde_json::to_string(text).expect("a text");
    let allocatable = serde_json::to_string(case.enforce_node_allocatable()).expect("a list");
    let mut text = format!("semantics: kubelet\nenforceNodeAllocatable: {allocatable}\n");
    let mut line = 2;
    let mut lines = BTreeMap::new();
    for (field, map) in [
        (MapField::Hard, &maps.hard),
        (MapField::Soft, &maps.soft),
        (MapField::SoftGracePeriod, &maps.soft_grace_period),
        (MapField::MinimumReclaim, &maps.minimum_reclaim),
    ] {
        line += 1;
        let none = if map.is_empty() { " {}" } else { "" };
        writeln!(text, "{field}:{none}").expect("a String");
        for (key, value) in map {
            line += 1;
            writeln!(text, "  {}: {}", quoted(key), quoted(value)).expect("a String");
            lines.insert((field.name(), key.clone()), line);
        }
    }
    Yaml { text, lines }
}

#[test]
fn recorded_maps_give_the_kubelets_thresholds_or_its_words() {
    let mut refused = 0;
    let cases = CASES.lines().map(|line| ThresholdCase::parse(line).expect(line));
    for case in cases {
        let yaml = yaml(&case);
        let got = Config::parse(Path::new("c.yaml"), &yaml.text);
        let judged = match &got {
            Ok(config) => case.judge(Ok(&config.policy.thresholds)),
            Err(error) => case.judge(Err(&error.problem)),
        };
        judged.unwrap_or_else(|failure| {
            panic!("{}: {}\n{}", case.id(), failure.difference, yaml.text)
        });
        if let Err(error) = got {
            refused += 1;
            let (field, key) = error.field.split_once('.').expect("map and key");
            let place = |((f, k), line): (&(&str, String), &u64)| {
                (*f == field && k == key).then_some(*line)
            };
            let line = yaml.lines.iter().find_map(place).expect("an entry");
            let begin =
                format!("c.yaml:{line}:{}: field {field}.{key}: {}", error.column, error.problem);
            assert!(error.column > 2, "{}", case.id());
            assert!(error.to_string().starts_with(&begin), "{}: {error}", case.id());
        }
    }
    assert_eq!(refused, 67);
}

#[test]
fn numbers_are_no_texts_here_either() {
    for value in ["1000", "1e3", "0.5", "0x10", "true", "-1", "[1Gi]", "{a: b}"] {
        let text = format!("semantics: kubelet\nevictionHard:\n  memory.available: {value}\n");
        let error = Config::parse(Path::new("c.yaml"), &text).expect_err(value).to_string();
        let begin = "c.yaml:3:21: field evictionHard.memory.available: found ";
        assert!(error.starts_with(begin), "{value}: {error}");
    }
    // Where the kubelet reads its file, null is an empty text.
    let null = "semantics: kubelet\nevictionHard:\n  memory.available: ~\n";
    let error = Config::parse(Path::new("c.yaml"), null).expect_err("null").to_string();
    assert!(
        error.starts_with("c.yaml:3:21: field evictionHard.memory.available: quantities must"),
        "{error}"
    );
}
