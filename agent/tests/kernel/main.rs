//! Samplers, pod index and actuators against the running kernel.
//!
//! Every test makes cgroups of its own below `evictd-test-…`, puts only processes of its own into
//! them, and removes both, also when it fails. They need root; without it each says so.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod actuate;
mod allocation;
mod cgroup_files;
mod cgroups;
mod index;
mod processes;
mod sample;
