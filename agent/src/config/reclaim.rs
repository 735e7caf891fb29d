//! `nodeReclaim`: whether the node frees what nobody needs before a pod is evicted for a disk, and how
//! long that is waited for.

use std::time::Duration;

use evictd_core::parse_duration;

use super::{
    InputError,
    document::Document,
    written::{WrittenNodeReclaim, WrittenReclaimOrder},
};

/// The settings as used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReclaimSettings {
    /// Dead containers and unused images go before pods, where there is a runtime to ask.
    pub is_first: bool,
    /// How long an eviction waits for it at most.
    pub deadline: Duration,
}

impl Default for ReclaimSettings {
    /// Two seconds remove a few images; the kubelet, which looks every ten, takes longer to notice.
    fn default() -> Self {
        Self { is_first: true, deadline: Duration::from_secs(2) }
    }
}

const LONGEST: Duration = Duration::from_secs(60);

/// What is not written is the default.
pub(super) fn reclaim(
    written: &WrittenNodeReclaim,
    document: Document<'_>,
) -> Result<ReclaimSettings, InputError> {
    let default = ReclaimSettings::default();
    let is_first = written.order.map_or(default.is_first, |order| match order {
        WrittenReclaimOrder::First => true,
        WrittenReclaimOrder::Never => false,
    });
    let deadline = written.deadline.as_deref().map(|text| deadline(text, document)).transpose()?;
    Ok(ReclaimSettings { is_first, deadline: deadline.unwrap_or(default.deadline) })
}

fn deadline(text: &str, document: Document<'_>) -> Result<Duration, InputError> {
    let error = |problem: String| {
        let error = document.error(&["nodeReclaim", "deadline"], problem);
        error.allowed("a Go duration from 0s (nothing is waited for) to 1m, such as 500ms, 2s")
    };
    let deadline = parse_duration(text).map_err(|e| error(e.to_string()))?;
    if deadline > LONGEST {
        return Err(error(format!("`{text}` is too long for a disk that fills")));
    }
    Ok(deadline)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn order_and_deadline_are_checked() {
        let settings = |is_first, millis| {
            Ok(ReclaimSettings { is_first, deadline: Duration::from_millis(millis) })
        };
        let cases = [
            ("nothing", "", settings(true, 2000)),
            ("never", "nodeReclaim: {order: never}", settings(false, 2000)),
            ("deadline", "nodeReclaim: {deadline: 500ms}", settings(true, 500)),
            ("no wait", "nodeReclaim: {order: first, deadline: 0s}", settings(true, 0)),
            ("too long", "nodeReclaim: {deadline: 61s}", Err("`61s` is too long")),
            ("no duration", "nodeReclaim: {deadline: soon}", Err("nodeReclaim.deadline")),
            ("no order", "nodeReclaim: {order: last}", Err("last")),
            ("unknown field", "nodeReclaim: {until: 1s}", Err("until")),
        ];
        for (name, text, expected) in cases {
            let read = Config::parse(Path::new("c.yaml"), text).map(|config| config.reclaim);
            match (read, expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{name}"),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{name}: {error}");
                }
                (read, _) => panic!("{name}: {read:?}"),
            }
        }
    }
}
