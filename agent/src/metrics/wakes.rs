//! How often the control loop woke, and why.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::Labels;
use crate::run::record::WokenBy;

/// A counter for each reason, made beforehand: counting looks up nothing and allocates nothing.
#[derive(Debug)]
pub(super) struct Wakes([(WokenBy, Counter); 5]);

impl Wakes {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let family = Family::<Labels, Counter>::default();
        let labels = |by: WokenBy| vec![("reason", by.name().to_owned())];
        let counters = WokenBy::ALL.map(|by| (by, family.get_or_create_owned(&labels(by))));
        let text =
            "Times signals were looked at: for a tripwire, reclaim, memory event, look or tick";
        registry.register("wakes", text, family);
        Self(counters)
    }

    pub(super) fn count(&self, by: WokenBy) {
        if let Some((_, counter)) = self.0.iter().find(|(of, _)| *of == by) {
            counter.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_series_before_it_is_counted() {
        let mut registry = Registry::default();
        let wakes = Wakes::register(&mut registry);
        wakes.count(WokenBy::MemoryEvent);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let series = |line: &&str| line.starts_with("wakes_total");
        let mut found: Vec<&str> = text.lines().filter(series).collect();
        found.sort_unstable();
        let wanted = [
            r#"wakes_total{reason="look"} 0"#,
            r#"wakes_total{reason="memory-event"} 1"#,
            r#"wakes_total{reason="reclaim"} 0"#,
            r#"wakes_total{reason="tick"} 0"#,
            r#"wakes_total{reason="tripwire"} 0"#,
        ];
        assert_eq!(found, wanted);
    }
}
