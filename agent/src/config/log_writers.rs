//! `logWriters`: what to do about containers whose logs grow too fast.

use std::time::Duration;

use evictd_core::{LogWriterAction, LogWriterPolicy, Quantity, parse_duration};

use super::{
    InputError,
    document::Document,
    written::{WrittenLogWriterAction, WrittenLogWriters},
};

/// The policy as used; what is not written is the default.
pub(super) fn log_writers(
    written: &WrittenLogWriters,
    document: Document<'_>,
) -> Result<LogWriterPolicy, InputError> {
    let default = LogWriterPolicy::default();
    let action = written.action.map_or(default.action, |action| match action {
        WrittenLogWriterAction::Off => LogWriterAction::Off,
        WrittenLogWriterAction::Report => LogWriterAction::Report,
        WrittenLogWriterAction::Evict => LogWriterAction::Evict,
    });
    let horizon = written.horizon.as_deref().map(|text| horizon(text, document)).transpose()?;
    let rate = written.minimum_rate.as_deref().map(|text| rate(text, document)).transpose()?;
    Ok(LogWriterPolicy {
        action,
        horizon: horizon.unwrap_or(default.horizon),
        minimum_rate: rate.unwrap_or(default.minimum_rate),
    })
}

fn horizon(text: &str, document: Document<'_>) -> Result<Duration, InputError> {
    let error = |problem: String| {
        let error = document.error(&["logWriters", "horizon"], problem);
        error.allowed("a Go duration longer than 0, such as 90s, 10m")
    };
    let horizon = parse_duration(text).map_err(|e| error(e.to_string()))?;
    if horizon.is_zero() {
        Err(error(format!("`{text}` looks at nothing ahead")))
    } else {
        Ok(horizon)
    }
}

fn rate(text: &str, document: Document<'_>) -> Result<u64, InputError> {
    let error = |problem: String| {
        let error = document.error(&["logWriters", "minimumRate"], problem);
        error.allowed("a quantity of bytes per second from 1 on, such as 5M, 512Ki")
    };
    let quantity = Quantity::parse(text).map_err(|e| error(e.to_string()))?;
    let rate = u64::try_from(quantity.value()).ok().filter(|rate| *rate > 0);
    rate.ok_or_else(|| error(format!("`{text}` is no rate")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<LogWriterPolicy, String> {
        let config = Config::parse(Path::new("c.yaml"), text);
        config.map(|config| config.policy.log_writers).map_err(|e| e.to_string())
    }

    #[test]
    fn fields_are_used_and_have_defaults() {
        let default = LogWriterPolicy::default();
        let evict = LogWriterPolicy {
            action: LogWriterAction::Evict,
            horizon: Duration::from_secs(90),
            minimum_rate: 1 << 20,
        };
        let off = LogWriterPolicy { action: LogWriterAction::Off, ..default };
        let cases = [
            ("{}", default),
            ("logWriters: {}", default),
            ("logWriters: {action: off}", off),
            ("logWriters: {action: report, horizon: 10m, minimumRate: 5M}", default),
            ("logWriters: {action: evict, horizon: 1m30s, minimumRate: 1Mi}", evict),
            ("logWriters: {minimumRate: \"5000000\"}", default),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let cases = [
            (
                "logWriters:\n  action: kill\n",
                "c.yaml:2:11: field logWriters.action: unknown value `kill`; \
                 allowed: off, report, evict",
            ),
            (
                "logWriters:\n  horizen: 10m\n",
                "c.yaml:2:3: field logWriters.horizen: unknown field `horizen` (did you mean \
                 `horizon`?); allowed: action, horizon, minimumRate",
            ),
            (
                "logWriters:\n  horizon: \"10\"\n",
                "c.yaml:2:12: field logWriters.horizon: time: missing unit in duration \"10\"; \
                 allowed: a Go duration",
            ),
            ("logWriters: {horizon: 0s}\n", "c.yaml:1:23: field logWriters.horizon: `0s` looks at"),
            ("logWriters: {horizon: -1s}\n", "c.yaml:1:23: field logWriters.horizon: negative"),
            ("logWriters:\n  minimumRate: 5MB\n", "c.yaml:2:16: field logWriters.minimumRate: "),
            (
                "logWriters:\n  minimumRate: \"0\"\n",
                "c.yaml:2:16: field logWriters.minimumRate: `0` is no rate; allowed: a quantity",
            ),
            (
                "logWriters: {minimumRate: -5M}\n",
                "c.yaml:1:27: field logWriters.minimumRate: `-5M`",
            ),
            ("logWriters: report\n", "c.yaml:1:13: field logWriters: "),
        ];
        for (text, expected) in cases {
            let error = parse(text).expect_err(text);
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
