//! The kernel's side of evictd, seen from user space: loading, counters, tripwires, records.

pub mod btf;
mod cgroup_files;
mod counters;
mod departed;
mod filesystem;
mod ladder;
mod load;
mod lockdown;
mod offsets;
mod owners;
mod reader;
mod refusal;
mod ring;
mod sizes;
mod standing;
mod tracefs;
mod tripwires;
mod types;

pub use cgroup_files::{CgroupFiles, FileSource, Shortage};
pub use counters::Counters;
pub use filesystem::FsKind;
pub use ladder::{
    Attachment, Family, ForcedRung, Hook, LADDER, Rung, counts_logs, serves, source, with_forced,
};
pub use load::{KERNEL_BTF, LoadError, LoadOptions, load};
pub use lockdown::lockdown;
pub use owners::FileOwners;
pub use reader::{CounterReader, Grown, Written, log_directory};
pub use ring::Ring;
pub use sizes::{MapSizes, map_bytes, most_cgroup_files};
pub use standing::{Refused, Standing};
pub use tracefs::{Field, Tracefs};
pub use tripwires::Tripwires;
