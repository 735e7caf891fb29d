//! The eight pods. Ranking follows the kubelet's rules (kubelet spec R-1, R-1b, R-1c) and the
//! figures are such that those rules, and no single figure alone, point at the offender:
//!
//! - memory: `data/cache` exceeds its request and so does `batch/report`, of the same priority, by
//!   less; `batch/nightly` has a lower priority and keeps to its request. The critical
//!   `kube-system/node-agent` uses and exceeds more than anybody.
//! - disk: `shop/checkout` exceeds its request, although half of the pods have a lower priority.
//! - pids: `ci/runner` has the lowest priority together with `batch/nightly`, and more tasks.

use crate::manifest::{PodSpec, Qos, StorageLimits};

/// A pod that goes wrong: its name in [`PODS`].
pub const LOG_WRITER: &str = "shop/checkout";
/// See [`LOG_WRITER`].
pub const MEMORY_HOG: &str = "data/cache";
/// See [`LOG_WRITER`].
pub const FORK_BOMBER: &str = "ci/runner";

/// A pod that is only an object: nothing of it runs.
pub const CART: PodSpec = PodSpec {
    namespace: "shop",
    name: "cart",
    qos: Qos::Burstable,
    priority: 1000,
    memory_mib: 32,
    disk_mib: 64,
    work: &[],
    empty_dir: true,
    limits: StorageLimits::NONE,
    is_static: false,
};

/// Every pod of the node.
pub const PODS: [PodSpec; 8] = [
    PodSpec {
        namespace: "kube-system",
        name: "node-agent",
        qos: Qos::Burstable,
        priority: 2_000_001_000,
        memory_mib: 32,
        disk_mib: 64,
        work: &["idle", "--mib", "176", "--tasks", "4"],
        empty_dir: false,
        limits: StorageLimits::NONE,
        is_static: false,
    },
    PodSpec {
        namespace: "payments",
        name: "ledger",
        qos: Qos::Guaranteed,
        priority: 100_000,
        memory_mib: 64,
        disk_mib: 64,
        work: &["steady-writer", "--mib", "8", "--log-rate", "8192"],
        empty_dir: true,
        limits: StorageLimits::NONE,
        is_static: false,
    },
    PodSpec {
        namespace: "shop",
        name: "frontend",
        qos: Qos::Burstable,
        priority: 1000,
        memory_mib: 32,
        disk_mib: 64,
        work: &["steady-writer", "--mib", "6", "--tasks", "30", "--log-rate", "16384"],
        empty_dir: false,
        limits: StorageLimits::NONE,
        is_static: false,
    },
    PodSpec {
        namespace: "shop",
        name: "checkout",
        qos: Qos::Guaranteed,
        priority: 1000,
        memory_mib: 64,
        disk_mib: 16,
        work: &["steady-writer", "--mib", "4"],
        empty_dir: false,
        limits: StorageLimits::NONE,
        is_static: false,
    },
    PodSpec {
        namespace: "data",
        name: "cache",
        qos: Qos::Burstable,
        priority: 0,
        memory_mib: 16,
        disk_mib: 64,
        work: &["idle", "--mib", "4"],
        empty_dir: true,
        limits: StorageLimits::NONE,
        is_static: false,
    },
    PodSpec {
        namespace: "batch",
        name: "report",
        qos: Qos::BestEffort,
        priority: 0,
        memory_mib: 0,
        disk_mib: 64,
        work: &["steady-writer", "--mib", "6", "--tasks", "8"],
        empty_dir: true,
        limits: StorageLimits::NONE,
        is_static: false,
    },
    PodSpec {
        namespace: "batch",
        name: "nightly",
        qos: Qos::Burstable,
        priority: -100,
        memory_mib: 32,
        disk_mib: 64,
        work: &["steady-writer", "--mib", "6", "--tasks", "12"],
        empty_dir: true,
        limits: StorageLimits::NONE,
        is_static: false,
    },
    PodSpec {
        namespace: "ci",
        name: "runner",
        qos: Qos::Burstable,
        priority: -100,
        memory_mib: 96,
        disk_mib: 64,
        work: &["idle", "--mib", "2"],
        empty_dir: false,
        limits: StorageLimits::NONE,
        is_static: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(full_name: &str) -> &'static PodSpec {
        static ALL: [PodSpec; 8] = PODS;
        ALL.iter().find(|pod| pod.full_name() == full_name).unwrap()
    }

    #[test]
    fn every_class_is_there_and_the_offenders_are_not_just_the_lowest_priority() {
        for qos in [Qos::Guaranteed, Qos::Burstable, Qos::BestEffort] {
            assert!(PODS.iter().any(|pod| pod.qos == qos), "{qos:?}");
        }
        let lower_than =
            |name: &str| PODS.iter().filter(|pod| pod.priority < pod_priority(name)).count();
        assert!(lower_than(LOG_WRITER) >= 4);
        assert!(lower_than(MEMORY_HOG) >= 1);
        assert_eq!(lower_than(FORK_BOMBER), 0, "R-1b looks at priority first");
        let equal = PODS.iter().filter(|pod| pod.priority == pod_priority(FORK_BOMBER)).count();
        assert_eq!(equal, 2, "the number of tasks decides");
    }

    fn pod_priority(full_name: &str) -> i32 {
        pod(full_name).priority
    }
}
