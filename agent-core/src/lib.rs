//! The pure half of evictd: observations and time in, commands out.
//!
//! Nothing here reads a clock, a file or a socket; see [`Evaluator`]. Rule numbers (S-1, L-4, E-26 and
//! so on) are those of the specification of the kubelet's behaviour.

mod admission;
mod aggregate;
mod bar;
mod cadence;
mod command;
mod condition_text;
mod decision;
mod demand;
mod disks;
mod duration;
mod evaluator;
mod explanation;
mod figure;
mod fill_rate;
mod forecast;
mod go;
mod layout;
mod log_writes;
mod message;
mod node_stats;
mod observation;
mod pod;
mod policy;
mod quantity;
mod rank;
mod report;
#[cfg(feature = "serde")]
mod serial;
mod signal;
mod spec;
mod stats;
mod storage_limit;
mod threshold;
mod time;

pub use admission::{Applicant, NodeConditions};
pub use bar::Bar;
pub use cadence::{
    MEMORY_LOOK, WORST_FILL_RATE, WORST_FORK_RATE, memory_look, task_look, tripwire_budget,
};
pub use command::{Command, Eviction, EvictionId, EvictionReason, Outcome, RefusedReason};
pub use condition_text::ConditionText;
pub use decision::Decision;
pub use disks::{DiskInfo, LayoutError, ReclaimStep, RuntimeFs, has_dedicated_imagefs};
pub use duration::{DurationError, parse_duration};
pub use evaluator::Evaluator;
pub use explanation::{Amount, Explanation, UsageAndRequest};
pub use fill_rate::FillRate;
pub use forecast::Forecast;
pub use layout::FsLayout;
pub use log_writes::{LOG_READING_INTERVAL, LogWriterReport, LogWrites};
pub use message::EvictionMessage;
pub use node_stats::{FilesystemStats, MemoryStats, NodeStats, TaskStats};
pub use observation::{NodeSignals, Observation, SignalObservation, Summary};
pub use pod::{DiskUsage, PodFacts, PodObservation, PodRef, PodUsage, Qos};
pub use policy::{
    DropIn, EvictionMaps, FlagError, FlagPairs, KubeletOptions, LogWriterAction, LogWriterPolicy,
    MapField, NodeReclaim, Policy, PolicyError, PolicyErrorKind, ReleaseDeadlines, Semantics,
};
pub use quantity::{Format, Quantity, QuantityError};
pub use rank::{Comparator, Placement, rank_pods};
pub use report::EvictionReport;
pub use signal::{NodeCondition, Resource, Signal};
pub use spec::{
    Container, PodLevelResources, PodSpec, PodSpecParts, ResourceList, Volume, VolumeKind,
};
pub use stats::{ContainerStats, FsStats, PodStats, VolumeStats};
pub use storage_limit::{LimitEviction, StorageLimit};
pub use threshold::{Threshold, ThresholdValue};
pub use time::MonoTime;
