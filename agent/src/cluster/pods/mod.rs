//! This node's pods, watched at the API server.

mod feed;
mod table;
mod watch;

pub use feed::{PodFeed, PodsKnown, PodsTold};
pub(super) use table::PodTable;

use super::Part;

/// The part that fills `feed`.
pub fn part(feed: PodFeed) -> Part {
    Part::new("pods", move |connection, stop| watch::watch(connection, feed, stop))
}
