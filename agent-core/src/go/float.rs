//! Single-precision numbers as Go reads them: also hexadecimal, with `_` between digits, and with a
//! range.

/// Why a text is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FloatError {
    /// Not a number at all.
    Syntax,
    /// Beyond single precision.
    Range,
}

/// As `strconv.ParseFloat(text, 32)`.
pub(crate) fn parse_f32(text: &str) -> Result<f32, FloatError> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match unsigned.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => return Ok(sign * f32::INFINITY),
        "nan" if unsigned == text => return Ok(f32::NAN),
        _ => {}
    }
    if !has_good_underscores(unsigned) {
        return Err(FloatError::Syntax);
    }
    let digits = unsigned.replace('_', "");
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => parse_hexadecimal(hexadecimal).ok_or(FloatError::Syntax)?,
        None if digits.starts_with(|c: char| c == '.' || c.is_ascii_digit()) => {
            digits.parse::<f32>().map_err(|_| FloatError::Syntax)?
        }
        None => return Err(FloatError::Syntax),
    };
    if magnitude.is_infinite() {
        return Err(FloatError::Range);
    }
    Ok(sign * magnitude)
}

/// Each `_` stands between digits, or between the prefix `0x` and one.
fn has_good_underscores(unsigned: &str) -> bool {
    let lower = unsigned.to_ascii_lowercase();
    let (is_hexadecimal, number) = match lower.strip_prefix("0x") {
        Some(rest) => (true, rest),
        None => (false, lower.as_str()),
    };
    let is_digit = |c: char| c.is_ascii_digit() || is_hexadecimal && c.is_ascii_hexdigit();
    let mut after_digit = is_hexadecimal;
    let mut after_underscore = false;
    for c in number.chars() {
        let good = match c {
            '_' => after_digit,
            c => !after_underscore || is_digit(c),
        };
        if !good {
            return false;
        }
        after_digit = is_digit(c);
        after_underscore = c == '_';
    }
    !after_underscore
}

/// What follows `0x`: hexadecimal digits with a point somewhere, and `p` with a power of two.
fn parse_hexadecimal(text: &str) -> Option<f32> {
    let (mantissa, power) = text.split_once(['p', 'P'])?;
    let power: i64 = match power.strip_prefix(['-', '+']).unwrap_or(power) {
        digits if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) => return None,
        // So many digits make zero or more than any number.
        digits if digits.len() > 9 && power.starts_with('-') => -1_000_000_000,
        digits if digits.len() > 9 => 1_000_000_000,
        _ => power.parse().ok()?,
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut bits: u64 = 0;
    let mut dropped: i64 = 0;
    for digit in whole.chars().chain(fraction.chars()) {
        let digit = u64::from(digit.to_digit(16)?);
        if bits >> 46 == 0 {
            bits = bits << 4 | digit;
        } else {
            // Kept odd, so that rounding to 24 bits sees that something was there.
            bits |= u64::from(digit != 0);
            dropped += 4;
        }
    }
    if bits == 0 {
        return Some(0.0);
    }
    let places = i64::try_from(fraction.len()).ok()?;
    let power = power + dropped - 4 * places;
    // Fifty bits are exact in double precision, and so are these powers of two; beyond them any
    // number is zero or infinite in single precision.
    let power = i32::try_from(power.clamp(-300, 300)).ok()?;
    Some((bits as f64 * 2_f64.powi(power)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_go_does() {
        use FloatError::{Range, Syntax};
        let cases = [
            ("10", Ok(10.0)),
            ("+.5", Ok(0.5)),
            ("-5.", Ok(-5.0)),
            ("1e1", Ok(10.0)),
            ("1_0", Ok(10.0)),
            ("1_0.2_5", Ok(10.25)),
            ("_10", Err(Syntax)),
            ("10_", Err(Syntax)),
            ("1__0", Err(Syntax)),
            ("1_.5", Err(Syntax)),
            ("0x1p-2", Ok(0.25)),
            ("0X_1.8P1", Ok(3.0)),
            ("0x1", Err(Syntax)),
            ("0xp1", Err(Syntax)),
            ("0x1000001p0", Ok(16_777_216.0)),
            ("0x1000003p0", Ok(16_777_220.0)),
            ("0x1p128", Err(Range)),
            ("0x1p-200", Ok(0.0)),
            ("1e39", Err(Range)),
            ("1e-50", Ok(0.0)),
            ("Inf", Ok(f32::INFINITY)),
            ("-infinity", Ok(f32::NEG_INFINITY)),
            ("+nan", Err(Syntax)),
            ("", Err(Syntax)),
            (".", Err(Syntax)),
            ("e5", Err(Syntax)),
            ("--5", Err(Syntax)),
            ("12%345", Err(Syntax)),
        ];
        for (text, number) in cases {
            assert_eq!(parse_f32(text), number, "{text}");
        }
        assert!(parse_f32("NaN").is_ok_and(f32::is_nan));
        assert!(parse_f32("-0").is_ok_and(f32::is_sign_negative));
    }
}
