//! Kubelet semantics with whole summaries: any numbers, any limits.

use std::sync::Arc;

use evictd_core::{
    Command, Container, ContainerStats, Evaluator, EvictionReport, Format, FsStats, MonoTime,
    NodeSignals, Observation, Outcome, PodLevelResources, PodObservation, PodSpec, PodSpecParts,
    PodStats, Policy, Quantity, ResourceList, Semantics, Signal, SignalObservation, Summary,
    Volume, VolumeKind, VolumeStats,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{arbitrary::pod, cases};

fn amount() -> impl Strategy<Value = Option<Quantity>> {
    option::of(prop_oneof![0_i64..100, any::<i64>()])
        .prop_map(|units| units.map(|units| Quantity::new(units, Format::BinarySi)))
}

fn number() -> impl Strategy<Value = Option<u64>> {
    option::of(prop_oneof![0_u64..100, any::<u64>()])
}

prop_compose! {
    fn resources()(memory in amount(), ephemeral_storage in amount()) -> ResourceList {
        ResourceList { memory, ephemeral_storage }
    }
}

prop_compose! {
    fn container()(
        name in select(vec!["a", "b"]), requests in resources(), limits in resources(),
        is_sidecar in any::<bool>(),
    ) -> Container {
        Container { name: name.into(), requests, limits, is_sidecar }
    }
}

prop_compose! {
    fn spec()(
        containers in vec(container(), 0..3),
        init_containers in vec(container(), 0..3),
        pod_level in option::of(resources()),
        overhead in resources(),
        size_limit in amount(),
    ) -> PodSpec {
        let volume = Volume { name: "v".into(), kind: VolumeKind::EmptyDir, size_limit };
        let pod_level = pod_level.map(|requests| PodLevelResources {
            requests,
            ..PodLevelResources::default()
        });
        let volumes = vec![volume];
        PodSpec::new(PodSpecParts { containers, init_containers, pod_level, overhead, volumes })
    }
}

prop_compose! {
    fn fs()(used in number(), inodes_used in number()) -> FsStats {
        FsStats { used, inodes_used }
    }
}

prop_compose! {
    fn stats()(
        memory_working_set in number(), process_count in number(),
        ephemeral_storage_used in number(), rootfs in fs(), logs in fs(), volume in fs(),
        has_container in any::<bool>(),
    ) -> PodStats {
        let container = ContainerStats { name: "a".into(), memory_working_set, rootfs, logs };
        PodStats {
            memory_working_set,
            process_count,
            ephemeral_storage_used,
            containers: has_container.then_some(container).into_iter().collect(),
            volumes: vec![VolumeStats { name: "v".into(), fs: volume }],
        }
    }
}

prop_compose! {
    pub fn active_pod()(
        pod in pod(), spec in option::of(spec()), stats in option::of(stats()),
    ) -> PodObservation {
        let mut facts = (*pod.facts).clone();
        facts.spec = spec.map(Arc::new);
        PodObservation { facts: Arc::new(facts), stats: stats.map(Arc::new), ..pod }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn summaries_of_any_numbers_do_not_panic_and_spare_critical_pods(
        pods in vec(active_pod(), 0..8),
        looks in vec((any::<i64>(), any::<i64>(), any::<bool>()), 1..8),
        kubelet in any::<bool>(),
    ) {
        let mut policy = Policy::linux_defaults();
        policy.semantics = if kubelet { Semantics::Kubelet } else { Semantics::Strict };
        let mut evaluator = Evaluator::new(policy, MonoTime::default());
        let spared = |id: &evictd_core::PodRef| {
            pods.iter().filter(|pod| pod.facts.id == *id).all(|pod| pod.facts.is_critical())
        };
        for (i, (available, capacity, failed)) in looks.into_iter().enumerate() {
            let now = MonoTime::from_nanos(i as u64 * 60_000_000_000);
            let mut signals = NodeSignals::default();
            for signal in Signal::ALL {
                signals.set(signal, Some(SignalObservation { available, capacity, at: Some(now) }));
            }
            let summary = if failed { Summary::Failed } else { Summary::Whole };
            let usage_for = evaluator.usage_wanted(&signals, now);
            let o = Observation { signals, usage_for, pods: pods.clone(), summary, ..Observation::default() };
            evaluator.handle_observation(&o, now);
            let mut by_threshold = 0;
            while let Some(command) = evaluator.poll_command() {
                let id = match command {
                    Command::Evict(eviction) => {
                        by_threshold += 1;
                        prop_assert!(!spared(&eviction.pod));
                        let victim = pods.iter().find(|pod| pod.facts.id == eviction.pod).unwrap();
                        let report = EvictionReport::of_pressure(&eviction, victim, true);
                        prop_assert!(report.message.ends_with(". "), "{}", report.message);
                        eviction.id
                    }
                    Command::EvictOverLimit(eviction) => {
                        prop_assert!(!spared(&eviction.pod));
                        eviction.id
                    }
                    Command::Reclaim { .. } => {
                        evaluator.handle_outcome(&Outcome::Reclaimed { signals: None }, now);
                        continue;
                    }
                    Command::ThresholdMet { .. }
                    | Command::SetCondition { .. }
                    | Command::Released { .. }
                    | Command::ReportLogWriter(_)
                    | Command::UnableToEvict { .. } => continue,
                };
                evaluator.handle_outcome(&Outcome::Killed { id }, now);
                evaluator.handle_outcome(&Outcome::Emptied { id }, now);
            }
            prop_assert!(by_threshold <= 1, "L-21");
        }
    }
}
