//! Arming budgets; see `evictd_common::Tripwire` for why no wake-up is lost.

use aya::{
    Ebpf,
    maps::{Array, MapData, MapError},
};
use evictd_common::{MAX_TRIPWIRES, Tripwire};

use super::load::LoadError;

/// The budgets of a loaded object. All are disarmed at first.
pub struct Tripwires {
    spent: Array<MapData, Tripwire>,
    limits: Array<MapData, i64>,
}

impl Tripwires {
    /// Takes the maps out of the object and disarms every slot.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        let mut tripwires = Self {
            spent: super::load::take_map(ebpf, "TRIPWIRES")?,
            limits: super::load::take_map(ebpf, "LIMITS")?,
        };
        for slot in 0..MAX_TRIPWIRES {
            let disarmed = tripwires.limits.set(slot, i64::MAX, 0);
            disarmed
                .map_err(|source| LoadError::Map { name: "LIMITS", source: Box::new(source) })?;
        }
        Ok(tripwires)
    }

    /// What has been used in `slot` so far. Read it before sampling the signal that a budget is
    /// computed from: what is used between sample and arming then counts against the budget.
    pub fn spent(&self, slot: u32) -> Result<i64, MapError> {
        Ok(self.spent.get(&slot, 0)?.spent)
    }

    /// Wakes once `budget` has been used on top of `since` (an earlier [`Self::spent`]). True if it
    /// is used up already, in which case no record comes and the caller looks again at once.
    pub fn arm(&mut self, slot: u32, since: i64, budget: u64) -> Result<bool, MapError> {
        let limit = since.saturating_add(i64::try_from(budget).unwrap_or(i64::MAX));
        self.limits.set(slot, limit, 0)?;
        Ok(self.spent(slot)? >= limit)
    }

    /// Never wakes for `slot` until it is armed again.
    pub fn disarm(&mut self, slot: u32) -> Result<(), MapError> {
        self.limits.set(slot, i64::MAX, 0)
    }
}
