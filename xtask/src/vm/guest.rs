//! What init says on the guest's second serial port (see `tests/src/bin/init.rs`).

const PREFIX: &str = "evictd-vm: ";

/// One line from the guest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GuestLine<'a> {
    /// Release of the running kernel.
    Kernel(&'a str),
    /// A step begins.
    Started(&'a str),
    /// A step has ended.
    Ended { step: &'a str, verdict: Verdict },
    /// Every step has been run.
    Done,
    /// Printed by the step itself.
    Output(&'a str),
}

/// How a step ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    Exited(u8),
    Failed(String),
}

impl<'a> GuestLine<'a> {
    pub(crate) fn parse(line: &'a str) -> Self {
        let Some(message) = line.strip_prefix(PREFIX) else {
            return Self::Output(line);
        };
        if message == "done" {
            return Self::Done;
        }
        if let Some(release) = message.strip_prefix("kernel ") {
            return Self::Kernel(release);
        }
        match message.split_once(": ") {
            Some((step, "start")) => Self::Started(step),
            Some((step, "ok")) => Self::Ended { step, verdict: Verdict::Ok },
            Some((step, verdict)) => Self::Ended { step, verdict: Verdict::parse(verdict) },
            None => Self::Output(line),
        }
    }
}

impl Verdict {
    fn parse(text: &str) -> Self {
        let reason = text.strip_prefix("FAILED (").and_then(|rest| rest.strip_suffix(')'));
        let reason = reason.unwrap_or(text);
        match reason.strip_prefix("exit ").and_then(|code| code.parse().ok()) {
            Some(code) => Self::Exited(code),
            None => Self::Failed(reason.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let ended = |verdict| GuestLine::Ended { step: "faults", verdict };
        let cases = [
            ("evictd-vm: kernel 6.1.0-56-cloud-amd64", GuestLine::Kernel("6.1.0-56-cloud-amd64")),
            ("evictd-vm: faults: start", GuestLine::Started("faults")),
            ("evictd-vm: faults: ok", ended(Verdict::Ok)),
            ("evictd-vm: faults: FAILED (exit 101)", ended(Verdict::Exited(101))),
            (
                "evictd-vm: faults: FAILED (no end after 3 s)",
                ended(Verdict::Failed("no end after 3 s".to_owned())),
            ),
            ("evictd-vm: done", GuestLine::Done),
            ("test a ... ok", GuestLine::Output("test a ... ok")),
        ];
        for (line, expected) in cases {
            assert_eq!(GuestLine::parse(line), expected, "{line}");
        }
    }
}
