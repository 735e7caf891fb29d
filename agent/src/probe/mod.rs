//! The kernel's side of evictd, seen from user space: loading, counters, tripwires, records.

pub mod btf;
mod counters;
mod filesystem;
mod ladder;
mod load;
mod offsets;
mod owners;
mod reader;
mod ring;
mod sizes;
mod tripwires;

pub use counters::Counters;
pub use filesystem::FsKind;
pub use ladder::{Attachment, Family, ForcedRung, Hook, LADDER, Rung, serves, with_forced};
pub use load::{KERNEL_BTF, LoadError, LoadOptions, Refused, Standing, load};
pub use owners::FileOwners;
pub use reader::{CounterReader, Grown, Written, log_directory};
pub use ring::Ring;
pub use sizes::{map_bytes, map_sizes};
pub use tripwires::Tripwires;
