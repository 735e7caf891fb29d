//! A kubelet's configuration: file, drop-ins, flags, alone and together with evictd's own file.

use std::fs;

use evictd_core::{EvictionMaps, MapField};
use tempfile::TempDir;

use super::*;
use crate::config::{ConfigKind, Sources};

const HEAD: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

/// What evictd is given. Empty texts are not given.
#[derive(Clone, Copy, Default)]
struct Given<'a> {
    own: &'a str,
    file: Option<&'a str>,
    drop_ins: &'a [(&'a str, &'a str)],
    flags: Option<&'a str>,
}

impl Given<'_> {
    fn args(&self, dir: &TempDir) -> Sources {
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(&path, text).expect("written");
            path
        };
        for (name, text) in self.drop_ins {
            write(&format!("conf.d/{name}"), &format!("{HEAD}{text}"));
        }
        Sources {
            config: (!self.own.is_empty()).then(|| write("evictd.yaml", self.own)),
            kubelet_config: self.file.map(|text| write("kubelet.yaml", &format!("{HEAD}{text}"))),
            kubelet_config_dir: (!self.drop_ins.is_empty()).then(|| dir.path().join("conf.d")),
            kubelet_flags: self.flags.map(str::to_owned),
            ..Sources::default()
        }
    }

    fn read(&self) -> Result<Config, String> {
        let dir = tempfile::tempdir().expect("temporary directory");
        let prefix = format!("{}/", dir.path().display());
        self.args(&dir).read().map_err(|error| error.to_string().replace(&prefix, ""))
    }
}

/// Signals and values in force, without the defaults' values.
fn hard(maps: &EvictionMaps) -> String {
    let defaults = EvictionMaps::linux_defaults().hard;
    let entry = |(key, value): (&String, &String)| match defaults.get(key) {
        Some(default) if default == value => key.clone(),
        Some(_) | None => format!("{key}={value}"),
    };
    maps.hard.iter().map(entry).collect::<Vec<_>>().join(" ")
}

const DISKS: &str = "imagefs.available imagefs.inodesFree nodefs.available nodefs.inodesFree";

#[test]
fn the_hard_thresholds_in_force() {
    let gi = "evictionHard: {memory.available: 1Gi}\n";
    let merged = "evictionHard: {memory.available: 1Gi}\nmergeDefaultEvictionSettings: true\n";
    let none = Given::default();
    let file = |text| Given { file: Some(text), ..none };
    let all =
        "imagefs.available imagefs.inodesFree memory.available nodefs.available nodefs.inodesFree";
    let with_gi = all.replace("memory.available", "memory.available=1Gi");
    let with_2gi = all.replace("memory.available", "memory.available=2Gi");
    let cases = [
        ("T-18 the file has none", file(""), all),
        ("T-18 the file has null", file("evictionHard: ~\n"), all),
        ("T-20 an empty map", file("evictionHard: {}\n"), ""),
        ("E-8 one key", file(gi), "memory.available=1Gi"),
        ("T-20 merged", file(merged), &with_gi),
        ("T-19, E-7 flags only", Given { flags: Some("--v=2"), ..none }, ""),
        (
            "T-22 flags only, one of them",
            Given { flags: Some("--eviction-hard=memory.available<1Gi"), ..none },
            "memory.available=1Gi",
        ),
        (
            "T-22 flags replace the map",
            Given { flags: Some("--eviction-hard=pid.available<10"), ..file(merged) },
            "pid.available=10",
        ),
        ("T-21, E-9 a drop-in", Given { drop_ins: &[("a.conf", gi)], ..file("") }, &with_gi),
        (
            "T-21 drop-ins by name, others passed over",
            Given {
                drop_ins: &[
                    ("20.conf", "evictionHard: {memory.available: 2Gi}\n"),
                    ("10.conf", gi),
                    ("sub/05.conf", "evictionHard: {imagefs.available: ~}\n"),
                    ("30.yaml", "evictionHard: {memory.available: 3Gi}\n"),
                ],
                ..file("")
            },
            &with_2gi.replace("imagefs.available ", ""),
        ),
        (
            "T-21 merging in a drop-in does nothing",
            Given { drop_ins: &[("a.conf", "mergeDefaultEvictionSettings: true\n")], ..file(gi) },
            "memory.available=1Gi",
        ),
        (
            "drop-ins without a file",
            Given { drop_ins: &[("a.conf", gi)], ..none },
            "memory.available=1Gi",
        ),
        (
            "evictd's own without the map",
            Given { own: "mode: observe\n", ..file(gi) },
            "memory.available=1Gi",
        ),
        (
            "evictd's own map wins over everything",
            Given {
                own: "evictionHard: {pid.available: \"10\"}\n",
                flags: Some("--eviction-hard=memory.available<2Gi"),
                drop_ins: &[("a.conf", gi)],
                ..file("")
            },
            "pid.available=10",
        ),
        (
            "evictd's own map is merged too",
            Given { own: merged, flags: Some("--eviction-hard=pid.available<10"), ..none },
            &with_gi,
        ),
    ];
    for (name, given, expected) in cases {
        let config = given.read().unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(hard(&config.eviction.maps), expected, "{name}");
    }
    assert_eq!(all.replace("memory.available ", ""), DISKS);
}

#[test]
fn fields_are_taken_one_by_one_from_the_strongest_source() {
    let given = Given {
        own: "evictionPressureTransitionPeriod: 10s\nsemantics: kubelet\n",
        file: Some(
            "evictionPressureTransitionPeriod: 20s\nevictionMaxPodGracePeriod: 1\n\
             featureGates: {KubeletSeparateDiskGC: false, PodLevelResources: false}\n\
             evictionSoft: {nodefs.available: 20%}\npodLogsDir: /logs\ncgroupRoot: \"\"\n\
             evictionSoftGracePeriod: {nodefs.available: 1m}\nkernelMemcgNotification: true\n\
             enforceNodeAllocatable: []\nauthentication: {anonymous: {enabled: false}}\n",
        ),
        drop_ins: &[(
            "a.conf",
            "evictionMaxPodGracePeriod: 2\nevictionSoftGracePeriod: {nodefs.available: 2m}\n",
        )],
        flags: Some(
            "kubelet --feature-gates=PodLevelResources=true --eviction-max-pod-grace-period=-3 \
             --root-dir=/k --enforce-node-allocatable=pods",
        ),
    };
    let config = given.read().expect("valid");
    assert_eq!(config.policy.transition_period, Duration::from_secs(10), "evictd's own");
    assert_eq!(config.policy.kubelet.negative_max_pod_grace_seconds, Some(-3), "a flag");
    assert!(!config.policy.kubelet.separate_disk_gc, "the file's gate");
    assert!(config.policy.kubelet.pod_level_resources, "the flag's gate");
    assert!(config.eviction.maps.enforce_pods, "the flag's list");
    assert_eq!(config.root_directory, Path::new("/k"));
    assert_eq!((&*config.pod_logs_dir, &*config.cgroup_root), (Path::new("/logs"), Path::new("/")));
    assert_eq!(config.eviction.kind, ConfigKind::Kubelet);
    assert!(config.eviction.kernel_memcg_notification);
    let grace = config.policy.thresholds.iter().find(|t| !t.is_hard()).map(|t| t.grace);
    assert_eq!(grace, Some(Duration::from_secs(120)), "the drop-in's");
}

#[test]
fn places_name_the_source_that_decided() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let given = Given {
        file: Some("evictionHard: {memory.available: 1Gi, pid.available: \"9\"}\n"),
        drop_ins: &[("a.conf", "evictionHard:\n  memory.available: 2Gi\n")],
        flags: Some("--eviction-minimum-reclaim=memory.available=1Mi"),
        ..Given::default()
    };
    let eviction = given.args(&dir).read().expect("valid").eviction;
    let prefix = format!("{}/", dir.path().display());
    let place = |map, signal| {
        eviction.place(map, signal).map(|place| place.to_string().replace(&prefix, ""))
    };
    let cases = [
        (MapField::Hard, "memory.available", Some("conf.d/a.conf:4:21")),
        (MapField::Hard, "pid.available", Some("kubelet.yaml:3:54")),
        (MapField::MinimumReclaim, "memory.available", Some("--kubelet-flags")),
        (MapField::Soft, "memory.available", None),
    ];
    for (map, signal, expected) in cases {
        assert_eq!(place(map, signal).as_deref(), expected, "{map} {signal}");
    }
}

#[test]
fn the_kubelets_files_are_found_through_its_flags() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("kubelet.yaml");
    fs::write(&file, format!("{HEAD}evictionHard: {{pid.available: \"7\"}}\n")).expect("written");
    let env = dir.path().join("flags.env");
    let text = format!("ARGS=\"--config={} --eviction-soft=\"\n", file.display());
    fs::write(&env, text).expect("written");
    let args = Sources { kubelet_flags: Some(format!("@{}", env.display())), ..Sources::default() };
    let config = args.read().expect("valid");
    assert_eq!(hard(&config.eviction.maps), "pid.available=7");
    assert_eq!(args.files(), [env, file]);
}

#[test]
fn a_kubelets_file_is_known_by_its_kind() {
    let text = format!("{HEAD}evictionHard: {{pid.available: \"7\"}}\nmaxPods: 250\n");
    let config = Config::parse(Path::new("k.yaml"), &text).expect("valid");
    assert_eq!(config.eviction.kind, ConfigKind::Kubelet);
    assert_eq!((hard(&config.eviction.maps).as_str(), config.max_pods), ("pid.available=7", 250));
    let json = r#"{"kind": "KubeletConfiguration", "evictionHard": {},
        "apiVersion": "kubelet.config.k8s.io/v1beta1"}"#;
    let config = Config::parse(Path::new("k.json"), json).expect("valid");
    assert_eq!(config.max_pods, 110);
    assert!(config.policy.thresholds.is_empty());
}

#[test]
fn mistakes_are_told_with_their_place() {
    let none = Given::default();
    let file = |text| Given { file: Some(text), ..none };
    let cases = [
        (
            "misspelt",
            file("evictionHrad: {}\n"),
            "kubelet.yaml:3:1: field evictionHrad: unknown field `evictionHrad` (did you mean \
             `evictionHard`?); allowed: evictionHard, ",
        ),
        (
            "a field of evictd's own",
            file("protect: []\n"),
            "kubelet.yaml:3:1: field protect: unknown field `protect`",
        ),
        (
            "a number for a text",
            file("evictionHard: {memory.available: 1000}\n"),
            "kubelet.yaml:3:34: field evictionHard.memory.available: found integer `1000`, expected",
        ),
        (
            "a drop-in",
            Given {
                drop_ins: &[("a.conf", "evictionHard: {memory.available: 1Xi}\n")],
                ..file("")
            },
            "conf.d/a.conf:3:34: field evictionHard.memory.available: quantities must match",
        ),
        (
            "a drop-in that takes a grace period away",
            Given {
                drop_ins: &[("a.conf", "evictionSoftGracePeriod: {pid.available: ~}\n")],
                ..file(
                    "evictionSoft: {pid.available: 5%}\nevictionSoftGracePeriod: {pid.available: 1s}\n",
                )
            },
            "kubelet.yaml:3:31: field evictionSoft.pid.available: grace period must be specified for \
             the soft eviction threshold pid.available",
        ),
        (
            "a flag",
            Given { flags: Some("--eviction-hard=memory.free<1Gi"), ..none },
            "--kubelet-flags: field evictionHard.memory.free: unsupported eviction signal memory.free; \
             allowed: ",
        ),
        (
            "a flag's duration",
            Given { flags: Some("--eviction-pressure-transition-period=5"), ..none },
            "--kubelet-flags: field evictionPressureTransitionPeriod: time: missing unit",
        ),
        (
            "E-6 negative, in strict semantics",
            file("evictionMaxPodGracePeriod: -1\n"),
            "kubelet.yaml:3:28: field evictionMaxPodGracePeriod: -1 is negative",
        ),
        (
            "two of the kubelet's",
            Given { own: HEAD, ..file("") },
            "evictd.yaml: is a KubeletConfiguration, and so is that of --kubelet-config; allowed: ",
        ),
    ];
    for (name, given, expected) in cases {
        let error = given.read().expect_err(name);
        assert!(error.starts_with(expected), "{name}: {error}");
    }
    for (text, expected) in [
        (
            "kind: Deployment\n",
            "k.yaml:1:7: field kind: `Deployment` is not read here; allowed: Kub",
        ),
        (
            "kind: KubeletConfiguration\n",
            "k.yaml:1:1: field apiVersion: is required; allowed: kubelet",
        ),
        (
            "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1\n",
            "k.yaml:2:13: field apiVersion: `kubelet.config.k8s.io/v1` is not read here; allowed: ",
        ),
    ] {
        let error = Config::parse(Path::new("k.yaml"), text).expect_err(text).to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}
