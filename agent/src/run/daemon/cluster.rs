//! What the daemon hears from the API server, and has it told.

use std::sync::Arc;

use crate::{
    clock::now,
    cluster::{
        evict::{Answered, Evictor},
        outbox::{Notice, Outbox},
        pods::{PodFeed, PodsKnown},
    },
    run::{pods_from::PodsFrom, record::Record},
};

use super::Daemon;

impl Daemon {
    /// Reports whether the API server tells the pods, when that changes.
    pub(super) fn tell_of_pods(&mut self) {
        if self.observer.index().source().told().is_some_and(|told| told.known != self.pods_known) {
            self.pods_known = self.pods_known_now();
            let record = Record::Pods(PodsFrom::of(self.observer.index()));
            self.reporter.report(now(), record);
        }
    }

    pub(super) fn pods_known_now(&self) -> PodsKnown {
        let told = self.observer.index().source().told();
        told.map(|told| told.known.clone()).unwrap_or_default()
    }

    /// Has the cluster told of what was done.
    pub(super) fn tell(&self, notices: impl IntoIterator<Item = Notice>) {
        if let Some(outbox) = &self.outbox {
            notices.into_iter().for_each(|notice| outbox.put(notice));
        }
    }

    /// Has the cluster told once more of pods whose status was taken back.
    pub(super) fn tell_again(&self, notices: Vec<Arc<Notice>>) {
        if let Some(outbox) = &self.outbox {
            notices.into_iter().for_each(|notice| outbox.put_status_again(notice));
        }
    }

    /// Reports what has become of the telling.
    pub(super) fn tell_what_was_told(&mut self) {
        let at = now();
        for told in self.outbox.iter().flat_map(Outbox::told) {
            self.evictions.told(&told, at);
            self.reporter.report(at, Record::Told(Box::new(told)));
        }
    }
}

/// Waits until the API server has told something new; forever in standalone mode.
pub(super) async fn changed(pods: Option<&PodFeed>) {
    match pods {
        Some(pods) => pods.changed().await,
        None => std::future::pending().await,
    }
}

/// Waits for what came of a soft eviction; forever where nobody is asked.
pub(super) async fn answered(evictor: Option<&mut Evictor>) -> Answered {
    if let Some(evictor) = evictor
        && let Some(answered) = evictor.answered().await
    {
        return answered;
    }
    std::future::pending().await
}
