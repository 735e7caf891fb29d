//! Every recorded vector, as committed.

use std::path::Path;

#[test]
fn the_evaluator_does_what_the_kubelet_did() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance");
    let report = evictd_conformance::run(&dir).unwrap();
    println!("{report}");
    assert!(report.total.passed > 0);
    assert!(report.failures.is_empty(), "{report}");
}
