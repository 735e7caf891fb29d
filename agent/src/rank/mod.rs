//! Who would be evicted, and why.

mod place;

pub use place::Place;
