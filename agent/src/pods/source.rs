//! Where the pods come from.

use super::{ManifestDirectory, PodRecord};
use crate::{
    cluster::pods::{PodFeed, PodsTold},
    config::InputError,
};

/// Where the pods come from. Every source gives the same index.
#[derive(Debug)]
pub enum PodSource {
    /// A directory of Pod manifests.
    Manifests(ManifestDirectory),
    /// The API server.
    Api(ApiPods),
    /// No source: cgroups are looked at as such.
    Nowhere,
}

impl PodSource {
    pub(super) fn changed(&self) -> bool {
        match self {
            Self::Manifests(directory) => directory.changed(),
            Self::Api(pods) => pods.feed.changes() != pods.seen,
            Self::Nowhere => false,
        }
    }

    pub(super) fn read(&mut self) -> Result<Vec<PodRecord>, InputError> {
        match self {
            Self::Manifests(directory) => directory.read(),
            Self::Api(pods) => Ok(pods.read()),
            Self::Nowhere => Ok(Vec::new()),
        }
    }

    /// True if there may be pods on the node that it does not name, because it is away or late.
    pub(super) const fn may_lack_pods(&self) -> bool {
        matches!(self, Self::Api(_))
    }

    /// What the API server has told, where the pods come from there.
    pub const fn told(&self) -> Option<&PodsTold> {
        match self {
            Self::Api(pods) => Some(&pods.told),
            Self::Manifests(_) | Self::Nowhere => None,
        }
    }
}

/// The pods as the API server told them last.
#[derive(Debug)]
pub struct ApiPods {
    feed: PodFeed,
    /// Changes of the feed that are in `told`.
    seen: u64,
    told: PodsTold,
}

impl ApiPods {
    /// What is left in `feed`.
    pub fn new(feed: PodFeed) -> Self {
        Self { feed, seen: 0, told: PodsTold::default() }
    }

    fn read(&mut self) -> Vec<PodRecord> {
        // Before the content: what changes meanwhile is then read again.
        let changes = self.feed.changes();
        if let Some(told) = self.feed.latest() {
            self.told = told;
            self.seen = changes;
        }
        self.told.records.to_vec()
    }
}
