//! Kubernetes quantities: `100Mi`, `1.5Gi`, `2500m`, `12e6`.

mod parse;
mod spelling;

use std::{cmp::Ordering, fmt};

pub use parse::QuantityError;
use spelling::Spelling;

/// Nano units in one unit: the finest a quantity can say.
const NANOS: i128 = 1_000_000_000;

/// The family of suffixes a quantity was written with and is printed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Format {
    /// `Ki`, `Mi`, `Gi`, …
    BinarySi,
    /// `m`, none, `k`, `M`, …
    DecimalSi,
    /// `e3`, `e6`, …
    DecimalExponent,
}

/// A fixed-point number with the suffix family it was written with.
///
/// No finer than a nano unit; what is finer is rounded away from zero. With a binary suffix at most
/// 2^63−1 units in magnitude. [`fmt::Display`] prints the canonical form (`1.5Gi` is `1536Mi`, `1000`
/// is `1k`), or the text as it was written where the kubelet takes it for canonical (`+1Gi`, `5.`).
/// Two quantities are equal when they are the same amount, however they are written.
#[derive(Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    format: Format,
    spelling: Spelling,
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Quantity {
    /// `units` whole units, to be printed in `format`.
    pub const fn new(units: i64, format: Format) -> Self {
        Self { nanos: units as i128 * NANOS, format, spelling: Spelling::CANONICAL }
    }

    /// `nanos` nano units (10⁻⁹), to be printed in `format`.
    #[cfg(feature = "serde")]
    pub(crate) const fn from_nanos(nanos: i128, format: Format) -> Self {
        Self { nanos, format, spelling: Spelling::CANONICAL }
    }

    /// Nothing, in binary units.
    pub const ZERO: Self = Self::new(0, Format::BinarySi);

    /// The sum, in the suffix family of the first that is not zero; stops at the greatest amount.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_add(other.nanos),
            format: if self.nanos == 0 { other.format } else { self.format },
            spelling: Spelling::CANONICAL,
        }
    }

    /// The amount in nano units (10⁻⁹).
    pub const fn nanos(self) -> i128 {
        self.nanos
    }

    /// True for an amount of nothing.
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Parses a quantity as the Kubernetes API does.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse::parse(text)
    }

    /// Whole units, rounded away from zero.
    pub fn value(self) -> i64 {
        let whole = self.nanos / NANOS;
        let rest = self.nanos % NANOS;
        let units = whole + rest.signum();
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }

    /// The suffix family.
    pub const fn format(self) -> Format {
        self.format
    }

    /// -1, 0 or 1.
    pub const fn signum(self) -> i128 {
        self.nanos.signum()
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantity({self})")
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.spelling.is_canonical() {
            return self.spelling.fmt(f);
        }
        if self.nanos == 0 {
            return f.write_str("0");
        }
        // Binary suffixes are given up below 1024 and for fractions, where they would round.
        let exact =
            self.nanos.unsigned_abs() >= 1024 * NANOS.unsigned_abs() && self.nanos % NANOS == 0;
        if self.format == Format::BinarySi && exact {
            let (number, power) = without_factors(self.nanos / NANOS, 1024, 6);
            let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(power).unwrap_or(&"");
            return write!(f, "{number}{suffix}");
        }
        // From nano units in steps of three digits; the last suffix is E (10^18), nine steps up.
        let most = if self.format == Format::DecimalExponent { usize::MAX } else { 9 };
        let (number, steps) = without_factors(self.nanos, 1000, most);
        if self.format != Format::DecimalExponent {
            let suffix =
                ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"].get(steps).unwrap_or(&"");
            return write!(f, "{number}{suffix}");
        }
        match steps {
            3 => write!(f, "{number}"),
            steps if steps < 3 => write!(f, "{number}e-{}", 9 - 3 * steps),
            steps => write!(f, "{number}e{}", 3 * steps - 9),
        }
    }
}

/// Divides `base` out of `number` as often as it goes, at most `most` times.
fn without_factors(mut number: i128, base: i128, most: usize) -> (i128, usize) {
    let mut times = 0;
    while times < most && number % base == 0 {
        number /= base;
        times += 1;
    }
    (number, times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_the_kubelet_does() {
        let cases = [
            ("0", 0, "0"),
            ("0Gi", 0, "0"),
            ("100Mi", 100 << 20, "100Mi"),
            ("1.5Gi", 1536 << 20, "1536Mi"),
            ("1500Mi", 1500 << 20, "1500Mi"),
            ("1024Mi", 1 << 30, "1Gi"),
            ("10Gi", 10 << 30, "10Gi"),
            ("8Ei", i64::MAX, "9223372036854775807"),
            ("1000", 1000, "1k"),
            ("1200", 1200, "1200"),
            ("1500k", 1_500_000, "1500k"),
            ("2M", 2_000_000, "2M"),
            ("1.5", 2, "1500m"),
            ("-1.5", -2, "-1500m"),
            ("2500m", 3, "2500m"),
            ("1u", 1, "1u"),
            ("0.1n", 1, "1n"),
            ("1.00000000000000000000000000000001", 2, "1000000001n"),
            ("12e6", 12_000_000, "12e6"),
            ("1E3", 1000, "1E3"),
            ("1000e3", 1_000_000, "1e6"),
            ("12e-3", 1, "12e-3"),
            ("7e0", 7, "7e0"),
            ("-9e+25", i64::MIN, "-90e24"),
            ("1e4294967299", 1000, "1e4294967299"),
            ("04e-8589934593", 1, "400e-3"),
            ("512Ki", 512 << 10, "512Ki"),
            ("0.5Ki", 512, "512"),
            ("1.0001Ki", 1025, "1024102400u"),
            ("-3Ki", -3072, "-3Ki"),
            ("+5", 5, "+5"),
            ("+1Gi", 1 << 30, "+1Gi"),
            ("5.", 5, "5."),
            ("5.Gi", 5 << 30, "5.Gi"),
            ("00100Mi", 100 << 20, "00100Mi"),
            ("007", 7, "007"),
            (
                "-0000000000000000000000000000000000000000005",
                -5,
                "-0000000000000000000000000000000000000000005",
            ),
            ("-0000000000000000000000000000000000000000008Ki", -8192, "-8Ki"),
            ("-1e3000", i64::MIN, "-1e3000"),
            (".5Gi", 512 << 20, "512Mi"),
            ("1.G", 1_000_000_000, "1.G"),
            ("9E", 9_000_000_000_000_000_000, "9E"),
            ("99E", i64::MAX, "99E"),
            ("99Ei", i64::MAX, "9223372036854775807"),
            ("9000e99", i64::MAX, "170141183460469231731687303715884105727e-9"),
            (
                "170141183460469231731687303715884105727e-9",
                i64::MAX,
                "170141183460469231731687303715884105727e-9",
            ),
            ("1e-400", 1, "1e-9"),
            ("1234567890123456789012.5", i64::MAX, "1234567890123456789012500m"),
        ];
        for (text, value, printed) in cases {
            let quantity = Quantity::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(quantity.value(), value, "value of {text}");
            assert_eq!(quantity.to_string(), printed, "print of {text}");
        }
    }

    #[test]
    fn sums_stop_at_the_ends_and_print() {
        for (text, end) in
            [("99999999999999999999E", i128::MAX), ("-99999999999999999999E", i128::MIN)]
        {
            let quantity = Quantity::parse(text).unwrap();
            let sum = quantity.plus(quantity);
            assert_eq!(sum.nanos(), end, "{text}");
            assert_eq!(sum.to_string(), format!("{end}n"), "{text}");
        }
    }

    #[test]
    fn numbers_print_with_the_unit_of_their_signal() {
        let cases = [
            (131_072, Format::BinarySi, "128Ki"),
            (131_072, Format::DecimalSi, "131072"),
            (96 << 20, Format::BinarySi, "96Mi"),
            (1023, Format::BinarySi, "1023"),
            (1000, Format::BinarySi, "1k"),
            (-2_097_758_044_639_028 * 1024, Format::BinarySi, "-2097758044639028Ki"),
            (i64::MIN, Format::BinarySi, "-8Ei"),
        ];
        for (units, format, printed) in cases {
            assert_eq!(Quantity::new(units, format).to_string(), printed);
        }
    }
}
