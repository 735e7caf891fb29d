//! Configuration in two steps: as written (`written`), then as used ([`Config`]), whose fields
//! cannot be wrong.

pub(crate) mod document;
mod error;
mod eviction;
mod protect;
mod sources;
mod used;
mod written;

pub use error::InputError;
pub use eviction::{ConfigKind, EvictionSettings};
pub use protect::{Protect, ProtectRule};
pub use sources::ConfigArgs;
pub use used::Config;
pub use written::{MemorySource, Mode};
