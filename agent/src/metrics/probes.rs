//! How the probes stand.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Labels;
use crate::state::Reading;

/// Registers the rung of each family (`none` where there is none), and what found no room.
pub(super) fn register(registry: &mut Registry, reading: &Reading) {
    let (rung, lost) = (Family::<Labels, Gauge>::default(), Family::<Labels, Counter>::default());
    for probe in &reading.probes {
        let name = probe.rung.as_deref().unwrap_or("none").to_owned();
        rung.get_or_create(&vec![("family", probe.family.clone()), ("rung", name)]).set(1);
        lost.get_or_create(&vec![("family", probe.family.clone())]).inc_by(probe.lost);
    }
    registry.register("probe_rung", "1 for the rung that each family of probes stands on.", rung);
    registry.register("probe_lost", "Keys that found no room in the kernel's maps", lost);
}
