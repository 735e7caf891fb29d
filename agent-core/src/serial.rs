//! How values are written where the derived form would not be readable, or not exact.

use std::fmt::Display;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeMap as _};

use crate::{
    Format, NodeCondition, NodeSignals, Quantity, ReclaimStep, Signal, SignalObservation,
    disks::reclaim_steps, layout::FsLayout,
};

/// The value of that name among `all`.
fn named<'de, T: Copy, D: Deserializer<'de>>(
    deserializer: D,
    what: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    all.iter().copied().find(|value| name(*value) == text).ok_or_else(|| {
        let allowed: Vec<_> = all.iter().map(|value| name(*value)).collect();
        Error::custom(format!("unknown {what} `{text}`; allowed: {}", allowed.join(", ")))
    })
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        named(deserializer, "signal", &Self::ALL, Self::name)
    }
}

impl Serialize for NodeCondition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for NodeCondition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        named(deserializer, "condition", &Self::ALL, Self::name)
    }
}

/// A map from signal to what was seen; a signal that is unknown is absent.
impl Serialize for NodeSignals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = Signal::ALL.into_iter().filter_map(|s| Some((s, self.get(s)?)));
        let mut map = serializer.serialize_map(None)?;
        for (signal, seen) in known {
            map.serialize_entry(&signal, &seen)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for NodeSignals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Seen = std::collections::BTreeMap<Signal, SignalObservation>;
        let mut signals = Self::default();
        for (signal, seen) in Seen::deserialize(deserializer)? {
            signals.set(signal, Some(seen));
        }
        Ok(signals)
    }
}

/// A quantity as its text; as numbers where the text alone would be read as another suffix family
/// (`512`, which is half a `Ki`).
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenQuantity {
    Text(String),
    Numbers { nanos: String, format: Format },
}

fn is_same(a: Quantity, b: Quantity) -> bool {
    a == b && a.format() == b.format()
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        let written = match Self::parse(&text) {
            Ok(read) if is_same(read, *self) => WrittenQuantity::Text(text),
            Ok(_) | Err(_) => {
                WrittenQuantity::Numbers { nanos: self.nanos().to_string(), format: self.format() }
            }
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match WrittenQuantity::deserialize(deserializer)? {
            WrittenQuantity::Text(text) => Self::parse(&text).map_err(Error::custom),
            WrittenQuantity::Numbers { nanos, format } => {
                Ok(Self::from_nanos(nanos.parse().map_err(Error::custom)?, format))
            }
        }
    }
}

/// A share of single precision as text, which is exact and can say NaN.
pub(crate) mod share {
    use super::{Deserialize, Deserializer, Display, Error, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        share: &impl Display,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(share)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(Error::custom)
    }
}

/// One of the lists of steps that the evaluator gives.
pub(crate) fn steps<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<&'static [ReclaimStep], D::Error> {
    let steps = Vec::<ReclaimStep>::deserialize(deserializer)?;
    let layouts = [FsLayout::Single, FsLayout::DedicatedImagefs, FsLayout::Split];
    let all = layouts.into_iter().flat_map(|layout| Signal::ALL.map(|s| (layout, s)));
    let mut lists = all.map(|(layout, signal)| reclaim_steps(layout, signal));
    lists.find(|list| **list == *steps).ok_or_else(|| Error::custom("no such list of steps"))
}
