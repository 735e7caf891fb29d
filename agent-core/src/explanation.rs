//! Why a pod is ranked before the next one, with the numbers of both.

use std::fmt;

use crate::{Comparator, Format, Placement, Signal};

/// Nano units in one unit, as in [`crate::Quantity::nanos`].
const NANOS: i128 = 1_000_000_000;

/// What a pod uses, and what it requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageAndRequest {
    /// In the signal's unit.
    pub usage: u64,
    /// In the signal's unit.
    pub request: u64,
}

/// The comparator that put a pod before the next one, with what it compared. Printed it is a sentence
/// for people: `exceeds request: 700Mi used > 100Mi requested, next pod does not: 5Mi <= 64Mi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// [`Comparator::UsageKnown`]
    UsageKnown,
    /// [`Comparator::UsageMissing`]
    UsageMissing,
    /// [`Comparator::ExceedsRequest`]
    ExceedsRequest {
        /// More is used than requested.
        this: UsageAndRequest,
        /// Of the next pod: no more is used than requested.
        next: UsageAndRequest,
        /// What they are printed in.
        format: Format,
    },
    /// [`Comparator::Priority`]
    Priority {
        /// The lower one.
        this: i32,
        /// The next pod's.
        next: i32,
    },
    /// [`Comparator::Consumption`], in nano units of the signal.
    Consumption {
        /// The larger usage above the request.
        this: i128,
        /// The next pod's.
        next: i128,
        /// What they are printed in.
        format: Format,
    },
    /// [`Comparator::Uid`]
    Uid,
    /// [`Comparator::Listed`]
    Listed,
}

impl Placement {
    /// What put it before `next`, its successor in a ranking for `signal`; `None` for the last place.
    pub fn explain(&self, next: Option<&Self>, signal: Signal) -> Option<Explanation> {
        let (by, next) = (self.decided_by?, next?);
        let format = signal.format();
        Some(match by {
            Comparator::UsageKnown => Explanation::UsageKnown,
            Comparator::UsageMissing => Explanation::UsageMissing,
            Comparator::ExceedsRequest => Explanation::ExceedsRequest {
                this: self.usage_and_request(),
                next: next.usage_and_request(),
                format,
            },
            Comparator::Priority => {
                Explanation::Priority { this: self.priority(), next: next.priority() }
            }
            // Two unknown ones are equal: the comparator that decides saw both.
            Comparator::Consumption => Explanation::Consumption {
                this: self.excess_nanos().unwrap_or_default(),
                next: next.excess_nanos().unwrap_or_default(),
                format,
            },
            Comparator::Uid => Explanation::Uid,
            Comparator::Listed => Explanation::Listed,
        })
    }

    fn usage_and_request(&self) -> UsageAndRequest {
        UsageAndRequest { usage: self.usage.unwrap_or(0), request: self.request }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UsageKnown => f.write_str("usage is known, next pod's is not"),
            Self::UsageMissing => f.write_str("usage is not known, next pod's is"),
            Self::ExceedsRequest { this, next, format } => {
                let pair = |pair: UsageAndRequest| {
                    distinct(nanos(pair.usage), nanos(pair.request), format)
                };
                let ((used, requested), (next_used, next_requested)) = (pair(this), pair(next));
                write!(
                    f,
                    "exceeds request: {used} used > {requested} requested, \
                     next pod does not: {next_used} <= {next_requested}"
                )
            }
            Self::Priority { this, next } => write!(f, "priority {this} < {next}"),
            Self::Consumption { this, next, format } => {
                let (this, next) = distinct(this, next, format);
                write!(f, "usage above request {this} > {next}")
            }
            Self::Uid => f.write_str("uid"),
            Self::Listed => f.write_str("order of listing"),
        }
    }
}

fn nanos(units: u64) -> i128 {
    i128::from(units) * NANOS
}

/// Both rounded for reading, or exact where rounding would make different amounts look the same.
fn distinct(a: i128, b: i128, format: Format) -> (String, String) {
    let (short_a, short_b) = (Amount::new(a, format), Amount::new(b, format));
    let (short_a, short_b) = (short_a.to_string(), short_b.to_string());
    if a != b && short_a == short_b { (exact(a), exact(b)) } else { (short_a, short_b) }
}

fn exact(nanos: i128) -> String {
    if nanos % NANOS == 0 { (nanos / NANOS).to_string() } else { format!("{nanos}n") }
}

/// An amount to be read by people: a suffix and at most one decimal. `703.2Mi`, `12.5k`, `-3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    units: i128,
    format: Format,
}

impl Amount {
    fn new(nanos: i128, format: Format) -> Self {
        Self { units: nanos / NANOS, format }
    }

    /// Two amounts of `signal` as texts that differ when the amounts do.
    pub fn pair(signal: Signal, a: i64, b: i64) -> (String, String) {
        distinct(i128::from(a) * NANOS, i128::from(b) * NANOS, signal.format())
    }

    /// An amount of `units` in the unit of `signal`.
    pub fn of(signal: Signal, units: impl Into<i128>) -> Self {
        Self { units: units.into(), format: signal.format() }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (base, suffixes) = match self.format {
            Format::BinarySi => (1024, ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]),
            Format::DecimalSi | Format::DecimalExponent => {
                (1000, ["", "k", "M", "G", "T", "P", "E"])
            }
        };
        let sign = if self.units < 0 { "-" } else { "" };
        let (mut unit, mut power) = (1_u128, 0);
        let units = self.units.unsigned_abs();
        while units / unit >= base && power + 1 < suffixes.len() {
            unit *= base;
            power += 1;
        }
        let tenths = units.saturating_mul(10) / unit;
        let (whole, tenth) = (tenths / 10, tenths % 10);
        let text = if tenth == 0 {
            format!("{sign}{whole}{}", suffixes[power])
        } else {
            format!("{sign}{whole}.{tenth}{}", suffixes[power])
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_give_both_numbers() {
        let (binary, decimal) = (Format::BinarySi, Format::DecimalSi);
        let pair = |usage, request| UsageAndRequest { usage, request };
        let consumption = |this, next, format| Explanation::Consumption { this, next, format };
        let cases = [
            (Explanation::Priority { this: 0, next: 1000 }, "priority 0 < 1000"),
            (
                Explanation::ExceedsRequest {
                    this: pair(700 << 20, 100 << 20),
                    next: pair(5 << 20, 64 << 20),
                    format: binary,
                },
                "exceeds request: 700Mi used > 100Mi requested, next pod does not: 5Mi <= 64Mi",
            ),
            (
                consumption(nanos(600 << 20), nanos(20 << 20), binary),
                "usage above request 600Mi > 20Mi",
            ),
            (consumption(nanos(1500), -nanos(7), decimal), "usage above request 1.5k > -7"),
            (
                consumption(nanos((600 << 20) + 1), nanos(600 << 20), binary),
                "usage above request 629145601 > 629145600",
            ),
            (consumption(1, 0, binary), "usage above request 1n > 0"),
            (Explanation::Uid, "uid"),
        ];
        for (explanation, text) in cases {
            assert_eq!(explanation.to_string(), text);
        }
    }

    #[test]
    fn amounts_are_short() {
        let bytes = |n: i128| Amount::of(Signal::NodefsAvailable, n).to_string();
        let cases = [(0, "0"), (1023, "1023"), (1536, "1.5Ki"), (-(3 << 20), "-3Mi")];
        for (units, text) in cases {
            assert_eq!(bytes(units), text);
        }
        assert_eq!(bytes(i128::from(u64::MAX)), "15.9Ei");
        assert_eq!(Amount::of(Signal::PidAvailable, 12_500).to_string(), "12.5k");
        assert_eq!(format!("{:>6}|", Amount::of(Signal::PidAvailable, 7)), "     7|");
    }
}
