//! The pure half of evictd: observations and time in, commands out.
//!
//! Nothing here reads a clock, a file or a socket; see [`Evaluator`].

mod command;
mod observation;
mod pod;
mod signal;
mod time;

pub use command::{Command, Eviction, EvictionId, Outcome, RefusedReason};
pub use observation::{NodeSignals, Observation, SignalObservation};
pub use pod::{DiskUsage, PodFacts, PodObservation, PodRef, PodUsage, Qos};
pub use signal::{NodeCondition, Resource, Signal};
pub use time::MonoTime;
