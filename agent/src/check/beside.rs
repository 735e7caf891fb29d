//! The kubelet that runs on the same node: what it would act on.

use std::path::{Path, PathBuf};

use super::args::Args;
use crate::config::{Config, ConfigKind, InputError, Sources, WrittenSemantics};

/// Where a kubelet's configuration usually is.
pub const USUAL_FILE: &str = "/var/lib/kubelet/config.yaml";

/// The kubelet that evictd's thresholds are compared with.
#[derive(Clone, Debug)]
pub enum Beside {
    /// No comparison is wanted: the file is the kubelet's own.
    Nobody,
    /// There may be one, but its configuration is not known, for this reason.
    Unknown(String),
    /// Its configuration.
    Kubelet {
        /// The file.
        path: PathBuf,
        /// What it says.
        config: Box<Config>,
    },
}

impl Beside {
    /// Reads the configuration of the kubelet beside `config`: the one that was named, else where it
    /// usually is.
    ///
    /// # Errors
    /// Only a file that was named has to be a good one.
    pub fn find(config: &Config, args: &Args) -> Result<Self, InputError> {
        let usual = Path::new(USUAL_FILE);
        match &args.kubelet {
            Some(path) => Self::read(path, args),
            None if config.eviction.kind == ConfigKind::Kubelet => Ok(Self::Nobody),
            None if args.no_node => Ok(Self::Unknown("no --kubelet was given".to_owned())),
            None if !usual.exists() => {
                Ok(Self::Unknown(format!("no --kubelet was given and there is no {USUAL_FILE}")))
            }
            None => Ok(Self::read(usual, args).unwrap_or_else(|e| Self::Unknown(e.to_string()))),
        }
    }

    fn read(path: &Path, args: &Args) -> Result<Self, InputError> {
        let file = Sources {
            kubelet_config: Some(path.to_owned()),
            semantics: Some(WrittenSemantics::Kubelet),
            ..Sources::default()
        };
        let config = args.with_kubelet_sources(file).read()?;
        Ok(Self::Kubelet { path: path.to_owned(), config: Box::new(config) })
    }

    /// The file, if one was read.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Kubelet { path, .. } => Some(path),
            Self::Nobody | Self::Unknown(_) => None,
        }
    }
}
