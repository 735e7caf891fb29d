//! The kernel's side of evictd, seen from user space: loading, counters, tripwires, records.

pub mod btf;
mod counters;
mod ladder;
mod load;
mod offsets;
mod reader;
mod ring;
mod tripwires;

pub use counters::Counters;
pub use ladder::{Attachment, Family, Hook, LADDER, Rung};
pub use load::{KERNEL_BTF, LoadError, LoadOptions, Refused, Standing, load};
pub use reader::{CounterReader, log_directory};
pub use ring::Ring;
pub use tripwires::Tripwires;
