//! Tripwires under load: several CPUs, two filesystems and the tasks, armed over and over.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use common::rungs::kernel_dev_of;
use evictd::probe::{Counters, FsKind, LoadOptions, Ring, Tripwires, load};
use evictd_common::{Kind, TASKS_TRIPWIRE};
use evictd_tests::{container::tool, node::Node, scratch::Scratch};

/// A record of a budget that is used up is waited for this long, then it is lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// Wake-ups of each slot.
const ROUNDS: u32 = 300;

/// Writes until told to stop, blocks of a size of its own, into a file that does not grow past 4 MiB.
fn write(root: &Path, number: usize, stop: &AtomicBool) {
    let path = root.join(format!("stress-{number}"));
    let block = vec![b'x'; 1 + 1777 * number];
    while !stop.load(Ordering::Relaxed) {
        let mut file = File::create(&path).unwrap();
        let mut written = 0;
        while written < 4 << 20 && !stop.load(Ordering::Relaxed) {
            file.write_all(&block).unwrap();
            written += block.len();
        }
    }
}

fn fork(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let mut forks = Command::new(tool("evictd-workload").unwrap());
        assert!(forks.args(["fork-exactly", "--count", "50"]).status().unwrap().success());
    }
}

#[test]
fn no_wake_up_is_lost_with_several_cpus_and_filesystems() {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    let scratch = Scratch::mount(&node, "xfs").unwrap();
    let filesystems = [FsKind::Ext4, FsKind::Xfs];
    let filesystems = &filesystems[..if scratch.is_some() { 2 } else { 1 }];
    let (mut ebpf, _) = load(LoadOptions { filesystems, ..LoadOptions::default() }).unwrap();
    let mut counters = Counters::take(&mut ebpf).unwrap();
    let roots: Vec<&Path> =
        [node.nodefs_root()].into_iter().chain(scratch.as_ref().map(Scratch::root)).collect();
    let mut slots = vec![(TASKS_TRIPWIRE, 7)];
    for (slot, root) in (1..).zip(&roots) {
        counters.watch(kernel_dev_of(root), slot).unwrap();
        slots.push((slot, 300_000));
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for (number, root) in roots.iter().cycle().take(2 * roots.len()).enumerate() {
            let (stop, root) = (&stop, *root);
            scope.spawn(move || write(root, number, stop));
        }
        scope.spawn(|| fork(&stop));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let woken = runtime.block_on(async {
            let mut tripwires = Tripwires::take(&mut ebpf).unwrap();
            let mut ring = Ring::take(&mut ebpf).unwrap();
            wake_in_turns(&mut tripwires, &mut ring, &slots).await
        });
        stop.store(true, Ordering::Relaxed);
        let by_record = woken.unwrap();
        println!("{by_record} of {} wake-ups by record", ROUNDS as usize * slots.len());
        assert!(by_record > 0);
    });
    assert_eq!(counters.drops(evictd::probe::Family::Writes), 0);
}

/// One slot's part of the test.
struct Turn {
    slot: u32,
    budget: u64,
    left: u32,
    /// Where it is armed to fire.
    limit: i64,
    /// When it was first found used up without a record.
    overdue: Option<Instant>,
}

impl Turn {
    /// Arms it. If the budget is used up by then, that is a wake-up and no record need come.
    fn arm(&mut self, tripwires: &mut Tripwires) {
        while self.left > 0 {
            let since = tripwires.spent(self.slot).unwrap();
            self.overdue = None;
            self.limit = since + i64::try_from(self.budget).unwrap();
            if !tripwires.arm(self.slot, since, self.budget).unwrap() {
                return;
            }
            self.left -= 1;
        }
        tripwires.disarm(self.slot).unwrap();
    }

    /// Whether it has been used up for too long without a record.
    fn is_lost(&mut self, tripwires: &Tripwires) -> bool {
        if self.left == 0 || tripwires.spent(self.slot).unwrap() < self.limit {
            return false;
        }
        self.overdue.get_or_insert_with(Instant::now).elapsed() > PATIENCE
    }
}

/// Arms every slot, and each anew when it has fired, until all have fired [`ROUNDS`] times. Returns how
/// many did so by a record.
async fn wake_in_turns(
    tripwires: &mut Tripwires,
    ring: &mut Ring,
    slots: &[(u32, u64)],
) -> Result<u32, String> {
    let turn = |&(slot, budget)| Turn { slot, budget, left: ROUNDS, limit: 0, overdue: None };
    let mut turns: Vec<Turn> = slots.iter().map(turn).collect();
    let mut by_record = 0;
    for turn in &mut turns {
        turn.arm(tripwires);
    }
    while turns.iter().any(|turn| turn.left > 0) {
        let mut fired = Vec::new();
        let drained = ring.drain(|record| {
            if record.kind() == Some(Kind::Tripwire) {
                fired.push(record.detail);
            }
        });
        // Slow machines take long to use a budget up; that is no loss.
        if let Ok(drained) = tokio::time::timeout(Duration::from_secs(1), drained).await {
            drained.unwrap();
        }
        for slot in fired {
            let turn = turns.iter_mut().find(|turn| turn.slot == slot).unwrap();
            // A record of an arming that was found used up must not stand for the next one.
            if turn.left > 0 && tripwires.spent(slot).unwrap() >= turn.limit {
                by_record += 1;
                turn.left -= 1;
                turn.arm(tripwires);
            }
        }
        if let Some(lost) =
            turns.iter_mut().find_map(|turn| turn.is_lost(tripwires).then_some(turn.slot))
        {
            return Err(format!("the wake-up of tripwire {lost} was lost"));
        }
    }
    Ok(by_record)
}
