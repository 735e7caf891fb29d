//! The configuration as used: checked, with defaults filled in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use evictd_core::{EvictionMaps, Policy, PolicyErrorKind, Semantics, Signal, parse_duration};

use super::{
    EvictionSettings, InputError, Mode, Protect, ProtectRule,
    document::{Document, Documents},
    written::{WrittenConfig, WrittenProtect, WrittenSemantics},
};

/// Everything the configuration file decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether decisions are carried out.
    pub mode: Mode,
    /// Thresholds and how they are applied.
    pub policy: Policy,
    /// What the thresholds were made from.
    pub eviction: EvictionSettings,
    /// nodefs is the file system that holds it; volumes are below it.
    pub root_directory: PathBuf,
    /// A path on imagefs, if that is watched.
    pub imagefs: Option<PathBuf>,
    /// The directory of container logs.
    pub pod_logs_dir: PathBuf,
    /// The cgroup that holds `kubepods`, from the root of each hierarchy.
    pub cgroup_root: PathBuf,
    /// The directory of Pod manifests.
    pub pods: PathBuf,
    /// Pods that are never evicted.
    pub protect: Protect,
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        Self::of(path, &Documents::read(path)?)
    }

    /// Checks `text`, calling it `path` in errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, InputError> {
        Self::of(path, &Documents::parse(path, text)?)
    }

    fn of(path: &Path, documents: &Documents<'_>) -> Result<Self, InputError> {
        if let Some(second) = documents.iter().nth(1) {
            let problem = format!("{} YAML documents", documents.len());
            return Err(second.error(&[], problem).allowed("one"));
        }
        // An empty file asks for the defaults.
        let empty = Documents::parse(path, "{}")?;
        let Some(document) = documents.iter().chain(empty.iter()).next() else {
            return Err(InputError::in_file(path, "has no document".to_owned()));
        };
        Self::check(document.to()?, document)
    }

    fn check(written: WrittenConfig, document: Document<'_>) -> Result<Self, InputError> {
        let eviction = eviction(&written);
        let policy = policy(&written, &eviction.maps, document)?;
        let path = |field: &str, value: Option<PathBuf>, default: &str| {
            let path = value.unwrap_or_else(|| default.into());
            if path.is_absolute() {
                return Ok(path);
            }
            let problem = format!("`{}` is not an absolute path", path.display());
            Err(document.error(&[field], problem).allowed("a path that starts with /"))
        };
        Ok(Self {
            mode: written.mode.unwrap_or_default(),
            policy,
            eviction,
            root_directory: path("rootDirectory", written.root_directory, "/var/lib/kubelet")?,
            imagefs: written.imagefs.map(|p| path("imagefs", Some(p), "")).transpose()?,
            pod_logs_dir: path("podLogsDir", written.pod_logs_dir, "/var/log/pods")?,
            cgroup_root: path("cgroupRoot", written.cgroup_root, "/")?,
            pods: path("pods", written.pods, "/etc/evictd/pods")?,
            protect: protect(written.protect.unwrap_or_default(), document)?,
        })
    }
}

fn eviction(written: &WrittenConfig) -> EvictionSettings {
    let map = |m: &Option<BTreeMap<String, String>>| m.clone().unwrap_or_default();
    let maps = EvictionMaps {
        hard: EvictionMaps::hard_in_force(written.eviction_hard.as_ref(), false),
        soft: map(&written.eviction_soft),
        soft_grace_period: map(&written.eviction_soft_grace_period),
        minimum_reclaim: map(&written.eviction_minimum_reclaim),
        semantics: match written.semantics.unwrap_or_default() {
            WrittenSemantics::Strict => Semantics::Strict,
            WrittenSemantics::Kubelet => Semantics::Kubelet,
        },
        ..EvictionMaps::default()
    };
    EvictionSettings { maps, written_hard: written.eviction_hard.clone(), ..Default::default() }
}

fn policy(
    written: &WrittenConfig,
    maps: &EvictionMaps,
    document: Document<'_>,
) -> Result<Policy, InputError> {
    let mut policy = Policy::parse(maps).map_err(|e| {
        let path = [e.field.name(), e.signal.as_str()];
        if matches!(e.kind, PolicyErrorKind::UnsupportedSignal { .. }) {
            let signals = Signal::ALL.map(Signal::name).join(", ");
            document.key_error(&path, e.to_string()).allowed(signals)
        } else {
            document.error(&path, e.to_string())
        }
    })?;
    if let Some(text) = &written.eviction_pressure_transition_period {
        let field = "evictionPressureTransitionPeriod";
        let period = parse_duration(text).map_err(|e| {
            document.error(&[field], e.to_string()).allowed("a Go duration such as 30s, 5m, 1h30m")
        })?;
        policy = policy.with_transition_period(period);
    }
    if let Some(seconds) = written.eviction_max_pod_grace_period {
        let seconds = u64::try_from(seconds).map_err(|_| {
            let problem = format!("{seconds} is negative");
            document.error(&["evictionMaxPodGracePeriod"], problem).allowed("seconds, from 0 on")
        })?;
        policy.max_pod_grace = Duration::from_secs(seconds);
    }
    Ok(policy)
}

fn protect(written: Vec<WrittenProtect>, document: Document<'_>) -> Result<Protect, InputError> {
    let mut rules = Vec::new();
    for (i, entry) in written.into_iter().enumerate() {
        let index = i.to_string();
        let Some(namespace) = entry.namespace.filter(|n| !n.is_empty()) else {
            let path = ["protect", &index, "namespace"];
            return Err(document.error(&path, "is required").allowed("the name of a namespace"));
        };
        rules.push(ProtectRule { namespace, name: entry.name });
    }
    Ok(Protect::new(rules))
}

#[cfg(test)]
mod tests {
    use evictd_core::Signal;

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("c.yaml"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn the_example_shows_the_defaults() {
        let text = include_str!("../../../deploy/evictd.yaml");
        let example = Config::parse(Path::new("deploy/evictd.yaml"), text).expect("valid");
        let defaults = Config::parse(Path::new("empty.yaml"), "").expect("valid");
        assert_eq!((example.mode, &example.policy), (defaults.mode, &defaults.policy));
        assert_eq!(example.root_directory, defaults.root_directory);
        assert_eq!(example.pods, defaults.pods);
        assert!(example.protect.covers("kube-system", "any"), "the one line that is no default");
    }

    #[test]
    fn an_empty_file_means_defaults() {
        for text in ["", "# nothing\n", "{}\n"] {
            let config = parse(text).expect(text);
            assert_eq!(config.mode, Mode::Observe);
            assert_eq!(config.policy, Policy::linux_defaults());
            assert_eq!(config.root_directory, Path::new("/var/lib/kubelet"));
            assert_eq!(config.imagefs, None);
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
        let paths =
            [&config.root_directory, &config.pod_logs_dir, &config.cgroup_root, &config.pods];
        assert_eq!(paths.map(PathBuf::as_path), ["/k", "/l", "/c", "/p"].map(Path::new));
        assert_eq!(config.imagefs.as_deref(), Some(Path::new("/i")));
        assert!(config.protect.covers("kube-system", "any") && !config.protect.covers("x", "z"));
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
                "c.yaml:1:28: field evictionMaxPodGracePeriod: found string \"7s\", expected i64",
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
}
