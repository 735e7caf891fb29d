//! A kubelet that computed its status before it heard of the eviction writes it over evictd's.

use evictd_tests::record::Record;

use crate::{common, known::assert_evicted, scene::Prepared, small::idle};

#[test]
fn a_status_that_the_kubelet_takes_back_is_told_again() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    let mut small = prepared.small(&[idle("hog")]);
    small.start_knowing();
    let (from, eviction) = small.hog(0);
    small.assert_told(from, 0, &eviction);
    let taken_back = small.inbox.mark();
    let (spec, identity) = (small.pods[0].spec().clone(), small.pods[0].identity().clone());
    small.kubelet.take_back(&spec, &identity).unwrap();
    assert_eq!(small.status(0).phase.as_deref(), Some("Running"));
    let told = small.wait_told(taken_back, &eviction.uid, "status");
    assert_eq!(told.outcome, "accepted", "{told:?}");
    // Status, reason, message, and still one event.
    assert_evicted(&small.plane, &small.status(0), &eviction);
    let events = small.inbox.since(taken_back).iter().filter(|event| {
        matches!(event, evictd_tests::inbox::Event::Record(record)
            if matches!(&**record, Record::Told(told) if told.matter == "event"))
    });
    assert_eq!(events.count(), 0);
    assert_eq!(small.end().stopped.evictions, 1);
}
