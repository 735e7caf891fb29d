//! The values in the eviction maps: quantities, percentages, grace periods (T-2 to T-8, T-10).

use std::time::Duration;

use super::PolicyErrorKind;
use crate::{
    Quantity, Signal, ThresholdValue,
    duration::parse_signed_nanos,
    go::{FloatError, parse_f32},
};

/// `None` for the two texts that switch a threshold off (T-3).
pub(super) fn parse_value(
    signal: Signal,
    value: &str,
    strict: bool,
) -> Result<Option<ThresholdValue>, PolicyErrorKind> {
    if value == "0%" || value == "100%" {
        return Ok(None);
    }
    if value.ends_with('%') {
        let share = parse_share(signal, value, strict)?;
        if share < 0.0 {
            return Err(PolicyErrorKind::PercentageBelowZero { signal, value: value.to_owned() });
        }
        if share > 1.0 {
            return Err(PolicyErrorKind::PercentageAboveOne { signal, value: value.to_owned() });
        }
        if strict && (share == 0.0 || share == 1.0) {
            let hint = "only 0% and 100%, written so, switch a threshold off";
            return Err(PolicyErrorKind::Misleading { signal, value: value.to_owned(), hint });
        }
        return Ok(Some(ThresholdValue::Percentage(share)));
    }
    let quantity = Quantity::parse(value)?;
    if quantity.signum() <= 0 {
        return Err(PolicyErrorKind::NotPositive { signal, quantity });
    }
    Ok(Some(ThresholdValue::Quantity(quantity)))
}

/// T-5, T-7: every trailing `%` goes, the rest is a single-precision number of hundredths.
fn parse_share(signal: Signal, value: &str, strict: bool) -> Result<f32, PolicyErrorKind> {
    let text = value.trim_end_matches('%');
    let hundredths = parse_f32(text).map_err(|error| {
        let text = text.to_owned();
        match error {
            FloatError::Syntax => PolicyErrorKind::Float { text },
            FloatError::Range => PolicyErrorKind::FloatRange { text },
        }
    })?;
    if strict && (!hundredths.is_finite() || value.ends_with("%%")) {
        let hint = "write a number and one %";
        return Err(PolicyErrorKind::Misleading { signal, value: value.to_owned(), hint });
    }
    Ok(hundredths / 100.0)
}

pub(super) fn parse_grace(_: Signal, value: &str) -> Result<Duration, PolicyErrorKind> {
    u64::try_from(parse_signed_nanos(value)?)
        .map(Duration::from_nanos)
        .map_err(|_| PolicyErrorKind::NegativeGrace { value: value.to_owned() })
}

pub(super) fn parse_min_reclaim(
    signal: Signal,
    value: &str,
    strict: bool,
) -> Result<ThresholdValue, PolicyErrorKind> {
    if value.ends_with('%') {
        let share = parse_share(signal, value, strict)?;
        if share <= 0.0 {
            let value = value.to_owned();
            return Err(PolicyErrorKind::ReclaimPercentageNotPositive { signal, value });
        }
        return Ok(ThresholdValue::Percentage(share));
    }
    let quantity = Quantity::parse(value)?;
    if quantity.signum() < 0 {
        return Err(PolicyErrorKind::NegativeReclaim { signal });
    }
    Ok(ThresholdValue::Quantity(quantity))
}
