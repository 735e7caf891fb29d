//! Every byte of a log is its pod's, whatever happens to the file and to the runtime that writes it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use common::small_node::{PATIENCE, SmallNode, idle};
use evictd_tests::container::TOOLS_PATIENCE;
use serde_json::Value;

/// A log that the test itself feeds: by hand, so that every byte is known.
struct Log {
    id: String,
    dir: PathBuf,
    pipe: fs::File,
}

impl Log {
    /// A container's log of that pod, read by the runtime from a pipe.
    fn open(node: &mut SmallNode, pod: usize) -> Self {
        let id = format!("log-of-{pod}");
        let dir = node.pods[pod].log_dir().join("fed");
        fs::create_dir(&dir).unwrap();
        let fifo = node.node.fifos_dir().join(&id);
        let (kind, mode) =
            (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
        let pipe = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
        node.runtime.attach(&mut node.inbox, &id, &fifo, &dir.join("0.log")).unwrap();
        Self { id, dir, pipe }
    }

    fn inode(&self) -> u64 {
        self.dir.metadata().unwrap().ino()
    }

    /// Bytes in its files.
    fn size(&self) -> u64 {
        let files = fs::read_dir(&self.dir).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    /// Writes lines and waits until they are in the log; gives how many bytes the log grew by.
    fn write(&mut self, lines: u64) -> u64 {
        let before = self.size();
        // Longer in the log: each line gets a time.
        let line = format!("{}\n", "y".repeat(199));
        for _ in 0..lines {
            self.pipe.write_all(line.as_bytes()).unwrap();
        }
        let deadline = Instant::now() + TOOLS_PATIENCE;
        let expected = before + lines * (200 + " stdout F ".len() as u64 + 30);
        while self.size() < expected {
            assert!(Instant::now() < deadline, "{} of {expected}", self.size());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.size() - before
    }
}

/// What is counted of the log in a directory: bytes written.
fn written(reading: &Value, inode: u64) -> Option<u64> {
    let accounts = reading["accounts"].as_array().unwrap();
    let log = accounts.iter().find(|account| account["log"]["inode"] == inode)?;
    log["log"]["written"].as_u64()
}

fn wait_written(node: &SmallNode, log: &Log, expected: u64, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = written(&node.reading(), log.inode());
        if told == Some(expected) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: counted {told:?} of {expected}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn newest(dir: &Path) -> PathBuf {
    dir.join("0.log")
}

#[test]
fn every_byte_is_the_pods_across_rotation_rename_truncation_and_restart() {
    let _alone = common::alone();
    let mut node = SmallNode::start(&[idle("noisy"), idle("quiet")]);
    node.start_evictd();
    let (mut log, other) = (Log::open(&mut node, 0), Log::open(&mut node, 1));
    wait_written(&node, &log, 0, "watched");
    wait_written(&node, &other, 0, "watched");
    let mut expected = log.write(2000);
    wait_written(&node, &log, expected, "the first file");

    node.runtime.rotate(&mut node.inbox, &log.id).unwrap();
    expected += log.write(3000);
    wait_written(&node, &log, expected, "rotated");

    // Renamed under the runtime, which goes on with the same file.
    fs::rename(newest(&log.dir), log.dir.join("renamed")).unwrap();
    expected += log.write(1000);
    wait_written(&node, &log, expected, "renamed");
    fs::rename(log.dir.join("renamed"), newest(&log.dir)).unwrap();

    // As logrotate's copytruncate does.
    fs::OpenOptions::new().write(true).open(newest(&log.dir)).unwrap().set_len(0).unwrap();
    expected += log.write(1500);
    wait_written(&node, &log, expected, "truncated");

    let runtime = node.node.system().at(evictd_tests::runtime::SERVICE).inode().unwrap();
    node.runtime.restart(&node.node, &mut node.inbox).unwrap();
    let restarted = node.node.system().at(evictd_tests::runtime::SERVICE).inode().unwrap();
    assert_ne!(runtime, restarted, "another cgroup");
    expected += log.write(2500);
    wait_written(&node, &log, expected, "the runtime started anew");

    node.runtime.rotate(&mut node.inbox, &log.id).unwrap();
    expected += log.write(500);
    wait_written(&node, &log, expected, "rotated by the new runtime");

    assert_eq!(written(&node.reading(), other.inode()), Some(0), "nobody else's");
    let disk = node.disk(0);
    if disk["by"] == "space" {
        node.assert_agrees(0, 0, "space of the logs");
        for entry in fs::read_dir(&log.dir).unwrap().flatten() {
            if entry.path() != newest(&log.dir) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        node.assert_agrees(0, 0, "rotated logs removed");
    }
    node.stop();
}
