//! Where strict semantics part from the kubelet's: a test for each row of the kubelet spec §6 that is
//! marked as a mistake and lies with the evaluator. Each shows both.
//!
//! Rows that lie elsewhere: E-32 (who writes the pod's status), E-36 (where the node's memory is read),
//! E-37 (what wakes the evaluator), E-46 (which filesystems are watched).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod choice;
mod disks;
mod limits;
mod node;
mod ranking;
mod reclaim;
mod release;
mod values;
