//! Properties of the evaluator over random histories of observations, outcomes and time.
//!
//! `PROPTEST_CASES` sets how many histories each property is tried on; `cargo xtask ci` tries 10 000.

mod arbitrary;
mod extremes;
mod invariants;
mod log_writers;
mod monotone;
mod order;
mod play;
#[cfg(feature = "serde")]
mod serial;
mod summary;
mod texts;

use proptest::test_runner::Config;

/// Enough to find what is easily found.
const QUICK: u32 = 256;

fn cases() -> Config {
    let set = std::env::var_os("PROPTEST_CASES").is_some();
    let default = Config { failure_persistence: None, ..Config::default() };
    if set { default } else { Config { cases: QUICK, ..default } }
}
