//! SIGTERM: the probes are detached and evictd has ended within a second.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    collections::BTreeSet,
    fs, io,
    time::{Duration, Instant},
};

use evictd_tests::{evictd::Options, inbox::Inbox, session::Session};

const BPF_PROG_GET_FD_BY_ID: libc::c_long = 13;

/// Ids of the BPF programs that a process holds, by its open links and programs.
fn programs_of(pid: u32) -> BTreeSet<u32> {
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten();
    let texts = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
    let id = |text: String| {
        text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
    };
    texts.filter_map(id).collect()
}

fn is_loaded(program: u32) -> bool {
    let attributes = [program, 0, 0, 0];
    // SAFETY: the attributes of BPF_PROG_GET_FD_BY_ID are three u32; the size is given.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_GET_FD_BY_ID,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    };
    if fd < 0 {
        let error = io::Error::last_os_error();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "asking for program {program}: {error}");
        return false;
    }
    // SAFETY: a descriptor we have just been given.
    unsafe { libc::close(i32::try_from(fd).unwrap()) };
    true
}

#[test]
fn sigterm_detaches_the_probes_and_ends_with_0_within_a_second() {
    let _alone = common::alone();
    let options = Options::new(&common::evictd_binary(), "enforce");
    let session = Session::start(Inbox::default(), &options).unwrap();
    let programs = programs_of(session.evictd_pid());
    assert!(!programs.is_empty(), "evictd holds no BPF program");
    assert!(programs.iter().all(|&id| is_loaded(id)), "{programs:?}");

    let ended = session.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    assert!(ended.took < Duration::from_secs(1), "{:?}", ended.took);
    assert_eq!(ended.stopped.evictions, 0);
    // The kernel frees programs after a grace period of its own.
    let deadline = Instant::now() + Duration::from_secs(10);
    while programs.iter().any(|&id| is_loaded(id)) {
        assert!(Instant::now() < deadline, "still loaded: {programs:?}");
        std::thread::yield_now();
    }
}
