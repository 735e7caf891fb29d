//! Where the configuration comes from: the part of the command line that every command on a node has.

use std::path::PathBuf;

use super::{Config, InputError};

/// The files and flags that a [`Config`] is made from.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigArgs {
    /// Configuration, YAML; the kubelet's own field names for everything the kubelet has.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,

    /// Standalone: a directory of ordinary Pod manifests. Wins over `pods` of the configuration.
    #[arg(long, value_name = "DIR")]
    pub pods: Option<PathBuf>,
}

impl ConfigArgs {
    /// Reads and checks all of them.
    pub fn read(&self) -> Result<Config, InputError> {
        let mut config = Config::read(&self.config)?;
        config.pods = self.pods.clone().unwrap_or(config.pods);
        Ok(config)
    }
}
