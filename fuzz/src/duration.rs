//! Go durations.

use std::time::Duration;

use evictd_core::parse_duration;

use crate::text;

/// Reads the text as a Go duration. What is read prints, as Go prints it, as a text that reads as the
/// same length of time.
pub fn duration(data: &[u8]) {
    let Some(text) = text(data) else {
        return;
    };
    match parse_duration(text) {
        Ok(duration) => {
            let printed = print(duration);
            assert_eq!(parse_duration(&printed), Ok(duration), "{text:?} is printed as {printed}");
            assert!(duration <= Duration::from_nanos(i64::MAX.unsigned_abs()), "{text:?} in Go");
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("duration"), "{text:?}: {said}");
            let as_in_go = !said.starts_with("time: ") || said.is_ascii();
            assert!(as_in_go, "{text:?}: Go's time quotes what is not ASCII: {said}");
        }
    }
}

/// As Go's `Duration.String` prints it, so that every unit from hours down to fractions is read again.
fn print(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (unit, name) = match nanos {
        0 => return "0s".to_owned(),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let (whole, rest) = (nanos / unit, nanos % unit);
    let width = unit.ilog10() as usize;
    let fraction = format!(".{rest:0width$}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    match (unit, whole / 3600, whole / 60 % 60, whole % 60) {
        (1_000_000_000, 0, 0, seconds) => format!("{seconds}{fraction}s"),
        (1_000_000_000, 0, minutes, seconds) => format!("{minutes}m{seconds}{fraction}s"),
        (1_000_000_000, hours, minutes, seconds) => {
            format!("{hours}h{minutes}m{seconds}{fraction}s")
        }
        _ => format!("{whole}{fraction}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_go_does() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (9_223_372_036_854_775_807, "2562047h47m16.854775807s"),
        ];
        for (nanos, printed) in cases {
            assert_eq!(print(Duration::from_nanos(nanos)), printed);
        }
    }
}
