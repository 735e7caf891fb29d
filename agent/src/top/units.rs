//! Figures as short as a column wants them. Bytes in powers of 1024: `1.5K`, `12M`.

/// An amount of bytes.
pub fn bytes(bytes: u64) -> String {
    scaled(bytes, 1024.0, &["", "K", "M", "G", "T", "P", "E"])
}

/// An amount of bytes with its sign.
pub fn signed_bytes(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "+" };
    if amount == 0 { "0".to_owned() } else { format!("{sign}{}", bytes(amount.unsigned_abs())) }
}

/// A number of things, in powers of 1000 from a hundred thousand.
pub fn count(count: u64) -> String {
    if count < 100_000 {
        count.to_string()
    } else {
        scaled(count, 1000.0, &["", "k", "m", "g", "t"])
    }
}

/// A rate of things.
pub fn rate(rate: f64) -> String {
    match rate {
        r if r <= 0.0 => "0".to_owned(),
        r if r < 10.0 => format!("{r:.1}"),
        r => count(r.round() as u64),
    }
}

/// A span of time.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

fn scaled(amount: u64, step: f64, suffixes: &[&str]) -> String {
    let (mut value, mut power) = (amount as f64, 0);
    // What would be rounded up to the step is one of the next.
    while value >= step - 0.5 && power + 1 < suffixes.len() {
        value /= step;
        power += 1;
    }
    let suffix = suffixes.get(power).copied().unwrap_or_default();
    if power > 0 && value < 9.95 {
        format!("{value:.1}{suffix}")
    } else {
        format!("{value:.0}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let cases = [
            (0, "0"),
            (1, "1"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1536, "1.5K"),
            (10_188, "9.9K"),
            (10_189, "10K"),
            (1_048_063, "1023K"),
            (1_048_064, "1.0M"),
            (12 << 20, "12M"),
            (u64::MAX, "16E"),
        ];
        for (amount, expected) in cases {
            assert_eq!(bytes(amount), expected, "{amount}");
        }
        for (amount, expected) in [(0, "0"), (-2048, "-2.0K"), (5, "+5"), (i64::MIN, "-8.0E")] {
            assert_eq!(signed_bytes(amount), expected, "{amount}");
        }
        for (amount, expected) in [(99_999, "99999"), (100_000, "100k"), (4_194_304, "4.2m")] {
            assert_eq!(count(amount), expected);
        }
        for (amount, expected) in [(0.0, "0"), (0.4, "0.4"), (250.4, "250")] {
            assert_eq!(rate(amount), expected);
        }
        for (amount, expected) in
            [(0.0, "0.0 s"), (6.04, "6.0 s"), (99.0, "99 s"), (600.0, "10 min"), (9e9, "104167 d")]
        {
            assert_eq!(seconds(amount), expected);
        }
    }
}
