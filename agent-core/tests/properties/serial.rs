//! What a trace holds reads back as it was.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use evictd_core::{
    Command, Evaluator, EvictionId, EvictionReason, Format, LogWriterAction, LogWriterReport,
    LogWrites, MonoTime, NodeSignals, Observation, Outcome, PodRef, Policy, Quantity, Signal,
    Summary, ThresholdValue,
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    arbitrary::{history, pod, policy},
    cases,
    play::{outcome, play, signals},
    summary::active_pod,
};

fn again<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn quantity_text() -> impl Strategy<Value = String> {
    let suffix = ["", "Ki", "Mi", "Ei", "n", "m", "k", "G", "E", "e3", "e-6"];
    let number = prop_oneof!["-?[0-9]{1,20}", "[0-9]{0,4}\\.[0-9]{1,10}", Just("0.5".to_owned())];
    (number, select(suffix.to_vec())).prop_map(|(number, suffix)| number + suffix)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn quantities_keep_amount_family_and_print(
        a in quantity_text(), b in quantity_text(), units in any::<i64>(), decimal in any::<bool>(),
    ) {
        let format = if decimal { Format::DecimalSi } else { Format::BinarySi };
        let (a, b) = (Quantity::parse(&a).unwrap(), Quantity::parse(&b).unwrap());
        for quantity in [a, b, a.plus(b), Quantity::new(units, format)] {
            let read = again(&quantity);
            prop_assert_eq!(read, quantity);
            prop_assert_eq!(read.format(), quantity.format());
            prop_assert_eq!(read.to_string(), quantity.to_string());
        }
    }

    #[test]
    fn shares_are_exact(bits in any::<u32>()) {
        let share = f32::from_bits(bits);
        let ThresholdValue::Percentage(read) = again(&ThresholdValue::Percentage(share)) else {
            panic!("another kind of value");
        };
        prop_assert!(read.to_bits() == bits || (read.is_nan() && share.is_nan()));
    }

    #[test]
    fn policies_and_commands_read_back(
        policy in policy(), pods in vec(pod(), 0..8), history in history(),
    ) {
        prop_assert_eq!(&again(&policy), &policy);
        for event in play(&again(&policy), &pods, &history) {
            prop_assert_eq!(&again(&event.commands), &event.commands);
            prop_assert_eq!(&again(&event.outcome), &event.outcome);
        }
    }

    #[test]
    fn observations_read_back(
        pods in vec(active_pod(), 0..5),
        available in prop::array::uniform4(prop::option::of(any::<i64>())),
        now in any::<u64>(),
        wanted in prop::option::of(select(Signal::ALL.to_vec())),
    ) {
        let seen: NodeSignals = signals(available, MonoTime::from_nanos(now));
        let log_writes = pods.iter().map(|pod| LogWrites {
            pod: pod.facts.id.clone(),
            container: pod.facts.name.clone(),
            bytes: now,
        });
        let log_writes = log_writes.collect();
        let summary = Summary::Whole;
        let o = Observation { signals: seen, usage_for: wanted, pods, summary, log_writes };
        let read = again(&o);
        prop_assert_eq!(read.signals, o.signals);
        prop_assert_eq!((read.usage_for, read.summary), (o.usage_for, o.summary));
        prop_assert_eq!((&read.pods, &read.log_writes), (&o.pods, &o.log_writes));
        let reclaimed = Outcome::Reclaimed { signals: Some(Box::new(seen)) };
        prop_assert_eq!(&again(&reclaimed), &reclaimed);
    }

    #[test]
    fn evictions_over_limits_read_back(pods in vec(active_pod(), 0..8), now in any::<u64>()) {
        let now = MonoTime::from_nanos(now);
        let o = Observation { pods, summary: Summary::Whole, ..Observation::default() };
        let mut evaluator = Evaluator::new(Policy::linux_defaults(), MonoTime::default());
        evaluator.handle_observation(&o, now);
        while let Some(command) = evaluator.poll_command() {
            prop_assert_eq!(&again(&command), &command);
        }
    }
}

#[test]
fn what_is_written_is_readable() {
    let mut seen = signals([Some(5), None, None, None], MonoTime::from_nanos(7));
    seen.set(Signal::PidAvailable, None);
    assert_eq!(json(&seen), r#"{"memory.available":{"available":5,"capacity":1000,"at":7}}"#);
    assert_eq!(json(&Quantity::parse("1.5Gi").unwrap()), r#""1536Mi""#);
    assert_eq!(
        json(&Quantity::parse("0.5Ki").unwrap()),
        r#"{"nanos":"512000000000","format":"binary_si"}"#
    );
    assert_eq!(json(&ThresholdValue::Percentage(0.15)), r#"{"percentage":"0.15"}"#);
    assert_eq!(json(&outcome(2, EvictionId(3))), r#"{"outcome":"observed","id":3}"#);
    let condition = Command::UnableToEvict { signal: Signal::NodefsInodesFree };
    assert_eq!(json(&condition), r#"{"command":"unable_to_evict","signal":"nodefs.inodesFree"}"#);
}

#[test]
fn an_unknown_signal_is_told_with_those_there_are() {
    let error = serde_json::from_str::<Signal>("\"disk.free\"").unwrap_err().to_string();
    assert!(error.contains("disk.free") && error.contains("pid.available"), "{error}");
}

#[test]
fn log_writers_read_back() {
    let crosses_in = std::time::Duration::from_millis(1500);
    let reason = EvictionReason::LogWriter { container: "c".into(), rate: u64::MAX, crosses_in };
    assert_eq!(again(&reason), reason);
    let report = Command::ReportLogWriter(LogWriterReport {
        pod: PodRef { uid: "u".into(), cgroup_inode: 7 },
        container: "c".into(),
        rate: u64::MAX,
        crosses_in,
        signal: Signal::NodefsAvailable,
        writers: 2,
        action: LogWriterAction::Report,
    });
    assert_eq!(again(&report), report);
}
