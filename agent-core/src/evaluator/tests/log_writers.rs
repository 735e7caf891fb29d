//! Runaway log writers.

use super::*;
use crate::{EvictionMessage, LogWriterAction, LogWrites};

const MB: u64 = 1_000_000;

/// The minimum is 5 MB/s and the horizon 10 s; nodefs has a hard threshold of 100 MB.
fn log_policy(action: LogWriterAction, change: impl FnOnce(&mut EvictionMaps)) -> Policy {
    let mut policy = policy(|maps| {
        maps.hard.insert(NODEFS.name().into(), "100M".into());
        change(maps);
    });
    policy.log_writers.action = action;
    policy.log_writers.horizon = Duration::from_secs(10);
    policy
}

/// A node whose containers write their logs; each pod has one container, `app`.
struct Logs {
    node: Node,
    at: u64,
    written: Vec<u64>,
    commands: Vec<Command>,
}

impl Logs {
    fn new(policy: Policy, pods: &[PodObservation]) -> Self {
        let node = Node::new(policy, pods);
        let mut logs = Self { node, at: 0, written: vec![0; pods.len()], commands: Vec::new() };
        logs.look(Some(10_000 * MB), true);
        logs.at = 0;
        logs
    }

    /// A look at `available` bytes, followed by another whenever something was said, as the shell does.
    fn look(&mut self, available: Option<u64>, reads: bool) {
        for again in 0..4 {
            self.at += 1;
            let mut signals = NodeSignals::default();
            let seen = available.map(|available| SignalObservation {
                available: available as i64,
                capacity: 1 << 40,
                at: Some(ms(self.at)),
            });
            signals.set(NODEFS, seen);
            let evaluator = &mut self.node.evaluator;
            let usage_for = evaluator.usage_wanted(&signals, ms(self.at));
            let pods = if usage_for.is_some() { self.node.pods.clone() } else { Vec::new() };
            let log_writes = self.node.pods.iter().zip(&self.written).map(|(pod, bytes)| {
                LogWrites { pod: pod.facts.id.clone(), container: "app".into(), bytes: *bytes }
            });
            let log_writes = if reads && again == 0 { log_writes.collect() } else { Vec::new() };
            let o = Observation { signals, usage_for, pods, log_writes, ..Observation::default() };
            evaluator.handle_observation(&o, ms(self.at));
            let commands = self.node.drain();
            if commands.is_empty() {
                return;
            }
            self.commands.extend(commands);
        }
    }

    /// Writes at `rates` (MB/s) for `millis` with `available` MB left.
    fn run(&mut self, millis: u64, available: u64, rates: &[u64]) {
        let end = self.at + millis;
        while self.at + 200 <= end {
            self.at += 200;
            for (written, rate) in self.written.iter_mut().zip(rates) {
                *written += rate * MB / 5;
            }
            let at = self.at;
            self.look(Some(available * MB), true);
            self.at = at;
        }
    }

    /// The same; gives what was said, in short.
    fn write(&mut self, millis: u64, available: u64, rates: &[u64]) -> Vec<String> {
        self.run(millis, available, rates);
        short(&std::mem::take(&mut self.commands))
    }
}

fn report(pod: &str, rate: u64, writers: usize, seconds: &str, action: &str) -> String {
    format!("report {pod}/app {} of {writers} for {NODEFS} in {seconds}s ({action})", rate * MB)
}

fn evict(pod: &str, id: u64) -> String {
    format!("evict {pod} for {NODEFS} ({id})")
}

const HARD: fn(&mut EvictionMaps) = |_| ();

#[test]
fn only_writers_that_would_fill_the_disk_are_told_of() {
    let ten = |pod: &str| report(pod, 10, 1, "5.0", "report");
    // (name, policy, MB available, MB/s of a and b, told)
    let cases = [
        ("below the minimum rate", HARD, 110, [4, 1], vec![]),
        ("beyond the horizon", HARD, 250, [10, 1], vec![]),
        ("runaway", HARD, 150, [10, 1], vec![ten("a")]),
        ("two runaway", HARD, 150, [10, 10], vec![ten("a"), ten("b")]),
        ("met already", HARD, 90, [1, 10], vec![report("b", 10, 1, "0.0", "report")]),
        ("two together", HARD, 220, [8, 6], vec![report("a", 8, 2, "8.6", "report")]),
        ("two together beyond the horizon", HARD, 300, [8, 6], vec![]),
        ("slow ones are not counted together", HARD, 170, [6, 4], vec![]),
        ("no threshold", |maps| drop(maps.hard.remove(NODEFS.name())), 150, [10, 1], vec![]),
    ];
    for (name, change, available, rates, told) in cases {
        let pods = [user("a", 1), user("b", 1)];
        let mut logs = Logs::new(log_policy(LogWriterAction::Report, change), &pods);
        let said = logs.write(2000, available, &rates);
        let said: Vec<_> = said.into_iter().filter(|c| c.starts_with("report")).collect();
        assert_eq!(said, told, "{name}");
    }
}

#[test]
fn it_is_told_within_a_second_of_the_first_byte_and_a_burst_is_not() {
    let mut logs = Logs::new(log_policy(LogWriterAction::Report, HARD), &[user("a", 1)]);
    assert_eq!(logs.write(400, 110, &[20]), [""; 0], "8 MB at once are a burst");
    assert_eq!(logs.write(5000, 110, &[0]), [""; 0]);
    assert_eq!(logs.write(600, 110, &[20]), [report("a", 20, 1, "0.5", "report")]);
}

#[test]
fn an_incident_is_told_once_and_again_when_it_grows_or_returns() {
    let mut logs = Logs::new(log_policy(LogWriterAction::Report, HARD), &[user("a", 1)]);
    assert_eq!(logs.write(10_000, 150, &[6]).len(), 1);
    assert_eq!(logs.write(5000, 150, &[11]), [""; 0], "not yet twice as fast");
    assert_eq!(logs.write(5000, 150, &[12]).len(), 1, "twice as fast");
    assert_eq!(logs.write(4000, 150, &[1]), [""; 0], "a pause");
    assert_eq!(logs.write(5000, 150, &[12]), [""; 0], "the same incident");
    assert_eq!(logs.write(6000, 150, &[1]), [""; 0], "stopped");
    assert_eq!(logs.write(5000, 150, &[12]).len(), 1, "begun anew");
}

#[test]
fn the_next_largest_is_not_told_of_because_two_share_the_lead() {
    let mut logs =
        Logs::new(log_policy(LogWriterAction::Report, HARD), &[user("a", 1), user("b", 1)]);
    assert_eq!(logs.write(1000, 220, &[8, 7]).len(), 1);
    assert_eq!(logs.write(3000, 220, &[8, 9]), [""; 0]);
    let alone = logs.write(1000, 150, &[8, 9]);
    assert_eq!(alone, [report("b", 9, 1, "5.6", "report")], "a was told of already");
}

#[test]
fn the_writer_is_evicted_once_and_not_the_largest_user() {
    let pods = [user("innocent", 900), user("writer", 40)];
    let mut logs = Logs::new(log_policy(LogWriterAction::Evict, HARD), &pods);
    let said = logs.write(5000, 150, &[1, 10]);
    let told = report("writer", 10, 1, "5.0", "evict");
    assert_eq!(said, [told, evict("writer", 1)]);
    // Killed: it is waited for until its cgroup is empty, although no threshold was met.
    logs.node.killed(logs.at, 1);
    assert_eq!(logs.write(1000, 150, &[1, 10]), [""; 0]);
    logs.node.emptied(logs.at, 1);
    assert_eq!(logs.write(200, 150, &[1, 0]), ["released 1 150000000 true"]);
    assert_eq!(logs.write(5000, 150, &[1, 10]), [""; 0], "one eviction an incident");
}

#[test]
fn an_eviction_says_why() {
    let mut logs = Logs::new(log_policy(LogWriterAction::Evict, HARD), &[user("writer", 40)]);
    logs.run(1000, 150, &[10]);
    let Some(Command::Evict(eviction)) = logs.commands.last() else { panic!() };
    let reason = crate::EvictionReason::LogWriter {
        container: "app".into(),
        rate: 10 * MB,
        crosses_in: Duration::from_nanos(5_000_000_100),
    };
    assert_eq!(eviction.reason, reason);
    assert_eq!((eviction.hard, eviction.expected_release), (true, 40));
    assert_eq!((eviction.quantity, eviction.available), (100_000_000, 150_000_000));
    assert_eq!(
        EvictionMessage(eviction).to_string(),
        "The node was low on resource: ephemeral-storage. Threshold quantity: 100M, available: \
         150000000. Container app was writing its log at 10.0 MB/s, which would have met the \
         threshold in 5s. "
    );
}

#[test]
fn whom_evicting_spares() {
    let plain = || user("writer", 40);
    let critical = with(&plain(), |facts| facts.priority = 2_000_000_000);
    let protected = with(&plain(), |facts| facts.protected = true);
    let fixed = with(&plain(), |facts| facts.is_static = true);
    let cases = [
        ("nothing", plain(), Semantics::Strict, LogWriterAction::Evict, 150, true),
        ("critical", critical, Semantics::Strict, LogWriterAction::Evict, 150, false),
        ("protected", protected, Semantics::Strict, LogWriterAction::Evict, 150, false),
        ("static", fixed, Semantics::Strict, LogWriterAction::Evict, 150, false),
        ("kubelet semantics", plain(), Semantics::Kubelet, LogWriterAction::Evict, 150, false),
        ("action report", plain(), Semantics::Strict, LogWriterAction::Report, 150, false),
        ("beyond the horizon", plain(), Semantics::Strict, LogWriterAction::Evict, 250, false),
    ];
    for (name, pod, semantics, action, available, evicted) in cases {
        let policy = Policy { semantics, ..log_policy(action, HARD) };
        let mut logs = Logs::new(policy, &[pod]);
        let said = logs.write(5000, available, &[10]);
        assert_eq!(said.contains(&evict("writer", 1)), evicted, "{name}: {said:?}");
        let told = said.iter().filter(|c| c.starts_with("report")).count();
        assert_eq!(told, usize::from(available == 150), "{name}: {said:?}");
    }
}

#[test]
fn off_says_nothing() {
    let mut logs = Logs::new(log_policy(LogWriterAction::Off, HARD), &[user("a", 1)]);
    assert_eq!(logs.write(5000, 110, &[100]), [""; 0]);
}

#[test]
fn several_together_are_told_of_and_not_evicted() {
    let pods = [user("a", 1), user("b", 1)];
    let mut logs = Logs::new(log_policy(LogWriterAction::Evict, HARD), &pods);
    let said = logs.write(5000, 220, &[8, 6]);
    assert_eq!(said, [report("a", 8, 2, "8.6", "report")]);
}

#[test]
fn observing_names_the_victim_once() {
    let mut logs = Logs::new(log_policy(LogWriterAction::Evict, HARD), &[user("writer", 40)]);
    assert_eq!(logs.write(1000, 150, &[10]).len(), 2);
    logs.node.outcome(logs.at, &Outcome::Observed { id: EvictionId(1) });
    assert_eq!(logs.write(5000, 150, &[10]), [""; 0]);
}

#[test]
fn a_kill_that_failed_is_tried_again_after_a_second() {
    let mut logs = Logs::new(log_policy(LogWriterAction::Evict, HARD), &[user("writer", 40)]);
    assert_eq!(logs.write(1000, 150, &[10]).len(), 2);
    logs.node.refused(logs.at, 1, RefusedReason::Failed);
    assert_eq!(logs.write(800, 150, &[10]), [""; 0]);
    assert_eq!(logs.write(400, 150, &[10]), [evict("writer", 2)]);
}

#[test]
fn a_soft_threshold_ahead_gives_its_grace() {
    let soft = |maps: &mut EvictionMaps| {
        maps.soft.insert(NODEFS.name().into(), "120M".into());
        maps.soft_grace_period.insert(NODEFS.name().into(), "1m".into());
    };
    let policy = Policy {
        max_pod_grace: Duration::from_secs(7),
        ..log_policy(LogWriterAction::Evict, soft)
    };
    // (MB available, quantity it would meet, hard)
    for (available, quantity, hard) in [(150, 120, false), (110, 100, true)] {
        let mut logs = Logs::new(policy.clone(), &[user("writer", 40)]);
        logs.run(1000, available, &[10]);
        let Some(Command::Evict(eviction)) = logs.commands.last() else { panic!("{available}") };
        let grace = if hard { 0 } else { 7 };
        assert_eq!((eviction.quantity, eviction.hard), (quantity * 1_000_000, hard));
        assert_eq!(eviction.grace, Duration::from_secs(grace));
    }
}

#[test]
fn evicting_for_a_threshold_goes_first_and_one_at_a_time() {
    let pods = [user("hog", 900), user("writer", 40)];
    let mut logs = Logs::new(log_policy(LogWriterAction::Evict, HARD), &pods);
    let said = logs.write(1000, 90, &[0, 10]);
    let told = report("writer", 10, 1, "0.0", "evict");
    assert_eq!(said, [evict("hog", 1), told], "the threshold is met: ranking decides");
    let said = logs.write(5000, 150, &[0, 10]);
    assert_eq!(said, [""; 0], "its release is waited for");
}

#[test]
fn what_is_unknown_or_gone_evicts_nobody() {
    let policy = log_policy(LogWriterAction::Evict, HARD);
    let mut logs = Logs::new(policy.clone(), &[user("writer", 40)]);
    logs.run(400, 150, &[10]);
    logs.written[0] += 2 * MB;
    logs.at += 200;
    logs.look(None, true);
    assert_eq!(logs.commands, [], "signal unknown");
    logs.at += 1100;
    logs.look(Some(150 * MB), false);
    assert_eq!(logs.commands, [], "not told of");

    let mut logs = Logs::new(policy, &[user("writer", 40)]);
    logs.run(400, 150, &[10]);
    logs.node.pods[0] = with(&logs.node.pods[0], |facts| facts.id.cgroup_inode = 8);
    assert_eq!(logs.write(400, 150, &[10]), [""; 0], "made again: another writer");
    assert_eq!(logs.write(400, 150, &[10]).len(), 2);
}
