//! Where strict semantics part from the kubelet's: a test for each row of the kubelet spec §6 that is
//! marked as a mistake and lies with the evaluator. Each shows both.
//!
//! Rows that lie with the agent have their tests there: E-32 (`tests/tests/soft.rs`), E-36
//! (`agent/src/sample/node_memory.rs`), E-37 (`tests/tests/wakes.rs`), and E-46 also (`tests/tests/logfs.rs`).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod choice;
mod disks;
mod limits;
mod node;
mod ranking;
mod reclaim;
mod release;
mod values;
