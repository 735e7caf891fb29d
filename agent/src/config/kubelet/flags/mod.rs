//! A kubelet's command line (T-19, T-22).
//!
//! Only flags that evictd has a use for are read; the others are the kubelet's own business and passed
//! over, and so is whatever stands between flags.

mod name;
mod words;

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
use name::{BoolFlag, Flag, TextFlag};
use words::words;

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
            TextFlag::MaxPods => {
                let pods = value
                    .parse()
                    .map_err(|_| self.error(name, format!("`{value}` is not a number of pods")))?;
                self.flags.layer.max_pods = Some(Placed { value: pods, at });
            }
            TextFlag::RuntimeEndpoint => {
                self.flags.layer.runtime_endpoint = Some(Placed { value: value.to_owned(), at });
            }
            TextFlag::ImageMinimumAge => {
                self.flags.layer.image_minimum_age = Some(Placed { value: value.to_owned(), at });
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
mod tests;
