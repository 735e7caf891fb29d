use super::*;
use crate::check::sample::Case;

const CONFIG: &str = "evictionHard:
  memory.available: 1Gi
  nodefs.available: 10%
  pid.available: \"1000\"
evictionSoft:
  memory.available: 2Gi
evictionSoftGracePeriod:
  memory.available: 1m30s
evictionMinimumReclaim:
  memory.available: 500Mi
evictionMaxPodGracePeriod: 30
";

#[test]
fn one_node_as_people_see_it() {
    let case = Case::evictd(CONFIG)
        .with(Signal::PidAvailable, 900, 32_768)
        .node(|n| n.forget(Signal::AllocatableMemoryAvailable, "there is no cgroup /kubepods"));
    let text = case.asked(|report| render(report, Paint::none()));
    assert_eq!(text, include_str!("one_node.txt"), "\n{text}");
}

#[test]
fn nothing_in_force_is_said_in_words() {
    let case = Case::evictd("evictionHard: {}\n");
    let text = case.asked(|report| render(report, Paint::none()));
    assert!(text.contains("No threshold is in force.\n"), "{text}");
    assert!(text.contains("warning no-thresholds (T-3, T-20) c.yaml:1:1 evictionHard\n"), "{text}");
    assert!(!text.contains("SIGNAL"), "{text}");
}
