//! Budgets that the kernel counts against.
//!
//! The kernel only ever adds to `spent`; user space only ever writes `limit`. A budget of *b* is
//! armed by `limit = spent + b` followed by reading `spent` again: if it has passed the limit by
//! then, user space wakes itself. The kernel adds to `spent` before it reads `limit`, both fully
//! ordered, so at least one side sees the crossing and no wake-up is lost.

/// The slot that counts forks.
pub const TASKS_TRIPWIRE: u32 = 0;

/// The slot that counts bytes written into watched log directories. Those between this and
/// [`TASKS_TRIPWIRE`] count bytes, a filesystem each.
pub const LOGS_TRIPWIRE: u32 = MAX_TRIPWIRES - 1;

/// Number of slots: tasks, up to 14 filesystems, logs.
pub const MAX_TRIPWIRES: u32 = 16;

/// One slot of the kernel's counters. `limit` lives in a map of its own, so that arming never
/// overwrites what the kernel has counted meanwhile. Padded to a cache line: slots are hot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Tripwire {
    /// What has been used since the probe was loaded. Signed, as `limit` is, so that a distance
    /// between them can be told from an overflow.
    pub spent: i64,
    /// Always zero.
    pub reserved: [u64; 7],
}

const _: () = assert!(size_of::<Tripwire>() == 64);

impl Tripwire {
    /// Whether adding `amount` on top of `before` uses up the budget: true for exactly one adder.
    pub const fn crosses(before: i64, amount: i64, limit: i64) -> bool {
        before < limit && before.saturating_add(amount) >= limit
    }
}

#[cfg(feature = "user")]
// SAFETY: repr(C) integers without padding; every bit pattern is valid.
unsafe impl aya::Pod for Tripwire {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_adder_crosses() {
        let limit = 100;
        let mut spent = 0;
        let mut crossed = 0;
        for amount in [30, 30, 30, 30, 30] {
            crossed += u32::from(Tripwire::crosses(spent, amount, limit));
            spent += amount;
        }
        assert_eq!(crossed, 1);
    }

    /// Two adders and one who arms, each in two steps: all orders of the six steps.
    #[derive(Clone, Copy)]
    struct Model {
        spent: i64,
        limit: i64,
        /// What each adder saw when it added, once it has.
        saw: [Option<i64>; 2],
        compared: [bool; 2],
        armed: bool,
        looked: bool,
        /// Somebody is woken: by a record, or by oneself.
        woken: bool,
    }

    fn explore(model: Model, amounts: [i64; 2], limit: i64, ends: &mut u32) {
        let mut over = true;
        for adder in 0..2 {
            let mut next = model;
            match next.saw[adder] {
                None => {
                    next.saw[adder] = Some(next.spent);
                    next.spent += amounts[adder];
                }
                Some(before) if !next.compared[adder] => {
                    next.woken |= Tripwire::crosses(before, amounts[adder], next.limit);
                    next.compared[adder] = true;
                }
                Some(_) => continue,
            }
            over = false;
            explore(next, amounts, limit, ends);
        }
        if !model.looked {
            let mut next = model;
            if next.armed {
                next.woken |= next.spent >= limit;
                next.looked = true;
            } else {
                next.limit = limit;
                next.armed = true;
            }
            over = false;
            explore(next, amounts, limit, ends);
        }
        if over {
            *ends += 1;
            assert!(model.spent < limit || model.woken, "lost: {amounts:?} against {limit}");
        }
    }

    #[test]
    fn no_wake_up_is_lost_in_any_order_of_steps() {
        for old_limit in [i64::MAX, 0, 3] {
            for amounts in [[1, 1], [5, 1], [1, 5], [7, 9]] {
                for limit in 1..20 {
                    let model = Model {
                        spent: 0,
                        limit: old_limit,
                        saw: [None; 2],
                        compared: [false; 2],
                        armed: false,
                        looked: false,
                        woken: false,
                    };
                    let mut ends = 0;
                    explore(model, amounts, limit, &mut ends);
                    assert_eq!(ends, 90, "six steps, two of each, in order");
                }
            }
        }
    }

    #[test]
    fn edges() {
        assert!(Tripwire::crosses(99, 1, 100), "reaching the limit is crossing it");
        assert!(!Tripwire::crosses(98, 1, 100));
        assert!(!Tripwire::crosses(100, 1, 100), "already crossed");
        assert!(Tripwire::crosses(i64::MAX - 1, i64::MAX, i64::MAX), "no overflow");
    }
}
