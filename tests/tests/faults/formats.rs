//! Kernels whose tracepoints are not as they were.

use std::{fs, path::Path};

use evictd_tests::kind::Kind;

use crate::{common, session, still_catches};

/// The description of an event with something replaced.
fn doctor(to: &Path, event: &str, from: &str, into: &str) {
    let tracefs = Path::new("/sys/kernel/tracing/events").join(event);
    let format = fs::read_to_string(tracefs.join("format")).unwrap();
    assert!(format.contains(from), "{format}");
    let dir = to.join("events").join(event);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("format"), format.replacen(from, into, 1)).unwrap();
}

#[test]
fn a_tracepoint_whose_format_changed_takes_its_rung_off_with_a_reason() {
    let _alone = common::alone_with_tracefs();
    if !Path::new("/sys/kernel/tracing/events/cgroup").is_dir() {
        println!("cannot run here: tracefs cannot be mounted");
        return;
    }
    let dir = std::env::temp_dir().join(format!("evictd-tracefs-{}", std::process::id()));
    doctor(
        &dir,
        "cgroup/cgroup_mkdir",
        "u64 id;\toffset:16;\tsize:8",
        "u32 id;\toffset:16;\tsize:4",
    );
    doctor(&dir, "cgroup/cgroup_rmdir", "id", "id");
    doctor(&dir, "oom/mark_victim", "int pid;", "int tgid;");
    for event in ["sched_process_fork", "sched_process_exit"] {
        doctor(&dir, &format!("sched/{event}"), "pid", "pid");
    }
    let mut args = vec!["--tracefs".to_owned(), dir.display().to_string()];
    for family in ["cgroup_life", "oom", "tasks", "reclaim"] {
        args.extend(["--probe-rung".to_owned(), format!("{family}=tracepoint")]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut session = session(&args);
    fs::remove_dir_all(&dir).unwrap();
    let rungs = &session.started().rungs;
    let cases = [
        (
            "cgroup_life",
            "field id of tracepoint cgroup/cgroup_mkdir has 4 bytes, not 8: its format changed",
        ),
        ("oom", "tracepoint oom/mark_victim has no field pid: its format changed"),
        ("reclaim", "no tracepoint vmscan/mm_vmscan_memcg_reclaim_begin: "),
    ];
    for (family, expected) in cases {
        let standing = &rungs[family];
        assert_eq!(standing.rung, None, "{family}");
        let reason = &standing.refused[0].reason;
        assert!(reason.starts_with(expected), "{family}: {reason}");
    }
    assert_eq!(rungs["tasks"].rung.as_deref(), Some("tracepoint"), "{:?}", rungs["tasks"]);
    still_catches(&mut session, Kind::ForkBomb);
    let wakes = session.stop().unwrap().stopped.wakes;
    assert!(wakes.contains_key("tripwire"), "woken by the plain tracepoint: {wakes:?}");
}
