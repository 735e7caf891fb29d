//! What the files of cgroups tell, where the kernel takes no program: the lowest rungs of the ladder.
//!
//! It is told as the records that programs would have sent, so that nobody after this has to know
//! which rung they came from.

mod directories;
mod memory_events;
mod notify;
mod oom_controls;
mod source;

use std::{io, mem::MaybeUninit, os::fd::OwnedFd};

use evictd_common::{Kind, Probe, Record};
use rustix::{
    event::{Timespec, epoll},
    fs::inotify,
};
use tokio::io::{Interest, unix::AsyncFd};

use super::standing::Standing;
use crate::{clock::now, pods::PodIndex};
use directories::Directories;
use memory_events::MemoryEvents;
use notify::{Notify, Target};
use oom_controls::OomControls;
pub use source::FileSource;

/// `data` of the inotify instance in the epoll set; all else is the id of a cgroup.
const NOTIFY: u64 = 0;

/// The files that are watched.
pub struct CgroupFiles {
    epoll: AsyncFd<OwnedFd>,
    notify: Notify,
    directories: Option<Directories>,
    memory_events: Option<MemoryEvents>,
    oom_controls: Option<OomControls>,
    /// Found while nobody waited.
    found: Vec<Record>,
}

/// A family that no longer hears of every cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The family.
    pub family: Probe,
    /// What is missing.
    pub reason: String,
}

impl CgroupFiles {
    /// For the families that stand on files; `None` if none does. At most `most` files and directories
    /// are watched. Must be called inside a tokio runtime.
    pub fn open(standings: &[Standing], most: usize) -> io::Result<Option<Self>> {
        let uses = |source| standings.iter().any(|standing| standing.source() == Some(source));
        let directories = uses(FileSource::Directories).then(Directories::default);
        let memory_events = uses(FileSource::MemoryEvents).then(MemoryEvents::default);
        let oom_controls = uses(FileSource::OomControls).then(|| OomControls::new(most));
        if directories.is_none() && memory_events.is_none() && oom_controls.is_none() {
            return Ok(None);
        }
        let notify = Notify::new(most)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(NOTIFY);
        epoll::add(&epoll, notify.fd(), data, epoll::EventFlags::IN)?;
        // SAFETY: the set is kept for as long as the AsyncFd lives, and nobody else closes it.
        let epoll = unsafe { AsyncFd::register_with_interest(epoll, Interest::READABLE) }
            .map_err(io::Error::from)?;
        let found = Vec::new();
        Ok(Some(Self { epoll, notify, directories, memory_events, oom_controls, found }))
    }

    /// Waits for records and hands them over. Cancel safe: nothing is taken before the only await.
    pub async fn records(&mut self, mut take: impl FnMut(Record)) -> io::Result<()> {
        if self.found.is_empty() {
            let mut guard = self.epoll.readable_mut().await?;
            let mut events = [MaybeUninit::<epoll::Event>::uninit(); 64];
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            let (ready, rest) = epoll::wait(guard.get_inner(), &mut events, Some(&at_once))?;
            if !rest.is_empty() {
                guard.clear_ready();
            }
            let ready: Vec<u64> = ready.iter().map(|event| event.data.u64()).collect();
            for data in ready {
                match data {
                    NOTIFY => self.read_notifications(),
                    cgroup_id => self.read_oom_control(cgroup_id),
                }
            }
        }
        self.found.drain(..).for_each(&mut take);
        Ok(())
    }

    /// Watches the cgroups that the pods have now, and no others.
    pub fn follow(&mut self, index: &PodIndex) {
        if let Some(directories) = &mut self.directories {
            directories.follow(index.tree(), &mut self.notify, &mut self.found);
        }
        if let Some(memory_events) = &mut self.memory_events {
            memory_events.follow(index, &mut self.notify);
        }
        if let Some(oom_controls) = &mut self.oom_controls {
            oom_controls.follow(index, self.epoll.get_ref());
        }
    }

    /// Whether every cgroup that comes or goes is heard of.
    pub fn hears_every_cgroup(&self) -> bool {
        self.directories.as_ref().is_some_and(|directories| !directories.is_short())
    }

    /// Families that ran out of watches since this was last asked.
    pub fn shortages(&mut self) -> Vec<Shortage> {
        let of = |family, reason: Option<String>| reason.map(|reason| Shortage { family, reason });
        let directories = self.directories.as_mut().and_then(|d| d.shortage.take());
        let events = self.memory_events.as_mut().and_then(|events| events.shortage.take());
        let controls = self.oom_controls.as_mut().and_then(|controls| controls.shortage.take());
        [
            of(Probe::CgroupLife, directories),
            of(Probe::MemoryEvents, events),
            of(Probe::MemoryEvents, controls),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn read_notifications(&mut self) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut changed: Vec<Option<Target>> = Vec::new();
        let mut events = inotify::Reader::new(self.notify.fd(), &mut buffer);
        // Ends when there is nothing left to read.
        while let Ok(event) = events.next() {
            if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                changed.push(None);
            } else if let Some(target) = self.notify.target(event.wd())
                && !changed.contains(&Some(target))
            {
                changed.push(Some(target));
            }
        }
        for target in changed {
            match (target, &mut self.directories) {
                (Some(Target::Events(id)), _) => self.found.push(record(Kind::MemoryEvent, id)),
                (Some(Target::Directory(id)), Some(directories)) => {
                    directories.list(id, &mut self.notify, &mut self.found);
                }
                // The kernel lost some: everything may have changed.
                (None, directories) => {
                    let events = self.memory_events.iter().flat_map(MemoryEvents::watched);
                    self.found.extend(events.map(|id| record(Kind::MemoryEvent, id)));
                    if let Some(directories) = directories {
                        directories.list_all(&mut self.notify, &mut self.found);
                    }
                }
                (Some(Target::Directory(_)), None) => {}
            }
        }
    }

    fn read_oom_control(&mut self, cgroup_id: u64) {
        if self.oom_controls.as_mut().is_some_and(|controls| controls.read(cgroup_id)) {
            self.found.push(record(Kind::MemoryEvent, cgroup_id));
        }
    }
}

/// What a program would have sent.
fn record(kind: Kind, cgroup_id: u64) -> Record {
    let (ktime, kind) = (now().as_nanos(), kind as u32);
    Record { ktime, cgroup_id, kind, detail: 0, pid: 0, reserved: 0, comm: [0; 16] }
}
