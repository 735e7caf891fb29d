//! What Prometheus is told, in OpenMetrics text: what evictd did, counted from its records, and what is
//! going on on the node, read when it is asked.

mod containers;
mod deeds;
mod node;
mod probes;
mod wakes;

use std::{fmt, sync::Arc};

use prometheus_client::{encoding::text, registry::Registry};

use crate::state::Answers;
pub use deeds::Deeds;

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Containers that have series of their own; all others share one.
const MOST_CONTAINERS: usize = 500;

/// Names and values of labels.
type Labels = Vec<(&'static str, String)>;

/// Everything that is told.
#[derive(Clone)]
pub struct Metrics {
    deeds: Arc<Deeds>,
    /// `None` where nobody can ask what is going on.
    answers: Option<Arc<Answers>>,
}

impl Metrics {
    /// What evictd did, and what `answers` can tell.
    pub const fn new(deeds: Arc<Deeds>, answers: Option<Arc<Answers>>) -> Self {
        Self { deeds, answers }
    }

    /// All of it, read now. Waits for the control loop, at most three seconds; what that does not tell in
    /// time is missing.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode_registry(&mut out, self.deeds.registry())?;
        if let Some(reading) = self.answers.as_ref().and_then(|answers| answers.read()) {
            let mut registry = Registry::with_prefix("evictd");
            node::register(&mut registry, &reading);
            probes::register(&mut registry, &reading);
            containers::register(&mut registry, &reading, MOST_CONTAINERS);
            text::encode_registry(&mut out, &registry)?;
        }
        text::encode_eof(&mut out)?;
        Ok(out)
    }
}
