//! The kubelet's eviction message (O-1, O-2).

use std::fmt;

use crate::{Eviction, EvictionReason, Quantity};

/// Prints the message of an eviction as the kubelet words it, each fragment with its closing space:
/// `The node was low on resource: memory. Threshold quantity: 100Mi, available: 96Mi. `
#[derive(Clone, Copy, Debug)]
pub struct EvictionMessage<'a>(pub &'a Eviction);

impl fmt::Display for EvictionMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(eviction) = self;
        let quantity = eviction.threshold;
        let available = Quantity::new(eviction.available, eviction.signal.format());
        let resource = eviction.signal.resource();
        write!(f, "The node was low on resource: {resource}. ")?;
        write!(f, "Threshold quantity: {quantity}, available: {available}. ")?;
        match &eviction.reason {
            EvictionReason::Threshold => Ok(()),
            EvictionReason::LogWriter { container, rate, crosses_in } => {
                let (megabytes, seconds) = (rate / 1_000_000, crosses_in.as_secs());
                let tenths = rate / 100_000 % 10;
                write!(
                    f,
                    "Container {container} was writing its log at {megabytes}.{tenths} MB/s, \
                     which would have met the threshold in {seconds}s. "
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{EvictionId, Format, MonoTime, PodRef, Signal};

    #[test]
    fn reads_as_the_kubelets() {
        use Format::{BinarySi, DecimalSi};
        let cases = [
            (
                Signal::MemoryAvailable,
                100 << 20,
                BinarySi,
                96 << 20,
                "memory. Threshold quantity: 100Mi, available: 96Mi. ",
            ),
            (
                Signal::MemoryAvailable,
                2 << 30,
                BinarySi,
                1500 << 20,
                "memory. Threshold quantity: 2Gi, available: 1500Mi. ",
            ),
            (
                Signal::PidAvailable,
                1200,
                DecimalSi,
                500,
                "pids. Threshold quantity: 1200, available: 500. ",
            ),
            (
                Signal::NodefsAvailable,
                2 << 30,
                BinarySi,
                1536 << 20,
                "ephemeral-storage. Threshold quantity: 2Gi, available: 1536Mi. ",
            ),
            (
                Signal::NodefsInodesFree,
                131_072,
                BinarySi,
                131_000,
                "inodes. Threshold quantity: 128Ki, available: 131k. ",
            ),
        ];
        for (signal, quantity, quantity_format, available, rest) in cases {
            let eviction = Eviction {
                id: EvictionId(1),
                pod: PodRef { uid: "u".into(), cgroup_inode: 1 },
                signal,
                reason: EvictionReason::Threshold,
                hard: true,
                grace: Duration::ZERO,
                grace_override_seconds: 1,
                available,
                quantity,
                quantity_format,
                threshold: Quantity::new(quantity, quantity_format),
                observed_at: MonoTime::default(),
                decided_at: MonoTime::default(),
                expected_release: 0,
            };
            let message = EvictionMessage(&eviction).to_string();
            assert_eq!(message, format!("The node was low on resource: {rest}"));
            let reason = EvictionReason::LogWriter {
                container: "app".into(),
                rate: 12_345_678,
                crosses_in: Duration::from_millis(35_900),
            };
            let message = EvictionMessage(&Eviction { reason, ..eviction }).to_string();
            let more = "Container app was writing its log at 12.3 MB/s, \
                        which would have met the threshold in 35s. ";
            assert_eq!(message, format!("The node was low on resource: {rest}{more}"));
        }
    }
}
