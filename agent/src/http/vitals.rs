//! Whether evictd works, as the control loop leaves it for those who ask.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use evictd_core::MonoTime;

use crate::probe::Family;

/// The control loop turns at least once a second. One that has not for so long hangs.
const HANGS: Duration = Duration::from_secs(10);

/// Without these nobody is told who writes and who forks.
const REQUIRED: [Family; 2] = [Family::Writes, Family::Tasks];

/// What is asked of a running evictd.
#[derive(Debug)]
pub struct Vitals {
    /// CLOCK_MONOTONIC when the control loop last turned.
    turned_ns: AtomicU64,
    pods_known: AtomicBool,
    /// Required families without a rung.
    missing: Vec<&'static str>,
}

impl Vitals {
    /// Of an evictd that starts now; `stands` tells which families have a rung. Pods are not known yet.
    pub fn new(now: MonoTime, stands: impl Fn(Family) -> bool) -> Self {
        let missing = REQUIRED.into_iter().filter(|family| !stands(*family)).map(Family::name);
        Self {
            turned_ns: AtomicU64::new(now.as_nanos()),
            pods_known: AtomicBool::new(false),
            missing: missing.collect(),
        }
    }

    /// The control loop has evaluated, and knows by now which pods there are, or does not.
    pub fn turned(&self, now: MonoTime, pods_known: bool) {
        self.turned_ns.store(now.as_nanos(), Ordering::Relaxed);
        self.pods_known.store(pods_known, Ordering::Relaxed);
    }

    /// # Errors
    /// What is wrong, in words: evictd should be started anew.
    pub fn healthy(&self, now: MonoTime) -> Result<(), String> {
        let since = now.since(MonoTime::from_nanos(self.turned_ns.load(Ordering::Relaxed)));
        if since > HANGS {
            return Err(format!("the control loop has not turned for {} s", since.as_secs()));
        }
        Ok(())
    }

    /// # Errors
    /// What is missing, in words: evictd does less than it should.
    pub fn ready(&self, now: MonoTime) -> Result<(), String> {
        self.healthy(now)?;
        if !self.pods_known.load(Ordering::Relaxed) {
            return Err("the node's pods are not known yet".to_owned());
        }
        if !self.missing.is_empty() {
            let families = self.missing.join(", ");
            return Err(format!("no rung for: {families} (evictd doctor says why)"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> MonoTime {
        MonoTime::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn what_is_wrong_is_told() {
        let all = |_| true;
        let no_writes = |family| family != Family::Writes;
        type Case<'a> = (&'a str, &'a dyn Fn(Family) -> bool, bool, u64, bool, &'a str);
        let cases: [Case<'_>; 5] = [
            ("all is well", &all, true, 10, true, ""),
            ("pods unknown", &all, false, 2, true, "pods are not known"),
            ("no rung", &no_writes, true, 2, true, "no rung for: writes"),
            ("hangs", &all, true, 12, false, "not turned for 11 s"),
            ("hangs, and more", &no_writes, false, 60, false, "not turned for 59 s"),
        ];
        for (name, stands, pods_known, now, healthy, problem) in cases {
            let vitals = Vitals::new(at(0), stands);
            vitals.turned(at(1), pods_known);
            assert_eq!(vitals.healthy(at(now)).is_ok(), healthy, "{name}");
            match vitals.ready(at(now)) {
                Ok(()) => assert_eq!(problem, "", "{name}"),
                Err(said) => {
                    assert!(!problem.is_empty() && said.contains(problem), "{name}: {said}");
                }
            }
        }
    }
}
