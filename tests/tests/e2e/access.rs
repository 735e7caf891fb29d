//! What was given for the API server or the runtime cannot be used: one clear error, and evictd goes on.

use std::fs;

use evictd_tests::{pod::write_whole, record::Record};
use serde_json::Value;

use crate::{
    common,
    scene::Prepared,
    small::{Small, idle},
};

/// Lines of evictd's log that have `text`.
fn lines(small: &Small, text: &str) -> Vec<String> {
    small.log().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

/// Writes the kubeconfig anew with `change` made to its cluster; gives what was there.
fn change_cluster(small: &Small, change: impl FnOnce(&mut Value)) -> String {
    let before = fs::read_to_string(&small.agent.kubeconfig).unwrap();
    let mut config: Value = serde_json::from_str(&before).unwrap();
    change(&mut config["clusters"][0]["cluster"]);
    write_whole(&small.agent.kubeconfig, &config.to_string()).unwrap();
    before
}

#[test]
fn what_cannot_be_used_is_told_once_and_evictd_goes_on() {
    let _alone = common::alone();
    let Some(prepared) = Prepared::new() else { return };
    let mut small = prepared.small(&[idle("first"), idle("second")]);
    a_wrong_node_name(&mut small);
    an_unknown_authority(&mut small);
    let (from, eviction) = small.hog(0);
    small.assert_told(from, 0, &eviction);
    small.end();

    // A runtime that is none costs no more than what would be reclaimed through it.
    let file = small.node.dir().join("no.sock");
    fs::write(&file, "").unwrap();
    let endpoint = format!("unix://{}", file.display());
    small.options.more_args = vec!["--runtime-endpoint".to_owned(), endpoint];
    small.start_knowing();
    let (from, eviction) = small.hog(1);
    small.assert_told(from, 1, &eviction);
    let said = lines(&small, "no.sock");
    assert_eq!(said.len(), 1, "{said:#?}");
    small.end();
}

/// Starts evictd, and puts right what is wrong while it runs.
fn an_unknown_authority(small: &mut Small) {
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let file = small.plane.dir().join("other.crt");
    fs::write(&file, other.cert.pem()).unwrap();
    let right = change_cluster(small, |cluster| {
        cluster["certificate-authority"] = file.display().to_string().into();
    });
    let from = small.start();
    let unknown = small.wait_pods(from, "unknown");
    let error = unknown.error.unwrap();
    assert!(error.contains("signed by an unknown authority"), "{error}");

    // What there is only a cgroup of may be static or critical.
    let held = small.hold(0, 32);
    small.wait(from, "that nobody may go", |record| {
        matches!(record, Record::UnableToEvict { .. }).then_some(())
    });
    assert!(small.pods[0].is_running());
    drop(held);
    let said = lines(small, "the API server does not tell this node's pods");
    assert!(said.len() == 1 && said[0].contains("unknown authority"), "{said:#?}");

    let from = small.inbox.mark();
    write_whole(&small.agent.kubeconfig, &right).unwrap();
    small.wait_pods(from, "known");
}

fn a_wrong_node_name(small: &mut Small) {
    let right = small.options.cluster.clone();
    "node-x".clone_into(&mut small.options.cluster.as_mut().unwrap().node);
    let from = small.start();
    let error = small.wait_pods(from, "unknown").error.unwrap();
    assert!(error.contains("has no node `node-x`; give --node-name"), "{error}");
    let said = lines(small, "the API server does not tell this node's pods");
    assert!(said.len() == 1 && said[0].contains("node-x"), "{said:#?}");
    small.end();
    small.options.cluster = right;
}
