//! Traces: every input of the evaluator and every command it gave, so that a run can be played again.
//!
//! A trace is JSON Lines. The first line is the [`Header`]; every further one is one call into the
//! evaluator, one command, or a pod's facts, which are written once and then referred to by number:
//!
//! ```text
//! {"format":"evictd-trace","version":1,…,"policy":{…}}
//! {"pod":{"number":0,"facts":{"id":{"uid":"…","cgroup_inode":77},"namespace":"shop",…}}}
//! {"timeout":{"now":81000000000}}
//! {"observation":{"now":81000003000,"signals":{"memory.available":{…}},"pods":[{"pod":0,…}],…}}
//! {"command":{"now":81000003000,"command":"evict","id":1,…}}
//! {"outcome":{"now":81000004000,"outcome":"observed","id":1}}
//! {"end":{"now":90000000000}}
//! ```
//!
//! Times are nanoseconds of CLOCK_MONOTONIC and never go back. A trace without `end` was cut short.

mod entry;
mod header;
mod other_policy;
mod read;
mod recorder;
mod traced;
mod wire;
mod write;

pub use entry::{Entry, Event};
pub use header::{Figures, Header};
pub use other_policy::OtherPolicy;
pub use read::{Trace, open, read};
pub use recorder::{Listener, Recorder};
pub use traced::Traced;
pub use write::Writer;
