//! The pure half of evictd: observations and time in, commands out.
//!
//! Nothing here reads a clock, a file or a socket; see [`Evaluator`]. Rule numbers (S-1, L-4, E-26 and
//! so on) are those of the specification of the kubelet's behaviour.

mod bar;
mod cadence;
mod command;
mod duration;
mod evaluator;
mod figure;
mod fill_rate;
mod layout;
mod message;
mod observation;
mod pod;
mod policy;
mod quantity;
mod rank;
mod signal;
mod threshold;
mod time;

pub use bar::Bar;
pub use cadence::{MEMORY_LOOK, WORST_FILL_RATE, memory_look, tripwire_budget};
pub use command::{Command, Eviction, EvictionId, Outcome, RefusedReason};
pub use duration::{DurationError, parse_duration};
pub use evaluator::Evaluator;
pub use fill_rate::FillRate;
pub use layout::FsLayout;
pub use message::EvictionMessage;
pub use observation::{NodeSignals, Observation, SignalObservation};
pub use pod::{DiskUsage, PodFacts, PodObservation, PodRef, PodUsage, Qos};
pub use policy::{
    EvictionMaps, MapField, Policy, PolicyError, PolicyErrorKind, ReleaseDeadlines, Semantics,
};
pub use quantity::{Format, Quantity, QuantityError};
pub use rank::{Comparator, Placement};
pub use signal::{NodeCondition, Resource, Signal};
pub use threshold::{Threshold, ThresholdValue};
pub use time::MonoTime;
