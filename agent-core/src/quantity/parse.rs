//! Text to quantity.

use super::{Format, NANOS, Quantity, spelling::Spelling};

/// Why a text is not a quantity; the texts are those of the Kubernetes API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Neither number nor number with suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// No digits before a suffix from `Pi` on, or an exponent below `e-9`. Before others none are 0.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The suffix is none of the known ones.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// The greatest magnitude of a quantity with a binary suffix, in nano units. Others end where nano
/// units do, at about 10^29.
const BINARY_CAP: i128 = i64::MAX as i128 * NANOS;

/// Digits are gathered up to this mantissa; further digits decide nothing but the rounding.
const MANTISSA_CAP: u128 = u128::MAX / 10;

pub(super) fn parse(text: &str) -> Result<Quantity, QuantityError> {
    if text.is_empty() {
        return Err(QuantityError::Format);
    }
    let (negative, unsigned) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, rest) = split_digits(unsigned);
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    let (scale, format) = interpret_suffix(suffix)?;
    if whole.is_empty() && fraction.is_empty() && !scale.takes_no_digits() {
        return Err(QuantityError::Numeric);
    }
    let nanos = match scale {
        Scale::PowerOfTwo(bits) => binary_magnitude(whole, fraction, bits),
        Scale::PowerOfTen(power) => decimal_magnitude(whole, fraction, power),
    };
    // What is less than one is decimal, whatever the suffix.
    let format = if (1..NANOS).contains(&nanos) && format == Format::BinarySi {
        Format::DecimalSi
    } else {
        format
    };
    let nanos = if negative { -nanos } else { nanos };
    let spelling = if is_taken_for_canonical(whole, fraction, scale) {
        Spelling::of(text)
    } else {
        Spelling::CANONICAL
    };
    Ok(Quantity { nanos, format, spelling })
}

/// The kubelet's own test, which is cheap and not exact: texts that pass it are printed as they were
/// written.
fn is_taken_for_canonical(whole: &str, fraction: &str, scale: Scale) -> bool {
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let digits = || whole.bytes().chain(fraction.bytes());
    match scale {
        Scale::PowerOfTwo(bits) => {
            let value = digits().fold(0_u128, |sum, digit| {
                sum.wrapping_mul(10).wrapping_add(u128::from(digit - b'0'))
            });
            // Small enough to be exact in 64 bits, by the kubelet's estimate.
            let short = whole.len() + bits as usize * 3 / 10 < 15;
            let fits = value.checked_shl(bits).is_some_and(|v| v <= i64::MAX as u128);
            fraction.is_empty() && short && fits && value % 8 != 0
        }
        Scale::PowerOfTen(power) => {
            let places = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
            let lowest = power.saturating_sub(places);
            let short = whole.len() + fraction.len() <= MAX_INT64_DIGITS;
            let trailing = digits().rev().take_while(|digit| *digit == b'0').count();
            short && lowest >= -9 && lowest % 3 == 0 && trailing < 3 && whole != "0"
        }
    }
}

/// Decimal digits that always fit in 64 bits.
const MAX_INT64_DIGITS: usize = 18;

/// What a suffix multiplies by.
#[derive(Clone, Copy)]
enum Scale {
    PowerOfTwo(u32),
    PowerOfTen(i32),
}

impl Scale {
    /// The API has a quick way for what is small and not too fine, on which no digits are 0.
    const fn takes_no_digits(self) -> bool {
        match self {
            Self::PowerOfTwo(bits) => bits < 50,
            Self::PowerOfTen(power) => power >= -9,
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn interpret_suffix(suffix: &str) -> Result<(Scale, Format), QuantityError> {
    let binary = |power| Ok((Scale::PowerOfTwo(power), Format::BinarySi));
    let decimal = |power| Ok((Scale::PowerOfTen(power), Format::DecimalSi));
    match suffix {
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        _ => interpret_exponent(suffix),
    }
}

fn interpret_exponent(suffix: &str) -> Result<(Scale, Format), QuantityError> {
    let letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let digits = letters.strip_prefix(['-', '+']).unwrap_or(letters);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(QuantityError::Format);
    }
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
    let power: i64 = exponent.parse().map_err(|_| QuantityError::Suffix)?;
    // The kubelet keeps the lower half too: e4294967299 is e3.
    Ok((Scale::PowerOfTen(power as i32), Format::DecimalExponent))
}

/// Nano units of `whole.fraction × 2^bits`, rounded up.
fn binary_magnitude(whole: &str, fraction: &str, bits: u32) -> i128 {
    let number = |digit: u8| i128::from(digit - b'0');
    // At most 2^90, which leaves room for a digit's multiple.
    let unit = NANOS << bits;
    // Tenth by tenth from the last digit on: what is cut off on the way is less than one nano unit.
    let (mut nanos, mut cut) = (0, false);
    for digit in fraction.bytes().rev().map(number) {
        let tenths = digit * unit + nanos;
        nanos = tenths / 10;
        cut |= tenths % 10 != 0;
    }
    let units =
        whole.bytes().map(number).fold(0_i128, |sum, d| sum.saturating_mul(10).saturating_add(d));
    units.saturating_mul(unit).saturating_add(nanos + i128::from(cut)).min(BINARY_CAP)
}

/// Nano units of `whole.fraction × 10^exponent`, rounded up.
fn decimal_magnitude(whole: &str, fraction: &str, exponent: i32) -> i128 {
    let mut mantissa: u128 = 0;
    let mut power = 9 + i64::from(exponent);
    // Something non-zero lies below the last digit kept: the result rounds up.
    let mut inexact = false;
    for (digits, is_fraction) in [(whole, false), (fraction, true)] {
        for digit in digits.bytes().map(|b| u128::from(b - b'0')) {
            let kept = mantissa < MANTISSA_CAP;
            if kept {
                mantissa = mantissa * 10 + digit;
            } else {
                inexact |= digit != 0;
            }
            power += i64::from(!kept) - i64::from(is_fraction);
        }
    }
    if mantissa == 0 { 0 } else { scaled_up(mantissa, power, inexact) }
}

fn scaled_up(mantissa: u128, power: i64, inexact: bool) -> i128 {
    let cap = i128::MAX.unsigned_abs();
    let factor = u32::try_from(power.unsigned_abs()).ok().and_then(|p| 10_u128.checked_pow(p));
    let nanos = match (power >= 0, factor) {
        (true, Some(factor)) => mantissa.saturating_mul(factor).saturating_add(inexact.into()),
        (true, None) => cap,
        (false, Some(factor)) => {
            let rounds = inexact || !mantissa.is_multiple_of(factor);
            (mantissa / factor).saturating_add(rounds.into())
        }
        (false, None) => 1,
    };
    i128::try_from(nanos.min(cap)).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_the_api_refuses() {
        let cases = [
            ("", QuantityError::Format),
            ("100MiB", QuantityError::Format),
            ("1.2.3", QuantityError::Format),
            ("ten", QuantityError::Format),
            ("10 Mi", QuantityError::Format),
            ("1_000", QuantityError::Format),
            ("100mi", QuantityError::Suffix),
            ("100K", QuantityError::Suffix),
            ("100KiMi", QuantityError::Suffix),
            ("1e", QuantityError::Suffix),
            ("1e+", QuantityError::Suffix),
            ("1k3", QuantityError::Suffix),
            ("--1", QuantityError::Suffix),
            ("Pi", QuantityError::Numeric),
            ("+.Ei", QuantityError::Numeric),
            ("e-10", QuantityError::Numeric),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn long_fractions_of_binary_units_are_exact() {
        let cases = [
            ("6.17908503005009225890004909005818Ei", 7_124_000_009_938_996_627_402_569_599),
            ("20.10200080030005364050890199039092600400Pi", 22_632_840_828_408_183_487_995_963),
            ("0.00000000000000000000000000000000000000001Ki", 1),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse(text).map(Quantity::nanos), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_less_than_one_is_decimal() {
        let cases = [("0.0009Ki", Format::DecimalSi), ("0.001Ki", Format::BinarySi)];
        for (text, format) in cases {
            assert_eq!(parse(text).map(Quantity::format), Ok(format), "{text}");
        }
        assert_eq!(parse("0.5e0").map(Quantity::format), Ok(Format::DecimalExponent));
    }

    #[test]
    fn a_bare_suffix_is_zero_as_in_the_api() {
        for text in ["Ki", "k", ".", "+", "e5", "Ti", "e-9"] {
            assert_eq!(parse(text).map(Quantity::value), Ok(0), "{text:?}");
        }
    }
}
