//! The part of the command line that names a policy other than the recorded one.

use evictd_core::Policy;

use crate::config::{InputError, Sources};

/// Another policy to try on a trace: without any of these the recorded one is taken.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OtherPolicy {
    /// The same sources as everywhere, none of them required.
    #[command(flatten)]
    pub sources: Sources,
}

impl OtherPolicy {
    /// True when nothing else than the recorded policy is named.
    pub const fn is_recorded(&self) -> bool {
        !self.sources.is_any() && self.sources.semantics.is_none()
    }

    /// The policy in place of `recorded`, on disks that lie as they did when that was in force.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn instead_of(&self, recorded: &Policy) -> Result<Policy, InputError> {
        if self.sources.is_any() {
            return Ok(Policy { layout: recorded.layout, ..self.sources.read()?.policy });
        }
        let semantics = self.sources.semantics.map_or(recorded.semantics, Into::into);
        Ok(Policy { semantics, ..recorded.clone() })
    }
}
