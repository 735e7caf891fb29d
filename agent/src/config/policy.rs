//! The policy that the layers ask for.

use std::time::Duration;

use evictd_core::{
    KubeletOptions, MapField, Policy, PolicyErrorKind, Semantics, Signal, parse_duration,
};

use super::{
    EvictionSettings, InputError, KUBELET_MARGIN_PERCENT, Place, layers::Layers, place::Placed,
};

/// Makes the policy of `settings`, which were made from `layers`.
///
/// What is taken over from the kubelet is raised by `margin`, so that evictd acts first. In kubelet
/// semantics there is none unless it is asked for.
pub(super) fn policy(
    layers: &Layers,
    settings: &EvictionSettings,
    margin: Option<f32>,
) -> Result<Policy, InputError> {
    let usual = match settings.maps.semantics {
        Semantics::Strict => f32::from(KUBELET_MARGIN_PERCENT) / 100.0,
        Semantics::Kubelet => 0.0,
    };
    let margin = margin.unwrap_or(usual);
    let of = |field| if layers.is_kubelets(field) { margin } else { 0.0 };
    let mut policy = thresholds(settings)?.with_margins(of(MapField::Hard), of(MapField::Soft));
    if let Some(period) = layers.first(|layer| layer.transition_period.as_ref()) {
        policy = policy.with_transition_period(transition_period(period)?);
    }
    let grace = layers.first(|layer| layer.max_pod_grace.as_ref());
    let seconds = grace.map_or(0, |grace| grace.value);
    if let (Some(grace), Semantics::Strict) = (grace.filter(|g| g.value < 0), policy.semantics) {
        let problem = format!("{seconds} is negative");
        let error = InputError::at(&grace.at, "evictionMaxPodGracePeriod", problem);
        return Err(error.allowed("seconds, from 0 on"));
    }
    policy.max_pod_grace = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    policy.kubelet = KubeletOptions {
        local_storage_isolation: layers.first(|l| l.local_storage_isolation).unwrap_or(true),
        separate_disk_gc: layers.gate("KubeletSeparateDiskGC"),
        pod_level_resources: layers.gate("PodLevelResources"),
        negative_max_pod_grace_seconds: (seconds < 0).then_some(i64::from(seconds)),
    };
    Ok(policy)
}

fn thresholds(settings: &EvictionSettings) -> Result<Policy, InputError> {
    let EvictionSettings { maps, .. } = settings;
    Policy::parse(maps).map_err(|error| {
        let unknown = matches!(error.kind, PolicyErrorKind::UnsupportedSignal { .. });
        let place = if unknown {
            settings.key_place(error.field, &error.signal)
        } else {
            settings.place(error.field, &error.signal)
        };
        let field = format!("{}.{}", error.field, error.signal);
        let error =
            InputError::at(&place.unwrap_or_else(Place::defaults), field, error.to_string());
        let known = Signal::ALL.into_iter().filter(|signal| signal.is_known_to(maps.semantics));
        let known = known.map(Signal::name).collect::<Vec<_>>();
        if unknown { error.allowed(known.join(", ")) } else { error }
    })
}

fn transition_period(period: &Placed<String>) -> Result<Duration, InputError> {
    parse_duration(&period.value).map_err(|e| {
        InputError::at(&period.at, "evictionPressureTransitionPeriod", e.to_string())
            .allowed("a Go duration such as 30s, 5m, 1h30m")
    })
}
