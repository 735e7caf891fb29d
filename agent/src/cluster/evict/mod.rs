//! Soft evictions through the API: `policy/v1` Eviction, so that disruption budgets are heard.
//!
//! The API server deletes the pod with the grace it was given, and the kubelet ends it. A refusal goes
//! back to the evaluator, which may take the next pod. Waiting as KEP-4563 (evacuation requests) has
//! it, where other controllers move a pod away first, is left out.

mod answer;
mod asking;
mod evictor;
mod refusals;
mod request;
mod worker;

pub use evictor::{Answered, Evictor};
pub use request::Request;
pub use worker::EvictWorker;
