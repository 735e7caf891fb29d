//! Which filesystems are watched.

use crate::MAX_TRIPWIRES;

/// One watched filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Place {
    /// Kernel `dev_t`; 0 ends the list.
    pub dev: u32,
    /// Its tripwire's slot.
    pub slot: u32,
}

/// The value of `WATCHED`: a list, the first unused place ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Watched {
    /// The filesystems.
    pub places: [Place; MAX_TRIPWIRES as usize],
    /// Changes whenever a filesystem or a log directory is added.
    pub generation: u32,
}

impl Watched {
    /// Watches `dev` with tripwire `slot`. False if the list is full.
    pub fn add(&mut self, dev: u32, slot: u32) -> bool {
        let free = self.places.iter_mut().find(|place| place.dev == 0 || place.dev == dev);
        free.map(|place| *place = Place { dev, slot }).is_some()
    }
}

#[cfg(feature = "user")]
// SAFETY: repr(C) integers without padding; every bit pattern is valid.
unsafe impl aya::Pod for Watched {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_added_once_and_the_list_ends() {
        let mut watched = Watched::default();
        assert!(watched.add(7, 1));
        assert!(watched.add(7, 2));
        assert_eq!((watched.places[0].slot, watched.places[1].dev), (2, 0));
        for dev in 8..8 + MAX_TRIPWIRES - 1 {
            assert!(watched.add(dev, 1));
        }
        assert!(!watched.add(99, 1));
    }
}
