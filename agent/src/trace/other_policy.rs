//! The part of the command line that names a policy other than the recorded one.

use std::path::PathBuf;

use evictd_core::Policy;

use crate::config::{Config, ConfigArgs, InputError, WrittenSemantics};

/// Another policy to try on a trace: the same sources as everywhere, none of them required.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OtherPolicy {
    /// Configuration, as for `evictd run`. Without any of these the recorded policy is taken.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The kubelet's configuration (its `--config`).
    #[arg(long, value_name = "FILE")]
    pub kubelet_config: Option<PathBuf>,

    /// The kubelet's drop-ins (its `--config-dir`).
    #[arg(long, value_name = "DIR")]
    pub kubelet_config_dir: Option<PathBuf>,

    /// The kubelet's command line, or `@FILE` with it.
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    pub kubelet_flags: Option<String>,

    /// Whose rules. Wins over the configuration.
    #[arg(long)]
    pub semantics: Option<WrittenSemantics>,
}

/// Without a trace there is no recorded policy.
const NO_CONFIG: &str = "is needed, or --kubelet-config FILE, --kubelet-flags FLAGS, --from TRACE";

impl OtherPolicy {
    /// True when nothing else than the recorded policy is named.
    pub const fn is_recorded(&self) -> bool {
        !self.has_config() && self.semantics.is_none()
    }

    const fn has_config(&self) -> bool {
        self.config.is_some()
            || self.kubelet_config.is_some()
            || self.kubelet_config_dir.is_some()
            || self.kubelet_flags.is_some()
    }

    /// The whole configuration, where there is no trace.
    ///
    /// # Errors
    /// What is wrong with it; also when none is named.
    pub fn read(&self) -> Result<Config, InputError> {
        if !self.has_config() {
            return Err(InputError::in_file("--config FILE".as_ref(), NO_CONFIG.to_owned()));
        }
        let args = self.clone();
        let args = ConfigArgs {
            config: args.config,
            kubelet_config: args.kubelet_config,
            kubelet_config_dir: args.kubelet_config_dir,
            kubelet_flags: args.kubelet_flags,
            semantics: args.semantics,
            pods: None,
        };
        args.read()
    }

    /// The policy in place of `recorded`, on disks that lie as they did when that was in force.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn instead_of(&self, recorded: &Policy) -> Result<Policy, InputError> {
        if self.has_config() {
            return Ok(Policy { layout: recorded.layout, ..self.read()?.policy });
        }
        let semantics = self.semantics.map_or(recorded.semantics, Into::into);
        Ok(Policy { semantics, ..recorded.clone() })
    }
}
