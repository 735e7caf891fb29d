//! Answers for people: aligned columns, and colours where a terminal shows them.

mod paint;
mod table;

pub use paint::{Paint, Tone};
pub use table::{Align, Cell, Table};
