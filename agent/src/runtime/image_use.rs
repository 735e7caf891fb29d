//! When images were first seen and last used (L-24). No runtime tells, so it is noted whenever the
//! runtime is looked at, as the kubelet does.

use std::{collections::BTreeMap, time::Duration};

use evictd_core::MonoTime;

use super::{Container, Image, Stock};

/// What is known of the images, by id.
#[derive(Clone, Debug, Default)]
pub struct ImageUse {
    seen: BTreeMap<String, Seen>,
    /// Something was looked at already: what is new now came since.
    begun: bool,
}

/// Times of one image; the field order is the order in which images go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// When a container of it was last seen; `None`: never.
    last_used: Option<MonoTime>,
    /// When it was first seen; `None`: it was there before evictd, however old it is.
    first_detected: Option<MonoTime>,
}

impl Seen {
    /// Whether it has been there for at least `age`.
    pub fn is_older_than(self, age: Duration, now: MonoTime) -> bool {
        self.first_detected.is_none_or(|first| now.since(first) >= age)
    }
}

impl ImageUse {
    /// Takes in what the runtime keeps now.
    pub fn detect(&mut self, stock: &Stock, now: MonoTime) {
        let first_detected = self.begun.then_some(now);
        let seen = |image: &Image| {
            let new = Seen { last_used: None, first_detected };
            let mut seen = self.seen.get(&image.id).copied().unwrap_or(new);
            let is_user = |container: &Container| image.is_of(container);
            if stock.containers.iter().any(is_user) {
                seen.last_used = Some(now);
            }
            (image.id.clone(), seen)
        };
        // Images that are gone are forgotten with this.
        self.seen = stock.images.iter().map(seen).collect();
        self.begun = true;
    }

    /// What is known of one image; `None`: it was not there when last looked.
    pub fn of(&self, id: &str) -> Option<Seen> {
        self.seen.get(id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::ContainerPhase;

    fn at(second: u64) -> MonoTime {
        MonoTime::from_nanos(second * 1_000_000_000)
    }

    fn stock(images: &[&str], used: &[&str]) -> Stock {
        let image = |id: &&str| Image {
            id: (*id).to_owned(),
            names: vec![format!("registry/{id}:1")],
            size: 1,
            pinned: false,
        };
        let container = |id: &&str| Container {
            id: format!("c-{id}"),
            name: "app".to_owned(),
            pod_uid: "u".to_owned(),
            phase: ContainerPhase::Running,
            created_at: 0,
            image: vec![format!("registry/{id}:1")],
        };
        Stock {
            images: images.iter().map(image).collect(),
            containers: used.iter().map(container).collect(),
            pods: BTreeMap::new(),
        }
    }

    #[test]
    fn images_are_aged_from_when_they_were_seen_to_come() {
        let mut uses = ImageUse::default();
        uses.detect(&stock(&["old", "used"], &["used"]), at(10));
        uses.detect(&stock(&["old", "used", "new"], &[]), at(20));
        let minute = Duration::from_secs(60);
        let old_enough = |uses: &ImageUse, id, second| {
            uses.of(id).map(|seen| seen.is_older_than(minute, at(second)))
        };
        assert_eq!(old_enough(&uses, "old", 20), Some(true), "there before");
        assert_eq!(old_enough(&uses, "new", 79), Some(false));
        assert_eq!(old_enough(&uses, "new", 80), Some(true));
        assert_eq!(old_enough(&uses, "none", 80), None);
        assert!(uses.of("old") < uses.of("new"), "never used: the older first");
        assert!(uses.of("new") < uses.of("used"), "never used before used");
        uses.detect(&stock(&["old"], &[]), at(30));
        assert_eq!(uses.of("new"), None, "forgotten when it goes");
    }
}
