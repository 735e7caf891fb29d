//! The token is replaced while evictd runs, and clocks disagree on when it is valid.

use std::fs;

use evictd_tests::{deploy::Agent, pod::write_whole, record::Record};

use crate::{
    common,
    scene::{NODE, Prepared},
    small::{Small, idle},
};

const HOUR: i64 = 3600;
const REFUSED: &str = "does not accept the credentials (401";

#[test]
fn a_token_that_is_replaced_is_taken_up_and_the_kill_waits_for_none() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    let mut small = prepared.small(&[idle("first"), idle("second")]);
    let (plane, token) = (small.plane.clone(), small.agent.token.clone());
    let valid = fs::read_to_string(&token).unwrap();

    // Issued by a clock that is ahead of the one that checks it, and by one that is behind. The second
    // evictd goes by the pods that the first knew.
    for (ahead, until_known) in [(HOUR, "unknown"), (-2 * HOUR, "remembered")] {
        let other = plane.token_by_clock(small.agent.account(), ahead).unwrap();
        write_whole(&token, &other).unwrap();
        let from = small.start();
        let error = small.wait_pods(from, until_known).error.unwrap();
        assert!(error.contains(REFUSED), "{ahead}: {error}");
        let log = small.log();
        let said: Vec<_> = log.lines().filter(|line| line.contains("asking again")).collect();
        assert!(said.len() == 1 && said[0].contains(REFUSED), "{said:#?}");
        // The kubelet writes the next one.
        let from = small.inbox.mark();
        write_whole(&token, &valid).unwrap();
        assert_eq!(small.wait_pods(from, "known").listed, 3);
        wait_remembered(&small);
        small.kill();
    }

    small.start_knowing();
    let from = small.inbox.mark();
    revoke(&small);
    small.wait(from, "a refusal", |record| {
        let Record::Pods(pods) = record else { return None };
        let is_refused = pods.error.as_ref().is_some_and(|error| error.contains(REFUSED));
        (is_refused && pods.api.as_deref() == Some("stale")).then_some(())
    });
    let (killed, first) = small.hog(0);
    common::wait_until("telling is tried", || small.log().contains("patch pods/status"));
    assert_eq!(small.status(0).phase.as_deref(), Some("Running"));
    let from = small.inbox.mark();
    small.agent = Agent::on(&plane, NODE).unwrap();
    small.wait_pods(from, "known");
    small.assert_told(killed, 0, &first);
    let (from, second) = small.hog(1);
    small.assert_told(from, 1, &second);
    small.end();
}

/// Waits until the pods are on disk for the next evictd.
fn wait_remembered(small: &Small) {
    let file = small.node.dir().join("state").join("pods.json");
    let is_there = |text: String| small.pods.iter().all(|pod| text.contains(pod.uid()));
    common::wait_until("the pods are on disk", || fs::read_to_string(&file).is_ok_and(is_there));
}

/// A token ends with its pod. An API server that was started anew does not remember that it took it.
fn revoke(small: &Small) {
    small.agent.remove(&small.plane).unwrap();
    small.plane.kill_apiserver().unwrap();
    small.plane.start_apiserver().unwrap();
}
