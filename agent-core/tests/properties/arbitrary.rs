//! Random policies, pods and histories.

use std::{sync::Arc, time::Duration};

use evictd_core::{
    DiskUsage, Format, NodeReclaim, PodFacts, PodObservation, PodRef, PodUsage, Policy, Qos,
    Quantity, Semantics, Signal, Threshold, ThresholdValue,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// The signals of these histories: two of one resource, two of other ones.
pub const SIGNALS: [Signal; 4] = [
    Signal::MemoryAvailable,
    Signal::AllocatableMemoryAvailable,
    Signal::NodefsAvailable,
    Signal::PidAvailable,
];

/// What the shell tells the evaluator.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sample the signals (`None`: unknown), read what is wanted, evaluate.
    Look { available: [Option<i64>; 4], fresh: bool },
    /// Report on the latest evictions, `back` before the last.
    Outcome { kind: u8, back: u64 },
    /// Only time passes.
    Timeout,
}

/// A history: each step with the milliseconds since the one before.
pub type History = Vec<(u64, Step)>;

pub fn step() -> impl Strategy<Value = Step> {
    let seen = || option::weighted(0.8, 0_i64..400);
    prop_oneof![
        6 => ([seen(), seen(), seen(), seen()], any::<bool>())
            .prop_map(|(available, fresh)| Step::Look { available, fresh }),
        3 => (0_u8..10, 0_u64..3).prop_map(|(kind, back)| Step::Outcome { kind, back }),
        1 => Just(Step::Timeout),
    ]
}

pub fn history() -> impl Strategy<Value = History> {
    let pause = prop_oneof![4 => 0_u64..20, 1 => 0_u64..20_000];
    vec((pause, step()), 1..60)
}

pub fn value(units: i64) -> ThresholdValue {
    ThresholdValue::Quantity(Quantity::new(units, Format::DecimalSi))
}

prop_compose! {
    pub fn threshold()(
        signal in select(SIGNALS.to_vec()),
        quantity in 1_i64..300,
        grace in prop_oneof![Just(0_u64), 1_u64..100],
        min_reclaim in option::of(0_i64..100),
    ) -> Threshold {
        let grace = Duration::from_millis(grace);
        Threshold { signal, value: value(quantity), grace, min_reclaim: min_reclaim.map(value) }
    }
}

prop_compose! {
    pub fn policy()(
        thresholds in vec(threshold(), 1..6),
        kubelet in any::<bool>(),
        max_grace in 0_u64..60,
        reclaims in any::<bool>(),
    ) -> Policy {
        let mut policy = Policy::linux_defaults();
        policy.thresholds = thresholds;
        policy.semantics = if kubelet { Semantics::Kubelet } else { Semantics::Strict };
        policy.node_reclaim = if reclaims { NodeReclaim::First } else { NodeReclaim::Never };
        policy.max_pod_grace = Duration::from_secs(max_grace);
        policy
    }
}

prop_compose! {
    pub fn pod()(
        uid in 0_u8..20,
        inode in 0_u64..4,
        priority in prop_oneof![4 => -1..3, 1 => Just(2_000_000_000)],
        is_static in prop::bool::weighted(0.1),
        protected in prop::bool::weighted(0.1),
        request in 0_u64..100,
        memory in option::weighted(0.9, 0_u64..300),
        tasks in option::weighted(0.9, 0_u64..300),
        disk in option::weighted(0.9, 0_u64..300),
    ) -> PodObservation {
        let name: Arc<str> = format!("pod-{uid}").into();
        PodObservation {
            facts: Arc::new(PodFacts {
                id: PodRef { uid: name.clone(), cgroup_inode: inode },
                namespace: "default".into(),
                name,
                priority,
                is_static,
                protected,
                qos: Qos::Burstable,
                memory_request: request,
                ephemeral_storage_request: request,
                termination_grace_seconds: None,
                spec: None,
            }),
            usage: PodUsage {
                memory_working_set: memory,
                tasks,
                logs: disk.map(|n| DiskUsage { bytes: n, inodes: n }),
                rootfs: None,
                separate_logs: None,
                local_volumes: None,
            },
            stats: None,
        }
    }
}
