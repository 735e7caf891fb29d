//! The thread that keeps entries on disk. A disk that hangs holds up nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tracing::{info, warn};

use super::{Entry, Key, Notice, StateDirectory};

/// What may wait while the disk is slow. More is told without being kept.
const CAPACITY: usize = 4096;
/// How often what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// An eviction is to be told.
    Keep(Arc<Notice>),
    /// That entry has ended.
    Forget(Key),
    /// Everything before that has been done: end.
    End,
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Keeper {
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Reads what is in `path` and starts the thread that keeps it.
    ///
    /// # Errors
    /// As starting a thread. A directory that cannot be used is none: it is tried again.
    pub(super) fn start(path: &Path) -> io::Result<(Self, Vec<Entry>)> {
        let mut kept = Kept::new(path);
        let left = kept.load();
        let (orders, receiver) = sync_channel(CAPACITY);
        let thread = thread::Builder::new()
            .name("evictd-outbox".to_owned())
            .spawn(move || kept.run(&receiver))?;
        Ok((Self { orders, thread: Some(thread) }, left))
    }

    pub(super) fn orders(&self) -> &SyncSender<Order> {
        &self.orders
    }
}

impl Drop for Keeper {
    /// Waits until what was put is on disk.
    fn drop(&mut self) {
        // A thread that has ended by a panic takes no orders.
        let _ = self.orders.send(Order::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What is on disk, and what should be.
struct Kept {
    path: PathBuf,
    directory: Option<StateDirectory>,
    on_disk: BTreeSet<Key>,
    unwritten: BTreeMap<Key, Entry>,
    /// On disk still, though they have ended.
    unremoved: BTreeSet<Key>,
    /// It has been said that the disk does not take entries.
    warned: bool,
}

impl Kept {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            directory: None,
            on_disk: BTreeSet::new(),
            unwritten: BTreeMap::new(),
            unremoved: BTreeSet::new(),
            warned: false,
        }
    }

    fn load(&mut self) -> Vec<Entry> {
        let loaded = self.open().and_then(StateDirectory::load);
        let left = self.noted(loaded).unwrap_or_default();
        if !left.is_empty() {
            info!(
                "{}: {} things are still to be told to the API server",
                self.path.display(),
                left.len()
            );
        }
        self.on_disk = left.iter().map(Entry::key).collect();
        left
    }

    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            match orders.recv_timeout(RETRY) {
                Ok(Order::Keep(notice)) => {
                    for entry in Entry::of(&notice) {
                        let key = entry.key();
                        self.unremoved.remove(&key);
                        if !self.on_disk.contains(&key) {
                            self.unwritten.insert(key, entry);
                        }
                    }
                    self.write();
                }
                Ok(Order::Forget(key)) => {
                    self.unwritten.remove(&key);
                    if self.on_disk.remove(&key) {
                        self.unremoved.insert(key);
                    }
                    self.remove();
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.write();
                    self.remove();
                }
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self) {
        // Those that could not be written go with the worker's: no more than it holds.
        while let Some((key, entry)) = self.unwritten.first_key_value() {
            let (key, entry) = (key.clone(), entry.clone());
            let written = self.open().and_then(|directory| directory.write(&entry));
            if self.noted(written).is_none() {
                return;
            }
            self.unwritten.remove(&key);
            self.on_disk.insert(key);
        }
    }

    fn remove(&mut self) {
        while let Some(key) = self.unremoved.first().cloned() {
            let removed = self.open().and_then(|directory| directory.remove(&key));
            if self.noted(removed).is_none() {
                return;
            }
            self.unremoved.remove(&key);
        }
    }

    fn open(&mut self) -> io::Result<&StateDirectory> {
        let directory = match self.directory.take() {
            Some(directory) => directory,
            None => StateDirectory::open(&self.path)?,
        };
        Ok(self.directory.insert(directory))
    }

    /// Says when the disk begins to refuse, and when it takes entries again.
    fn noted<T>(&mut self, result: io::Result<T>) -> Option<T> {
        let path = self.path.display();
        match result {
            Ok(value) => {
                if std::mem::take(&mut self.warned) {
                    info!("{path}: what is to be told to the API server is kept on disk again");
                }
                Some(value)
            }
            Err(error) => {
                // It may have been removed, or something mounted over it.
                self.directory = None;
                if !std::mem::replace(&mut self.warned, true) {
                    warn!(
                        "--state-dir: {path}: {error}; what is to be told to the API server is in \
                         memory alone and would not survive evictd"
                    );
                }
                None
            }
        }
    }
}
