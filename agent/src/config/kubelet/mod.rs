//! What a kubelet is configured by: a file, drop-ins, flags.

pub(super) mod configz;
pub(super) mod drop_ins;
pub(super) mod file;
pub(super) mod flags;
