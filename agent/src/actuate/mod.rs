//! Actuators: what turns the evaluator's commands into kills. The kill path allocates nothing, so
//! that it works when memory is what is missing.

mod emptied;
mod error;
mod interpreter;
mod kill;
mod reap;
mod sweep;
mod terminate;

pub use emptied::EmptiedWatch;
pub use error::KillError;
pub(crate) use interpreter::is_exempt;
pub use interpreter::{Evicted, Interpreter, Order};
pub use kill::{KillMethod, Killed, kill};
pub use reap::{LargeProcesses, Reaper};
