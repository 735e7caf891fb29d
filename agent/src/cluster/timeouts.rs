//! How long the API server is waited for.

use std::time::Duration;

use kube::Config;

/// A connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// The beginning of an answer, connecting included. A watch is answered at once, too: what then comes
/// are its events.
pub(super) const ANSWER: Duration = Duration::from_secs(15);

/// Between two pieces of an answer. A watch without events has a bookmark about once a minute; one that
/// is silent for longer is taken for dead and goes on where it was.
const READ: Duration = Duration::from_secs(90);

pub(super) fn set(config: &mut Config) {
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(READ);
    config.write_timeout = Some(ANSWER);
    // A connection may have lain idle before it is used again.
    config.reset_reader_on_write = true;
}
