//! Samplers, pod index and actuators against the running kernel.
//!
//! Every test makes cgroups of its own below `evictd-test-…`, puts only processes of its own into
//! them, and removes both, also when it fails. They need root; without it each says so.

#![expect(missing_docs, reason = "a test binary")]

mod actuate;
mod cgroups;
mod index;
mod processes;
mod sample;
