//! evictd killed in the middle of its work.

use std::{collections::BTreeSet, fs};

use aya::{
    maps::loaded_maps,
    programs::{loaded_links, loaded_programs},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::{common, session, wait_until};

/// What the kernel has for BPF: kind and number.
type Object = (&'static str, u32);

/// What a process holds.
fn held_by(pid: u32) -> BTreeSet<Object> {
    let mut held = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap() {
        let info = fs::read_to_string(entry.unwrap().path()).unwrap();
        for kind in ["prog_id", "map_id", "link_id"] {
            let value = info.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'));
            held.extend(value.map(|id| (kind, id.trim().parse().unwrap())));
        }
    }
    held
}

/// What there is. Another process's may come and go meanwhile.
fn all() -> BTreeSet<Object> {
    let programs = loaded_programs().flatten().map(|program| ("prog_id", program.id()));
    let maps = loaded_maps().flatten().map(|map| ("map_id", map.id()));
    let links = loaded_links().flatten().map(|link| ("link_id", link.id()));
    programs.chain(maps).chain(links).collect()
}

#[test]
fn nothing_stays_attached_when_evictd_is_killed_at_work() {
    let _alone = common::alone();
    let mut session = session(&[]);
    let log = ["log-writer", "--rate", "8", "--max-mib", "64"].map(str::to_owned);
    session.start_worker("shop/checkout", &log).unwrap();
    let forks = ["fork-exactly", "--count", "100000000"].map(str::to_owned);
    session.start_worker("ci/runner", &forks).unwrap();
    let held = held_by(session.evictd_pid());
    for kind in ["prog_id", "map_id", "link_id"] {
        assert!(held.iter().any(|(found, _)| *found == kind), "no {kind}: {held:?}");
    }
    assert!(held.is_subset(&all()), "what it holds can be seen");
    let evictd = Pid::from_raw(i32::try_from(session.evictd_pid()).unwrap()).unwrap();
    kill_process(evictd, Signal::KILL).unwrap();
    wait_until("nothing of it is left in the kernel", || held.is_disjoint(&all()));
}
