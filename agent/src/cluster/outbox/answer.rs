//! What the API server's answers mean for an entry.

use std::time::Duration;

use serde::Serialize;

use super::Matter;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP answer.
    Http {
        /// Its status.
        code: u16,
        /// `reason` of the Kubernetes `Status` in its body; empty if there is none.
        reason: String,
        /// What it says.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// None, or none that can be read.
    Nothing(String),
}

/// How an entry ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The API server has it.
    Accepted,
    /// It has had it already, from an earlier try.
    AlreadyTold,
    /// The pod, or its namespace, is no more.
    Gone,
    /// Another pod has that name now.
    AnotherPod,
    /// The API server will never take it.
    Refused,
    /// There was no room left for it in the outbox.
    Dropped,
}

impl Outcome {
    /// As in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AlreadyTold => "already-told",
            Self::Gone => "gone",
            Self::AnotherPod => "another-pod",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }
}

/// What an entry that is tried again waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Only this entry.
    Alone,
    /// The API server takes nothing now: every entry waits.
    WithAll,
}

/// What to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It has ended.
    End(Outcome),
    /// Try again.
    Retry {
        /// Who waits.
        waits: Waits,
        /// At least this long, whatever the back-off says.
        at_least: Option<Duration>,
    },
}

/// Longest wait that the API server can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// What `answer` means for an entry of that sort.
pub fn next(matter: Matter, answer: &Answer) -> Next {
    let retry = |waits, at_least| Next::Retry { waits, at_least };
    let (code, reason, message, retry_after) = match answer {
        Answer::Nothing(_) => return retry(Waits::WithAll, None),
        Answer::Http { code, reason, message, retry_after } => {
            (*code, reason.as_str(), message.as_str(), retry_after.map(|t| t.min(LONGEST_ASKED)))
        }
    };
    match (code, reason) {
        (200..=299, _) => Next::End(Outcome::Accepted),
        (409, "AlreadyExists") if matter == Matter::Event => Next::End(Outcome::AlreadyTold),
        // Beside it there is the conflict of two writers, which passes.
        (409 | 422, _) if is_other_uid(message) => Next::End(Outcome::AnotherPod),
        (409, _) => retry(Waits::Alone, retry_after),
        // Something else than the API server may answer at its address while it is away.
        (404, "NotFound") | (410, _) => Next::End(Outcome::Gone),
        (403, _) if message.contains("because it is being terminated") => Next::End(Outcome::Gone),
        (401, _) => retry(Waits::WithAll, retry_after),
        (403, _) => retry(Waits::Alone, retry_after),
        (400 | 413 | 422, _) => Next::End(Outcome::Refused),
        (429 | 502 | 503 | 504, _) => retry(Waits::WithAll, retry_after),
        _ => retry(Waits::Alone, retry_after),
    }
}

/// As the API server says that `metadata.uid` of a patch is not that of the object.
fn is_other_uid(message: &str) -> bool {
    message.contains("UID in precondition") || message.contains("metadata.uid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(code: u16, reason: &str, message: &str) -> Answer {
        let (reason, message) = (reason.to_owned(), message.to_owned());
        Answer::Http { code, reason, message, retry_after: None }
    }

    #[test]
    fn answers_decide_what_is_next() {
        const UID: &str = "Operation cannot be fulfilled on pods \"a\": Precondition failed: \
                           UID in precondition: x, UID in object meta: y";
        const ENDING: &str = "events \"a\" is forbidden: unable to create new content in namespace \
                              b because it is being terminated";
        let alone = Next::Retry { waits: Waits::Alone, at_least: None };
        let all = Next::Retry { waits: Waits::WithAll, at_least: None };
        let end = Next::End;
        let cases = [
            ("patched", Matter::Status, http(200, "", ""), end(Outcome::Accepted)),
            ("created", Matter::Event, http(201, "", ""), end(Outcome::Accepted)),
            (
                "an event that exists",
                Matter::Event,
                http(409, "AlreadyExists", ""),
                end(Outcome::AlreadyTold),
            ),
            (
                "a pod of another uid",
                Matter::Status,
                http(409, "Conflict", UID),
                end(Outcome::AnotherPod),
            ),
            (
                "the same as an invalid field",
                Matter::Status,
                http(422, "Invalid", "Pod \"a\" is invalid: metadata.uid: field is immutable"),
                end(Outcome::AnotherPod),
            ),
            ("two writers", Matter::Status, http(409, "Conflict", "modified"), alone),
            ("no pod", Matter::Status, http(404, "NotFound", ""), end(Outcome::Gone)),
            ("no namespace", Matter::Event, http(404, "NotFound", ""), end(Outcome::Gone)),
            ("a page of another server", Matter::Status, http(404, "", "not found"), alone),
            ("gone", Matter::Status, http(410, "Gone", ""), end(Outcome::Gone)),
            (
                "invalid",
                Matter::Status,
                http(422, "Invalid", "status.phase"),
                end(Outcome::Refused),
            ),
            ("not understood", Matter::Status, http(400, "BadRequest", ""), end(Outcome::Refused)),
            (
                "too large",
                Matter::Event,
                http(413, "RequestEntityTooLarge", ""),
                end(Outcome::Refused),
            ),
            ("not known", Matter::Status, http(401, "Unauthorized", ""), all),
            ("not allowed", Matter::Status, http(403, "Forbidden", "cannot patch"), alone),
            (
                "a namespace that ends",
                Matter::Event,
                http(403, "Forbidden", ENDING),
                end(Outcome::Gone),
            ),
            ("too many", Matter::Status, http(429, "TooManyRequests", ""), all),
            ("a failing webhook", Matter::Status, http(500, "InternalError", ""), alone),
            ("bad gateway", Matter::Status, http(502, "", ""), all),
            ("starting", Matter::Event, http(503, "ServiceUnavailable", ""), all),
            ("timed out", Matter::Event, http(504, "Timeout", ""), all),
            ("a redirection", Matter::Event, http(302, "", ""), alone),
            ("no connection", Matter::Event, Answer::Nothing("refused".to_owned()), all),
        ];
        for (name, matter, answer, expected) in cases {
            assert_eq!(next(matter, &answer), expected, "{name}");
        }
    }

    #[test]
    fn the_wait_that_is_asked_for_is_kept_within_reason() {
        let secs = Duration::from_secs;
        for (asked, kept) in [(None, None), (Some(7), Some(7)), (Some(86_400), Some(300))] {
            let answer = Answer::Http {
                code: 429,
                reason: String::new(),
                message: String::new(),
                retry_after: asked.map(secs),
            };
            let expected = Next::Retry { waits: Waits::WithAll, at_least: kept.map(secs) };
            assert_eq!(next(Matter::Status, &answer), expected, "{asked:?}");
        }
    }
}
