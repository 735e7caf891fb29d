//! Every way to write to a file, with known byte counts, held against what each rung of the hook
//! ladder reports: bytes written, and space taken and given back.
//!
//! `evictd-paths measure` does all of it on the running kernel and prints findings as JSON Lines;
//! `evictd-paths document` makes `docs/write-paths.md` of the findings of several kernels.

pub mod claims;
pub mod document;
mod finding;
mod measure;
mod path;
pub mod perform;
mod place;
mod trial;
mod watcher;

pub use finding::{Cell, Finding, Measure, Stage};
pub use measure::{GROUNDS, measure};
pub use path::{BYTES, WritePath};
pub use place::Place;
pub use trial::Said;
