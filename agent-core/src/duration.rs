//! Durations as Go writes them: `1m30s`, `1.5h`, `250ms`, `0`.

use std::time::Duration;

use crate::go::quote_for_time;

/// Why a text is not a Go duration; the texts are Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Neither number nor number with unit, or beyond about 292 years.
    #[error("time: invalid duration {}", quote_for_time(.0))]
    Invalid(String),
    /// A number without unit.
    #[error("time: missing unit in duration {}", quote_for_time(.0))]
    MissingUnit(String),
    /// The unit is none of `ns`, `us`, `ms`, `s`, `m`, `h`.
    #[error("time: unknown unit {} in duration {}", quote_for_time(unit), quote_for_time(text))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Negative where only a length of time makes sense.
    #[error("negative duration {0:?}")]
    Negative(String),
}

/// Parses a Go duration that may not be negative.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let nanos = parse_signed_nanos(text)?;
    u64::try_from(nanos)
        .map(Duration::from_nanos)
        .map_err(|_| DurationError::Negative(text.to_owned()))
}

/// Parses a Go duration into nanoseconds, sign included.
pub(crate) fn parse_signed_nanos(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    // Go refuses a number beyond this before it looks for the unit.
    const MOST: u64 = i64::MIN.unsigned_abs();
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let whole = take_digits(&mut rest);
        let fraction = match rest.strip_prefix('.') {
            Some(after) => {
                rest = after;
                take_digits(&mut rest)
            }
            None => "",
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let whole = match whole {
            "" => 0,
            _ => whole.parse().ok().filter(|whole| *whole <= MOST).ok_or_else(invalid)?,
        };
        let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        rest = after;
        let nanos = match unit {
            "" => return Err(DurationError::MissingUnit(text.to_owned())),
            _ => unit_nanos(unit).ok_or_else(|| DurationError::UnknownUnit {
                unit: unit.to_owned(),
                text: text.to_owned(),
            })?,
        };
        total += u128::from(whole) * u128::from(nanos) + fraction_nanos(fraction, nanos);
        if total > u128::from(MOST) {
            return Err(invalid());
        }
    }
    let total = i128::try_from(total).map_err(|_| invalid())?;
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

fn take_digits<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    digits
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `0.fraction` of a unit, reckoned as Go does: digits as far as 64 bits hold them, then double
/// precision.
fn fraction_nanos(fraction: &str, nanos: u64) -> u128 {
    const MOST: u64 = 1 << 63;
    let mut digits: u64 = 0;
    let mut scale = 1.0_f64;
    for digit in fraction.bytes().map(|b| u64::from(b - b'0')) {
        if digits > (MOST - 1) / 10 || digits * 10 + digit > MOST {
            break;
        }
        digits = digits * 10 + digit;
        scale *= 10.0;
    }
    (digits as f64 * (nanos as f64 / scale)) as u128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_durations() {
        let cases = [
            ("0", 0),
            ("0s", 0),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("250ms", 250_000_000),
            ("1us", 1_000),
            ("1µs", 1_000),
            ("+2s", 2_000_000_000),
            ("-10s", -10_000_000_000),
            ("1h1h", 7_200_000_000_000),
            ("0.1234567890123456789s", 123_456_789),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_signed_nanos(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn refuses_with_gos_words() {
        let cases = [
            ("", r#"time: invalid duration """#),
            ("s", r#"time: invalid duration "s""#),
            ("-", r#"time: invalid duration "-""#),
            ("10", r#"time: missing unit in duration "10""#),
            ("1s5", r#"time: missing unit in duration "1s5""#),
            ("1 s", r#"time: unknown unit " s" in duration "1 s""#),
            ("3d", r#"time: unknown unit "d" in duration "3d""#),
            ("9999999h", r#"time: invalid duration "9999999h""#),
            ("99999999999999999999s", r#"time: invalid duration "99999999999999999999s""#),
            ("99999999999999999999", r#"time: invalid duration "99999999999999999999""#),
            (
                "9223372036854775808d",
                r#"time: unknown unit "d" in duration "9223372036854775808d""#,
            ),
            ("9223372036854775809d", r#"time: invalid duration "9223372036854775809d""#),
        ];
        for (text, error) in cases {
            assert_eq!(parse_signed_nanos(text).unwrap_err().to_string(), error);
        }
        assert_eq!(parse_duration("-1s"), Err(DurationError::Negative("-1s".to_owned())));
    }
}
