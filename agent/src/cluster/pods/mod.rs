//! This node's pods, watched at the API server.

mod feed;
mod remembered;
mod table;
mod watch;

pub use feed::{PodFeed, PodsKnown, PodsTold};
pub(super) use table::PodTable;

use std::path::{Path, PathBuf};

use super::Part;

/// Where, below evictd's state directory, stand the pods as they were told last.
pub fn file(state: &Path) -> PathBuf {
    state.join("pods.json")
}

/// The part that fills `feed`.
pub fn part(feed: PodFeed) -> Part {
    Part::new("pods", move |connection, stop| watch::watch(connection, feed, None, stop))
}

/// The part that fills `feed`, and the one that remembers it in `file`. What that tells of an earlier evictd's
/// pods is in `feed` as soon as the API server turns out to be away.
pub fn remembering_parts(feed: PodFeed, file: PathBuf) -> [Part; 2] {
    if let Some(records) = remembered::read(&file) {
        feed.remember(records);
    }
    let (memory, keeper) = remembered::memory(file);
    [
        Part::new("pods", move |connection, stop| {
            watch::watch(connection, feed, Some(memory), stop)
        }),
        Part::new("remembered pods", move |_, stop| keeper.run(stop)),
    ]
}
