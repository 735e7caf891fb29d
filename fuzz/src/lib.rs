//! What every parser must do with any input: each function takes the bytes of one input and panics
//! when the parser breaks its word. The fuzz targets call them with what libFuzzer thinks of, the
//! tests with the committed corpora.

mod config;
mod duration;
mod manifest;
mod place;
mod quantity;
mod threshold_maps;
mod trace;

pub use config::config;
pub use duration::duration;
pub use manifest::manifest;
pub use quantity::quantity;
pub use threshold_maps::threshold_maps;
pub use trace::trace;

/// A fuzz target: its name, which is that of its program and its corpus, and what it checks.
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Panics when the parser breaks its word on the input.
    pub check: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 6] = [
    Target { name: "quantity", check: quantity },
    Target { name: "duration", check: duration },
    Target { name: "threshold_maps", check: threshold_maps },
    Target { name: "config", check: config },
    Target { name: "manifest", check: manifest },
    Target { name: "trace", check: trace },
];

/// The input as text. The parsers take nothing else, so other bytes say nothing about them.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
