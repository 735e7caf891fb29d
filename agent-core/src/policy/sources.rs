//! Which entries are in force: defaults, the configuration file, drop-ins (T-18 to T-21).

use std::collections::BTreeMap;

use super::EvictionMaps;

/// A drop-in's eviction maps: an entry replaces the one of the same key, null removes it, and a map
/// that is not written changes nothing (a JSON merge patch, T-21).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DropIn {
    /// `evictionHard`
    pub hard: BTreeMap<String, Option<String>>,
    /// `evictionSoft`
    pub soft: BTreeMap<String, Option<String>>,
    /// `evictionSoftGracePeriod`
    pub soft_grace_period: BTreeMap<String, Option<String>>,
    /// `evictionMinimumReclaim`
    pub minimum_reclaim: BTreeMap<String, Option<String>>,
}

impl EvictionMaps {
    /// `evictionHard` in force for a configuration file that says `written`. Defaults come in only
    /// where the file has none at all: one key, or an empty map, puts all of them out of force (T-20,
    /// E-8), unless `merge_defaults` (`mergeDefaultEvictionSettings`). A kubelet without a file has no
    /// defaults, and so no thresholds but those of its flags (T-19, E-7).
    pub fn hard_in_force(
        written: Option<&BTreeMap<String, String>>,
        merge_defaults: bool,
    ) -> BTreeMap<String, String> {
        let defaults = Self::linux_defaults().hard;
        match written {
            None => defaults,
            Some(written) if !merge_defaults => written.clone(),
            Some(written) => {
                let mut merged = defaults;
                merged.extend(written.clone());
                merged
            }
        }
    }

    /// Puts a drop-in on top. Defaults are in force already by then, and stay (T-21, E-9).
    pub fn apply(&mut self, drop_in: &DropIn) {
        for (map, patch) in [
            (&mut self.hard, &drop_in.hard),
            (&mut self.soft, &drop_in.soft),
            (&mut self.soft_grace_period, &drop_in.soft_grace_period),
            (&mut self.minimum_reclaim, &drop_in.minimum_reclaim),
        ] {
            for (key, value) in patch {
                match value {
                    Some(value) => map.insert(key.clone(), value.clone()),
                    None => map.remove(key),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("memory.available".to_owned(), value.to_owned())])
    }

    #[test]
    fn one_key_puts_every_default_out_of_force() {
        let empty = BTreeMap::new();
        let cases = [
            ("no map", None, false, 5, Some("100Mi")),
            ("T-20 an empty map", Some(&empty), false, 0, None),
            ("E-8 one key", Some(&one("1Gi")), false, 1, Some("1Gi")),
            ("one key, merged", Some(&one("1Gi")), true, 5, Some("1Gi")),
        ];
        for (name, written, merge, entries, memory) in cases {
            let hard = EvictionMaps::hard_in_force(written, merge);
            assert_eq!(hard.len(), entries, "{name}");
            assert_eq!(hard.get("memory.available").map(String::as_str), memory, "{name}");
        }
    }

    #[test]
    fn a_drop_in_changes_only_what_it_names() {
        let mut maps = EvictionMaps::linux_defaults();
        maps.soft = one("2Gi");
        let drop_in = DropIn {
            hard: BTreeMap::from([
                ("memory.available".to_owned(), Some("1Gi".to_owned())),
                ("nodefs.available".to_owned(), None),
            ]),
            ..DropIn::default()
        };
        maps.apply(&drop_in);
        assert_eq!(maps.hard.len(), 4, "E-9: the other defaults stay");
        assert_eq!(maps.hard["memory.available"], "1Gi");
        assert_eq!(maps.soft, one("2Gi"));
    }
}
