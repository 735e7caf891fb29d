//! The part of the command line that names a policy other than the recorded one.

use std::path::{Path, PathBuf};

use evictd_core::{Policy, Semantics};

use crate::config::{Config, InputError};

/// Another policy to try on a trace.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OtherPolicy {
    /// Configuration with the policy to try; without one the recorded policy is taken.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Whose rules to try: strict or kubelet. Wins over the configuration.
    #[arg(long, value_name = "SEMANTICS", value_parser = semantics)]
    pub semantics: Option<Semantics>,
}

impl OtherPolicy {
    /// True when nothing else than the recorded policy is named.
    pub const fn is_recorded(&self) -> bool {
        self.config.is_none() && self.semantics.is_none()
    }

    /// The whole configuration, where there is no trace.
    ///
    /// # Errors
    /// What is wrong with it; also when none is named.
    pub fn read(&self) -> Result<Config, InputError> {
        let Some(file) = &self.config else {
            return Err(InputError::in_file(Path::new("--config"), NO_CONFIG.to_owned()));
        };
        let mut config = Config::read(file)?;
        config.policy.semantics = self.semantics.unwrap_or(config.policy.semantics);
        Ok(config)
    }

    /// The policy in place of `recorded`, on disks that lie as they did when that was in force.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn instead_of(&self, recorded: &Policy) -> Result<Policy, InputError> {
        let mut policy = match &self.config {
            Some(_) => self.read()?.policy,
            None => recorded.clone(),
        };
        policy.layout = recorded.layout;
        policy.semantics = self.semantics.unwrap_or(policy.semantics);
        Ok(policy)
    }
}

/// Without a trace there is no recorded policy.
const NO_CONFIG: &str = "nothing says which node to look at; give --config FILE, or --from TRACE";

fn semantics(text: &str) -> Result<Semantics, String> {
    match text {
        "strict" => Ok(Semantics::Strict),
        "kubelet" => Ok(Semantics::Kubelet),
        _ => Err("allowed: strict, kubelet".to_owned()),
    }
}
