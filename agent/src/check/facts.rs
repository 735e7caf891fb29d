//! What is known of this node, as plain data: everything that findings may look at beside the
//! configuration.

use std::path::PathBuf;

use evictd_core::{FsLayout, NodeSignals, Signal, SignalObservation};

use crate::sample::CgroupKind;

/// The node, as far as it could be read. What is unknown has a reason.
#[derive(Clone, Debug, Default)]
pub struct NodeFacts {
    /// Whether the node was looked at.
    pub read: bool,
    /// The signals now.
    pub signals: NodeSignals,
    /// Why signals are unknown, by [`Signal::index`].
    pub unknown: [Option<String>; Signal::COUNT],
    /// Where images lie, if that is known.
    pub images: Option<Images>,
    /// The cgroup of all pods.
    pub pods_cgroup: PodsCgroup,
    /// How cgroups are mounted.
    pub cgroups: Option<CgroupKind>,
}

/// A directory of images, and which disk it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// The directory.
    pub path: PathBuf,
    /// True if nodefs is another device (S-23); `None` if nodefs is unknown.
    pub own_disk: Option<bool>,
    /// True if it was named, false if it was found where runtimes usually keep images.
    pub named: bool,
}

/// What the cgroup of all pods is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PodsCgroup {
    /// Not looked at.
    #[default]
    NotRead,
    /// There is none.
    Missing,
    /// It has no memory limit, so nothing can be left under it (S-13).
    Unlimited,
    /// It has one.
    Limited,
}

impl NodeFacts {
    /// A node of which nothing is known, for one reason.
    pub fn unread(reason: &str) -> Self {
        Self {
            unknown: [const { None }; Signal::COUNT]
                .map(|_: Option<String>| Some(reason.to_owned())),
            ..Self::default()
        }
    }

    /// The observation of `signal`, if known.
    pub fn seen(&self, signal: Signal) -> Option<SignalObservation> {
        self.signals.get(signal)
    }

    /// All there is of `signal`, if known.
    pub fn capacity(&self, signal: Signal) -> Option<i64> {
        self.seen(signal).map(|seen| seen.capacity)
    }

    /// Why `signal` is unknown.
    pub fn reason(&self, signal: Signal) -> Option<&str> {
        self.unknown[signal.index()].as_deref()
    }

    /// Sets a signal to unknown.
    pub fn forget(&mut self, signal: Signal, reason: impl Into<String>) {
        self.signals.set(signal, None);
        self.unknown[signal.index()] = Some(reason.into());
    }

    /// Which filesystems hold what, if that is known (S-23).
    pub fn layout(&self) -> Option<FsLayout> {
        match self.images.as_ref()?.own_disk? {
            true => Some(FsLayout::DedicatedImagefs),
            false => Some(FsLayout::Single),
        }
    }
}
