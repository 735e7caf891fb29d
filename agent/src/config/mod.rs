//! Configuration in two steps: as written, then as used ([`Config`]), whose fields cannot be wrong.
//!
//! Sources, each a [`layer`] of the fields that evictd shares with the kubelet: evictd's own file, a
//! KubeletConfiguration, its drop-ins, a kubelet's flags. A field of evictd's own file wins over the
//! kubelet's; of the kubelet's, flags win over drop-ins and these over its file.

pub(crate) mod document;
mod error;
mod eviction;
mod file;
mod kubelet;
mod layer;
mod layers;
mod log_writers;
mod margin;
mod node;
mod per_map;
mod place;
mod policy;
mod protect;
mod reclaim;
mod shared;
mod sources;
mod used;
mod watch;
mod written;

pub(crate) use kubelet::configz::as_file as kubelet_as_file;

pub use error::InputError;
pub use eviction::{ConfigKind, EvictionSettings};
pub use margin::KUBELET_MARGIN_PERCENT;
pub use node::NodeMarks;
pub use place::Place;
pub use protect::{Protect, ProtectRule};
pub use reclaim::ReclaimSettings;
pub use sources::{ConfigArgs, Sources};
pub use used::Config;
pub use watch::Watch;
pub use written::{MemorySource, Mode, WrittenSemantics};
