//! A watch that cannot go on where it was (410).

use rustix::process::Signal;

use crate::{common, scene::Prepared, small::idle};

#[test]
fn a_watch_that_has_expired_begins_anew_and_the_pods_stay_known() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    let mut small = prepared.small(&[idle("kept"), idle("removed")]);
    small.start_knowing();
    let from = small.inbox.mark();

    // While evictd stands still its watch ends as watches do, and the next API server remembers nothing of what
    // was before it.
    small.signal(Signal::STOP);
    small.plane.stop_apiserver().unwrap();
    small.plane.start_apiserver().unwrap();
    small.clear_away(1);
    small.add(&idle("added"));
    small.signal(Signal::CONT);
    common::wait_until("it has expired", || small.log().contains("the watch of pods has expired"));
    common::wait_until("it goes on", || small.log().contains("the pods are listed anew"));

    let (killed, eviction) = small.hog(1);
    small.assert_told(killed, 1, &eviction);
    let states = small.pods_from(from);
    assert!(states.is_empty(), "the pods were known all the time: {states:?}");
    small.end();
}
