//! Something for each of the four eviction maps.

use std::ops::{Index, IndexMut};

use evictd_core::MapField;

/// One `T` for each map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PerMap<T>([T; MapField::ALL.len()]);

impl<T> PerMap<T> {
    /// What `make` gives for each map.
    pub(super) fn from_fn(make: impl FnMut(MapField) -> T) -> Self {
        Self(MapField::ALL.map(make))
    }
}

impl<T> Index<MapField> for PerMap<T> {
    type Output = T;

    fn index(&self, field: MapField) -> &T {
        &self.0[field as usize]
    }
}

impl<T> IndexMut<MapField> for PerMap<T> {
    fn index_mut(&mut self, field: MapField) -> &mut T {
        &mut self.0[field as usize]
    }
}
