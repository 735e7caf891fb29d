//! evictd's own file.

mod conformance;
mod kubelet;

use std::time::Duration;

use evictd_core::{KubeletOptions, MapField, Signal};

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("c.yaml"), text).map_err(|e| e.to_string())
}

#[test]
fn the_example_shows_the_defaults() {
    let text = include_str!("../../../../deploy/evictd.yaml");
    let example = Config::parse(Path::new("deploy/evictd.yaml"), text).expect("valid");
    let defaults = Config::parse(Path::new("empty.yaml"), "").expect("valid");
    assert_eq!((example.mode, &example.policy), (defaults.mode, &defaults.policy));
    assert_eq!(example.root_directory, defaults.root_directory);
    assert_eq!(example.pods, defaults.pods);
    assert!(example.protect.covers("kube-system", "any"), "the one line that is no default");
}

#[test]
fn the_clusters_configuration_leaves_mode_and_directories_to_the_manifests() {
    let base = include_str!("../../../../deploy/kustomize/base/evictd.yaml");
    let inherited =
        include_str!("../../../../deploy/kustomize/components/kubelet-thresholds/evictd.yaml");
    let defaults = parse("").expect("valid");
    for text in [base, inherited] {
        let config = parse(text).expect("valid");
        assert_eq!(config.mode, defaults.mode);
        assert_eq!(config.root_directory, defaults.root_directory);
        assert!(config.protect.covers("kube-system", "any"));
        assert_eq!(config.policy == defaults.policy, text == inherited, "{text}");
    }
}

#[test]
fn an_empty_file_means_defaults() {
    for text in ["", "# nothing\n", "{}\n"] {
        let config = parse(text).expect(text);
        assert_eq!(config.mode, Mode::Observe);
        assert_eq!(config.policy, Policy::linux_defaults());
        assert_eq!(config.root_directory, Path::new("/var/lib/kubelet"));
        assert_eq!(config.imagefs, None);
        assert_eq!(config.memory_source, MemorySource::Available);
    }
}

#[test]
fn the_memory_source_is_a_choice_in_both_semantics() {
    for semantics in ["strict", "kubelet"] {
        for (written, source) in
            [("available", MemorySource::Available), ("kubelet", MemorySource::Kubelet)]
        {
            let text = format!("semantics: {semantics}\nmemorySource: {written}\n");
            assert_eq!(parse(&text).expect("valid").memory_source, source, "{text}");
        }
    }
}

#[test]
fn every_field_is_used() {
    let config = parse(
        "mode: enforce\nsemantics: kubelet\nevictionHard: {memory.available: 100Mi}\n\
         evictionSoft: {nodefs.available: 20%}\n\
         evictionSoftGracePeriod: {nodefs.available: 1m30s}\n\
         evictionMinimumReclaim: {memory.available: 1Mi}\n\
         evictionPressureTransitionPeriod: 30s\nevictionMaxPodGracePeriod: 7\n\
         rootDirectory: /k\nimagefs: /i\npodLogsDir: /l\ncgroupRoot: /c\npods: /p\n\
         protect: [{namespace: kube-system}, {namespace: x, name: y}]\n",
    )
    .expect("valid");
    assert_eq!(config.mode, Mode::Enforce);
    assert_eq!(config.policy.semantics, Semantics::Kubelet);
    assert_eq!(config.policy.transition_period, Duration::from_secs(30));
    assert_eq!(config.policy.max_pod_grace, Duration::from_secs(7));
    let soft = config.policy.thresholds.iter().find(|t| t.signal == Signal::NodefsAvailable);
    assert_eq!(soft.map(|t| t.grace), Some(Duration::from_secs(90)));
    let paths = [&config.root_directory, &config.pod_logs_dir, &config.cgroup_root, &config.pods];
    assert_eq!(paths.map(PathBuf::as_path), ["/k", "/l", "/c", "/p"].map(Path::new));
    assert_eq!(config.imagefs.as_deref(), Some(Path::new("/i")));
    assert_eq!(config.memory_source, MemorySource::Kubelet, "the default in these semantics");
    assert!(config.protect.covers("kube-system", "any") && !config.protect.covers("x", "z"));
}

#[test]
fn the_kubelets_other_fields_are_taken_too() {
    let config = parse(
        "semantics: kubelet\nevictionHard: {memory.available: 1Gi}\nevictionMaxPodGracePeriod: -7\n\
         mergeDefaultEvictionSettings: true\nenforceNodeAllocatable: [none]\n\
         localStorageCapacityIsolation: false\n\
         featureGates: {KubeletSeparateDiskGC: false, AllBeta: true, PodLevelResources: false}\n",
    )
    .expect("valid");
    let signals: Vec<_> = config.policy.thresholds.iter().map(|t| t.signal.name()).collect();
    let disks =
        ["nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree"];
    assert_eq!(signals[0], "memory.available");
    assert_eq!(signals[1..], disks, "T-20 merged; T-12 no copy");
    assert!(config.eviction.merge_defaults);
    let expected = KubeletOptions {
        local_storage_isolation: false,
        separate_disk_gc: false,
        pod_level_resources: false,
        negative_max_pod_grace_seconds: Some(-7),
    };
    assert_eq!(config.policy.kubelet, expected, "E-6: taken over as it is");
    assert_eq!(config.policy.max_pod_grace, Duration::ZERO);
    let beta = parse("featureGates: {AllBeta: false}\n").expect("valid").policy.kubelet;
    assert!(!beta.separate_disk_gc && !beta.pod_level_resources);
}

#[test]
fn entries_in_force_know_their_place() {
    let text = "evictionSoft:\n  memory.available: 2Gi\nevictionSoftGracePeriod: \
                {memory.available: 1m}\n";
    let eviction = parse(text).expect("valid").eviction;
    let place = |map, signal| eviction.place(map, signal).map(|place| place.to_string());
    assert_eq!(place(MapField::Soft, "memory.available").as_deref(), Some("c.yaml:2:21"));
    let grace = place(MapField::SoftGracePeriod, "memory.available");
    assert_eq!(grace.as_deref(), Some("c.yaml:3:45"));
    assert_eq!(place(MapField::Hard, "memory.available"), None, "a default");
    assert_eq!(place(MapField::Soft, "nodefs.available"), None, "not in force");
}

#[test]
fn present_but_empty_thresholds_are_none() {
    assert!(parse("evictionHard: {}\n").expect("valid").policy.thresholds.is_empty());
}

#[test]
fn mistakes_are_told_with_their_place() {
    let cases = [
        (
            "unknown field",
            "mode: observe\nevictionHrad: {}\n",
            "c.yaml:2:1: field evictionHrad: unknown field `evictionHrad` (did you mean \
             `evictionHard`?); allowed: mode, semantics, ",
        ),
        (
            "unknown mode",
            "mode: obsrve\n",
            "c.yaml:1:7: field mode: unknown value `obsrve` (did you mean `observe`?); \
             allowed: observe, enforce",
        ),
        (
            "unknown signal",
            "evictionHard:\n  memory.free: 1Mi\n",
            "c.yaml:2:3: field evictionHard.memory.free: unsupported eviction signal \
             memory.free; allowed: memory.available, ",
        ),
        (
            "a signal of strict semantics",
            "semantics: kubelet\nevictionHard:\n  logfs.available: 1Mi\n",
            "c.yaml:3:3: field evictionHard.logfs.available: unsupported eviction signal \
             logfs.available; allowed: memory.available, ",
        ),
        (
            "unknown memory source",
            "memorySource: meminfo\n",
            "c.yaml:1:15: field memorySource: unknown value `meminfo`; allowed: available, kubelet",
        ),
        (
            "bad quantity",
            "evictionHard:\n  memory.available: 1Xi\n",
            "c.yaml:2:21: field evictionHard.memory.available: ",
        ),
        (
            "soft without grace",
            "evictionSoft:\n  memory.available: 1Gi\n",
            "c.yaml:2:21: field evictionSoft.memory.available: grace period must be specified",
        ),
        (
            "number for a text",
            "evictionHard:\n  memory.available: 1000\n",
            "c.yaml:2:21: field evictionHard.memory.available: found integer `1000`, \
             expected a string",
        ),
        (
            "text for a number",
            "evictionMaxPodGracePeriod: 7s\n",
            "c.yaml:1:28: field evictionMaxPodGracePeriod: found string \"7s\", expected i32",
        ),
        (
            "negative grace",
            "evictionMaxPodGracePeriod: -1\n",
            "c.yaml:1:28: field evictionMaxPodGracePeriod: -1 is negative; allowed: seconds",
        ),
        (
            "bad duration",
            "evictionPressureTransitionPeriod: 5\n",
            "c.yaml:1:35: field evictionPressureTransitionPeriod: found integer",
        ),
        (
            "duration without unit",
            "evictionPressureTransitionPeriod: \"5\"\n",
            "c.yaml:1:35: field evictionPressureTransitionPeriod: time: missing unit",
        ),
        (
            "relative path",
            "pods: etc/pods\n",
            "c.yaml:1:7: field pods: `etc/pods` is not an absolute path; allowed: a path",
        ),
        (
            "protect without namespace",
            "protect:\n  - namespace: a\n  - name: x\n",
            "c.yaml:3:5: field protect.1.namespace: is required; allowed: ",
        ),
        (
            "protect misspelt",
            "protect:\n  - namespac: a\n",
            "c.yaml:2:5: field protect.0.namespac: unknown field `namespac` (did you mean",
        ),
        (
            "not a mapping",
            "- a\n",
            "c.yaml:1:1: a sequence where a mapping belongs; allowed: mode, ",
        ),
        ("twice", "mode: observe\nmode: observe\n", "c.yaml:2:1: field mode: written twice"),
        ("broken", "mode: [observe\n", "c.yaml:"),
        ("tab", "evictionHard:\n\tx: 1\n", "c.yaml:2:2: not valid YAML: tabs disallowed"),
        (
            "two documents",
            "mode: observe\n---\nmode: enforce\n",
            "c.yaml:3:1: 2 YAML documents; allowed: one",
        ),
    ];
    for (name, text, expected) in cases {
        let error = parse(text).expect_err(name);
        assert!(error.starts_with(expected), "{name}: {error}");
    }
}
