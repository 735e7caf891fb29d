//! A kubelet's command line (T-19, T-22).
//!
//! Only flags that evictd has a use for are read; the others are the kubelet's own business and passed
//! over, and so is whatever stands between flags.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use evictd_core::{FlagPairs, MapField};

use crate::config::{
    InputError, Place,
    layer::{Entry, EntryPlaces, Layer},
    place::Placed,
};

/// What errors call flags that stand on evictd's own command line.
const ARGUMENT: &str = "--kubelet-flags";

/// What the flags say.
#[derive(Debug)]
pub(in crate::config) struct KubeletFlags {
    /// `--config`
    pub(in crate::config) config: Option<PathBuf>,
    /// `--config-dir`
    pub(in crate::config) config_dir: Option<PathBuf>,
    /// Everything else.
    pub(in crate::config) layer: Layer,
}

/// The file an argument of the form `@FILE` names.
pub(in crate::config) fn file(argument: &str) -> Option<&Path> {
    argument.strip_prefix('@').map(Path::new)
}

/// Reads `argument`: the text of a command line, or `@FILE` with such a text or with assignments of
/// such texts to variables, as in `kubeadm-flags.env`.
pub(in crate::config) fn read(argument: &str) -> Result<KubeletFlags, InputError> {
    let (name, text) = match file(argument) {
        None => (Path::new(ARGUMENT), argument.to_owned()),
        Some(path) => {
            let text = fs::read_to_string(path)
                .map_err(|e| InputError::in_file(path, format!("cannot be read: {e}")))?;
            (path, text)
        }
    };
    let source: Arc<Path> = name.into();
    let mut reader = Reader {
        place: Place::whole(&source),
        ignore_allocatable: false,
        flags: KubeletFlags { config: None, config_dir: None, layer: Layer::default() },
    };
    let mut words = words(&text, &source)?.into_iter().peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else {
            continue;
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        // As the kubelet's own parser has it.
        let name = name.replace('_', "-");
        match Flag::from_name(&name) {
            None => {}
            Some(Flag::Bool(flag)) => reader.take_bool(flag, &name, value.as_deref())?,
            Some(Flag::Text(flag)) => {
                let value = value.or_else(|| words.next()).ok_or_else(|| {
                    InputError::at(&reader.place, format!("--{name}"), "needs a value")
                })?;
                reader.take_text(flag, &name, &value)?;
            }
        }
    }
    Ok(reader.finish())
}

/// The words of a text; those of an assigned value (`NAME="--a --b"`) one by one.
fn words(text: &str, source: &Arc<Path>) -> Result<Vec<String>, InputError> {
    let split = |text: &str| {
        shlex::split(text).ok_or_else(|| {
            let problem = "a quotation mark is not closed, or a backslash ends the text";
            InputError::in_file(source, problem.to_owned())
        })
    };
    let mut words = Vec::new();
    for word in split(text)? {
        match word.split_once('=') {
            Some((name, value)) if is_variable(name) => words.extend(split(value)?),
            Some(_) | None => words.push(word),
        }
    }
    Ok(words)
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A flag that is read.
#[derive(Clone, Copy)]
enum Flag {
    Text(TextFlag),
    Bool(BoolFlag),
}

/// Flags with a value, in the same word or in the next.
#[derive(Clone, Copy)]
enum TextFlag {
    Map(MapField),
    TransitionPeriod,
    MaxPodGrace,
    EnforceNodeAllocatable,
    FeatureGates,
    RootDirectory,
    CgroupRoot,
    Config,
    ConfigDir,
}

/// Flags that stand for true alone and take a value only after `=`.
#[derive(Clone, Copy)]
enum BoolFlag {
    IgnoreAllocatable,
    LocalStorageIsolation,
    KernelMemcgNotification,
}

impl Flag {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "eviction-hard" => Self::Text(TextFlag::Map(MapField::Hard)),
            "eviction-soft" => Self::Text(TextFlag::Map(MapField::Soft)),
            "eviction-soft-grace-period" => Self::Text(TextFlag::Map(MapField::SoftGracePeriod)),
            "eviction-minimum-reclaim" => Self::Text(TextFlag::Map(MapField::MinimumReclaim)),
            "eviction-pressure-transition-period" => Self::Text(TextFlag::TransitionPeriod),
            "eviction-max-pod-grace-period" => Self::Text(TextFlag::MaxPodGrace),
            "enforce-node-allocatable" => Self::Text(TextFlag::EnforceNodeAllocatable),
            "feature-gates" => Self::Text(TextFlag::FeatureGates),
            "root-dir" => Self::Text(TextFlag::RootDirectory),
            "cgroup-root" => Self::Text(TextFlag::CgroupRoot),
            "config" => Self::Text(TextFlag::Config),
            "config-dir" => Self::Text(TextFlag::ConfigDir),
            "experimental-allocatable-ignore-eviction" => Self::Bool(BoolFlag::IgnoreAllocatable),
            "local-storage-capacity-isolation" => Self::Bool(BoolFlag::LocalStorageIsolation),
            "kernel-memcg-notification" => Self::Bool(BoolFlag::KernelMemcgNotification),
            _ => return None,
        })
    }
}

struct Reader {
    place: Place,
    ignore_allocatable: bool,
    flags: KubeletFlags,
}

impl Reader {
    fn error(&self, name: &str, problem: impl Into<String>) -> InputError {
        InputError::at(&self.place, format!("--{name}"), problem)
    }

    fn take_bool(
        &mut self,
        flag: BoolFlag,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), InputError> {
        let value = self.parse_bool(name, value.unwrap_or("true"))?;
        match flag {
            BoolFlag::IgnoreAllocatable => self.ignore_allocatable = value,
            BoolFlag::LocalStorageIsolation => {
                self.flags.layer.local_storage_isolation = Some(value);
            }
            BoolFlag::KernelMemcgNotification => {
                self.flags.layer.kernel_memcg_notification = Some(value);
            }
        }
        Ok(())
    }

    fn take_text(&mut self, flag: TextFlag, name: &str, value: &str) -> Result<(), InputError> {
        let at = self.place.clone();
        let path = || (!value.is_empty()).then(|| PathBuf::from(value));
        match flag {
            TextFlag::Map(field) => self.take_map(field, name, value)?,
            TextFlag::TransitionPeriod => {
                self.flags.layer.transition_period = Some(Placed { value: value.to_owned(), at });
            }
            TextFlag::MaxPodGrace => {
                let seconds = value.parse().map_err(|_| {
                    self.error(name, format!("`{value}` is not a number of seconds"))
                })?;
                self.flags.layer.max_pod_grace = Some(Placed { value: seconds, at });
            }
            // Given again, lists and maps grow.
            TextFlag::EnforceNodeAllocatable => {
                let keys = value.split(',').filter(|key| !key.is_empty()).map(str::to_owned);
                self.flags.layer.enforce_node_allocatable.get_or_insert_default().extend(keys);
            }
            TextFlag::FeatureGates => {
                for pair in value.split(',').filter(|pair| !pair.is_empty()) {
                    let (gate, on) = pair.split_once('=').ok_or_else(|| {
                        self.error(name, format!("missing bool value for {pair}"))
                    })?;
                    let on = self.parse_bool(name, on.trim())?;
                    self.flags.layer.feature_gates.insert(gate.trim().to_owned(), on);
                }
            }
            TextFlag::RootDirectory => {
                self.flags.layer.root_directory = path().map(|value| Placed { value, at });
            }
            TextFlag::CgroupRoot => {
                self.flags.layer.cgroup_root = path().map(|value| Placed { value, at });
            }
            TextFlag::Config => self.flags.config = path(),
            TextFlag::ConfigDir => self.flags.config_dir = path(),
        }
        Ok(())
    }

    fn take_map(&mut self, field: MapField, name: &str, value: &str) -> Result<(), InputError> {
        let pairs = match field {
            MapField::Hard | MapField::Soft => FlagPairs::LessThan,
            MapField::SoftGracePeriod | MapField::MinimumReclaim => FlagPairs::Equals,
        };
        let map = pairs.parse(value).map_err(|e| self.error(name, e.to_string()))?;
        let places = EntryPlaces { key: self.place.clone(), value: self.place.clone() };
        let entries: BTreeMap<String, Entry> = map
            .into_iter()
            .map(|(signal, text)| (signal, Entry { text: Some(text), places: places.clone() }))
            .collect();
        self.flags.layer.maps[field].get_or_insert_default().extend(entries);
        Ok(())
    }

    fn parse_bool(&self, name: &str, text: &str) -> Result<bool, InputError> {
        match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => {
                let error = self.error(name, format!("`{text}` is neither true nor false"));
                Err(error.allowed("true, false"))
            }
        }
    }

    fn finish(mut self) -> KubeletFlags {
        // Thresholds are then made as if pods were not held to the allocatable (T-12).
        if self.ignore_allocatable {
            self.flags.layer.enforce_node_allocatable = Some(Vec::new());
        }
        self.flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hard(flags: &KubeletFlags) -> Option<BTreeMap<String, String>> {
        flags.layer.texts(MapField::Hard)
    }

    fn one(signal: &str, value: &str) -> Option<BTreeMap<String, String>> {
        Some(BTreeMap::from([(signal.to_owned(), value.to_owned())]))
    }

    #[test]
    fn every_way_of_writing_a_flag() {
        let gi = one("memory.available", "1Gi");
        let cases = [
            ("none", "kubelet --v=2 -h", None),
            ("equals", "--eviction-hard=memory.available<1Gi", gi.clone()),
            ("two words", "--eviction-hard memory.available<1Gi --v 2", gi.clone()),
            ("quoted", "--eviction-hard='memory.available<1Gi'", gi.clone()),
            ("all quoted", "\"--eviction-hard=memory.available < 1Gi\"", gi.clone()),
            ("underscores", "--eviction_hard=memory.available<1Gi", gi.clone()),
            (
                "an environment file",
                "# kubeadm's\nKUBELET_KUBEADM_ARGS=\"--v=2 --eviction-hard=memory.available<1Gi\"\n",
                gi.clone(),
            ),
            (
                "again: the maps are joined, the last value counts",
                "--eviction-hard=memory.available<2Gi --eviction-hard=memory.available<1Gi",
                gi,
            ),
            ("nothing in force", "--eviction-hard=", Some(BTreeMap::new())),
        ];
        for (name, text, expected) in cases {
            let flags = read(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(hard(&flags), expected, "{name}");
        }
    }

    #[test]
    fn every_flag_is_used() {
        let flags = read(
            "--eviction-soft=nodefs.available<20% --eviction-soft-grace-period=nodefs.available=1m \
             --eviction-minimum-reclaim=nodefs.available=1Gi \
             --eviction-pressure-transition-period=30s --eviction-max-pod-grace-period=-1 \
             --enforce-node-allocatable=none,pods --feature-gates=A=true,PodLevelResources=false \
             --feature-gates=B=0 --root-dir=/k --cgroup-root /c --config=/f --config-dir=/d \
             --local-storage-capacity-isolation=false --kernel-memcg-notification",
        )
        .expect("valid");
        let layer = &flags.layer;
        for (field, signal, value) in [
            (MapField::Soft, "nodefs.available", "20%"),
            (MapField::SoftGracePeriod, "nodefs.available", "1m"),
            (MapField::MinimumReclaim, "nodefs.available", "1Gi"),
        ] {
            assert_eq!(layer.texts(field), one(signal, value), "{field}");
        }
        assert_eq!(layer.transition_period.as_ref().map(|p| &*p.value), Some("30s"));
        assert_eq!(layer.max_pod_grace.as_ref().map(|p| p.value), Some(-1));
        assert_eq!(
            layer.enforce_node_allocatable.as_deref(),
            Some(&["none", "pods"].map(str::to_owned)[..])
        );
        let gates: Vec<_> = layer.feature_gates.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(gates, [("A", true), ("B", false), ("PodLevelResources", false)]);
        let path = |placed: &Option<Placed<PathBuf>>| placed.as_ref().map(|p| p.value.clone());
        assert_eq!(path(&layer.root_directory), Some("/k".into()));
        assert_eq!(path(&layer.cgroup_root), Some("/c".into()));
        assert_eq!((flags.config, flags.config_dir), (Some("/f".into()), Some("/d".into())));
        assert_eq!(layer.local_storage_isolation, Some(false));
        assert_eq!(layer.kernel_memcg_notification, Some(true));
        let ignoring = read("--experimental-allocatable-ignore-eviction").expect("valid");
        assert_eq!(ignoring.layer.enforce_node_allocatable, Some(Vec::new()));
    }

    #[test]
    fn mistakes_name_the_flag() {
        let cases = [
            (
                "--eviction-hard=memory.available=1Gi",
                "--kubelet-flags: field --eviction-hard: malformed pair, expect string<string",
            ),
            (
                "--eviction-minimum-reclaim=a",
                "--kubelet-flags: field --eviction-minimum-reclaim: malformed pair, expect \
                 string=string",
            ),
            ("--eviction-soft", "--kubelet-flags: field --eviction-soft: needs a value"),
            (
                "--feature-gates=A",
                "--kubelet-flags: field --feature-gates: missing bool value for A",
            ),
            (
                "--kernel-memcg-notification=maybe",
                "--kubelet-flags: field --kernel-memcg-notification: `maybe` is neither true nor \
                 false; allowed: true, false",
            ),
            (
                "--eviction-max-pod-grace-period=5s",
                "--kubelet-flags: field --eviction-max-pod-grace-period: `5s` is not a number of \
                 seconds",
            ),
            ("--a='b", "--kubelet-flags: a quotation mark is not closed"),
            ("@/nonexistent", "/nonexistent: cannot be read: "),
        ];
        for (text, expected) in cases {
            let error = read(text).expect_err(text).to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
