//! The clock of the control loop, which is the kernel probes' too.

use evictd_core::MonoTime;
use rustix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC now.
pub fn now() -> MonoTime {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    MonoTime::from_nanos(seconds * 1_000_000_000 + nanos)
}
