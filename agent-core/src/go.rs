//! Go's ways with texts, where the kubelet's behaviour shows them: numbers and quotation marks.

mod float;
mod quote;

pub(crate) use float::{FloatError, parse_f32};
pub(crate) use quote::{quote, quote_for_time};
