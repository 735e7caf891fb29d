//! What holds for all rules, and how the families' tests ask.

use std::collections::BTreeSet;

use super::*;
use crate::check::sample::Case;

/// Holds the findings called `code` against `expected`: the severity and a part of the text of each.
#[track_caller]
pub(super) fn assert_found(name: &str, case: &Case, code: &str, expected: &[(Severity, &str)]) {
    let all = case.findings();
    let found: Vec<_> = all.iter().filter(|finding| finding.code == code).collect();
    assert_eq!(found.len(), expected.len(), "{name}: {all:#?}");
    for (finding, (severity, text)) in found.iter().zip(expected) {
        assert_eq!(finding.severity, *severity, "{name}: {finding:#?}");
        let whole = format!("{} Instead: {}", finding.text, finding.instead);
        assert!(whole.contains(text), "{name}: no {text:?} in {whole}");
    }
}

#[test]
fn codes_are_distinct_kebab_case_and_name_rules() {
    let mut codes = BTreeSet::new();
    let documented = include_str!("../../../../docs/kubelet-eviction.md");
    for rule in FAMILIES.into_iter().flatten() {
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(rule.code.chars().all(kebab), "{}", rule.code);
        assert!(codes.insert(rule.code), "{} twice", rule.code);
        for number in rule.because {
            assert!(documented.contains(&format!("**{number}**")), "{}: {number}", rule.code);
        }
    }
}

#[test]
fn a_sound_configuration_has_no_warning() {
    let sound = "evictionHard:\n  memory.available: 500Mi\n  nodefs.available: 10%\n  \
                 nodefs.inodesFree: 5%\n  pid.available: \"1000\"\n\
                 evictionSoft: {memory.available: 1Gi}\n\
                 evictionSoftGracePeriod: {memory.available: 1m}\n\
                 evictionMinimumReclaim: {memory.available: 100Mi}\n\
                 evictionMaxPodGracePeriod: 30\n";
    for (name, case) in [("defaults", Case::evictd("")), ("written", Case::evictd(sound))] {
        let findings = case.findings();
        assert!(findings.iter().all(|f| f.severity == Severity::Note), "{name}: {findings:#?}");
    }
}

#[test]
fn findings_point_at_what_was_written_and_warnings_come_first() {
    let text = "evictionHard:\n  memory.available: 17Gi\n  pid.available: 0%\n\
                evictionSoft: {memory.available: 18Gi}\n\
                evictionSoftGracePeriod: {memory.available: 1m}\n";
    let findings = Case::evictd(text).findings();
    let place = |code: &str| {
        findings
            .iter()
            .find(|f| f.code == code)
            .and_then(|f| f.place.as_ref().map(ToString::to_string))
    };
    assert_eq!(place("met-always").as_deref(), Some("c.yaml:2:21"));
    assert_eq!(place("switched-off").as_deref(), Some("c.yaml:3:18"));
    assert_eq!(place("defaults-dropped").as_deref(), Some("c.yaml:1:1"));
    assert_eq!(place("soft-without-pod-grace"), None, "a default is written nowhere");
    assert!(findings.is_sorted_by_key(|finding| finding.severity), "{findings:#?}");
}

#[test]
fn the_example_has_no_warning() {
    let example = Case::evictd(include_str!("../../../../deploy/evictd.yaml"));
    let findings = example.findings();
    assert!(findings.iter().all(|f| f.severity == Severity::Note), "{findings:#?}");
}
