//! Disks that take nothing.

use std::{fs, path::Path, time::Duration};

use evictd::cluster::outbox::Outbox;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::{OK, endings, files, notice, open, server::Script, told, wait_until};

/// A filesystem with room for very little, unmounted on drop.
struct Small<'p>(&'p Path);

impl<'p> Small<'p> {
    fn mount(at: &'p Path, options: &std::ffi::CStr) -> Option<Self> {
        match mount("evictd-test", at, "tmpfs", MountFlags::empty(), options) {
            Ok(()) => Some(Self(at)),
            Err(errno) => {
                println!("cannot run here: mounting a tmpfs: {errno}");
                None
            }
        }
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        unmount(self.0, UnmountFlags::DETACH).expect("unmount");
    }
}

#[test]
fn what_a_full_disk_does_not_take_is_told_from_memory_and_written_later() {
    let at = tempfile::tempdir().expect("directory");
    let Some(small) = Small::mount(at.path(), c"size=16k,nr_inodes=3") else { return };
    // Inodes: the root, the outbox's directory, and this.
    fs::create_dir(at.path().join("outbox")).expect("mkdir");
    let filler = at.path().join("filler");
    fs::write(&filler, "").expect("the last inode");

    let (outbox, worker) = Outbox::open(at.path()).expect("outbox");
    outbox.put(notice(1));
    // Nothing of it can be written; the next order tries again.
    fs::remove_file(&filler).expect("remove");
    outbox.put(notice(2));
    wait_until("what there is room for is written", || files(at.path()).len() == 1);

    // The worker has all of it.
    let script = Script::start(vec![OK]);
    let client = script.url.clone();
    let teller = crate::Teller::start(worker, move || crate::server::client(&client));
    assert_eq!(endings(&told(&outbox, 4)).len(), 4);
    wait_until("the files go", || files(at.path()).is_empty());
    drop((teller, outbox));
    drop(small);
}

#[test]
fn without_a_state_directory_evictions_are_told_from_memory() {
    let at = tempfile::tempdir().expect("directory");
    let state = at.path().join("a-file");
    fs::write(&state, "").expect("write");
    let script = Script::start(vec![OK]);
    let (outbox, _teller) = open(&state, &script);
    outbox.put(notice(1));
    assert_eq!(told(&outbox, 2).len(), 2);
    assert!(outbox.depth().oldest.is_none());
    assert_eq!(outbox.depth().dropped, 0);
}

#[test]
fn more_than_there_is_room_for_goes_and_is_counted() {
    let state = tempfile::tempdir().expect("directory");
    let (outbox, worker) = Outbox::open(state.path()).expect("outbox");
    // Without a worker that runs notices pile up on their way to it; on disk they are all the same.
    for n in 0..260 {
        let uid = format!("u{n}").into();
        outbox.put(evictd::cluster::outbox::Notice { uid, ..notice(1) });
    }
    drop((worker, outbox));
    assert_eq!(files(state.path()).len(), 520);
    let (outbox, worker) = Outbox::open(state.path()).expect("outbox");
    assert_eq!(outbox.depth().entries, 520);
    assert!(outbox.depth().oldest.is_some_and(|age| age > Duration::from_secs(1)));
    drop((worker, outbox));
}
