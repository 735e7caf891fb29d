//! Parsers and printers.

use evictd_core::{EvictionMaps, Format, Policy, Quantity, Semantics};
use proptest::prelude::*;

use crate::cases;

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_quantity_printed_reads_as_itself(units in any::<i64>(), binary in any::<bool>()) {
        let format = if binary { Format::BinarySi } else { Format::DecimalSi };
        let printed = Quantity::new(units, format).to_string();
        let read = Quantity::parse(&printed).map(Quantity::value);
        // One number more is negative than positive, and the API caps at the latter.
        prop_assert_eq!(read, Ok(units.max(-i64::MAX)));
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "[-+0-9.eEinumkKMGTPshµ%_xpP ]{0,40}|\\PC{0,20}") {
        let _ = Quantity::parse(&text);
        let _ = evictd_core::parse_duration(&text);
        for semantics in [Semantics::Kubelet, Semantics::Strict] {
            let entry = || [("memory.available".to_owned(), text.clone())].into();
            let maps = EvictionMaps {
                hard: entry(),
                minimum_reclaim: entry(),
                soft_grace_period: entry(),
                semantics,
                ..EvictionMaps::default()
            };
            let _ = Policy::parse(&maps);
        }
    }
}
