//! What an answer to an Eviction means.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use kube::core::Status;

/// The reason of the cause that the API server names when a disruption budget is why.
const DISRUPTION_BUDGET: &str = "DisruptionBudget";

/// How the API server says that the pod has another UID, before it deletes it and while it does.
const OTHER_UID: [&str; 2] = ["UID in the precondition", "UID in precondition"];

/// An answer, or that there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The pod is being deleted.
    Accepted,
    /// There is no such pod any more, or one of that name with another UID.
    Gone,
    /// A disruption budget does not allow it now, or is not known yet.
    Disruption {
        /// When the API server says to ask again.
        retry_after: Option<Duration>,
        /// In its words.
        message: String,
    },
    /// It could be otherwise in a moment: overload, an internal error, no connection.
    Busy {
        /// When the API server says to ask again.
        retry_after: Option<Duration>,
        /// What went wrong.
        message: String,
    },
    /// Asking again soon is in vain: no permission, or a request it does not understand.
    Denied {
        /// In its words.
        message: String,
    },
}

impl Answer {
    /// Of what the API server sent. The same `status` may mean several things: 429 comes of budgets
    /// and of overload, 409 of another UID and of two writers at once.
    pub(super) fn of(code: StatusCode, headers: &HeaderMap, status: &Status) -> Self {
        let message = status.message.clone();
        let seconds = || headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok();
        let details = status.details.as_ref();
        let told = details.map(|details| details.retry_after_seconds).filter(|s| *s > 0);
        let retry_after = told.map(u64::from).or_else(seconds).map(Duration::from_secs);
        let of_budget = details
            .is_some_and(|details| details.causes.iter().any(|c| c.reason == DISRUPTION_BUDGET));
        match code {
            code if code.is_success() => Self::Accepted,
            StatusCode::NOT_FOUND | StatusCode::GONE => Self::Gone,
            StatusCode::CONFLICT if OTHER_UID.iter().any(|text| message.contains(text)) => {
                Self::Gone
            }
            StatusCode::TOO_MANY_REQUESTS if of_budget => Self::Disruption { retry_after, message },
            StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT => {
                Self::Busy { retry_after, message }
            }
            code if code.is_client_error() => Self::Denied { message },
            _ => Self::Busy { retry_after, message },
        }
    }

    /// What was said, if it was not accepted.
    pub(super) fn into_message(self) -> Option<String> {
        match self {
            Self::Accepted | Self::Gone => None,
            Self::Disruption { message, .. }
            | Self::Busy { message, .. }
            | Self::Denied { message } => Some(message),
        }
    }

    /// That none came.
    pub(super) const fn none(problem: String) -> Self {
        Self::Busy { retry_after: None, message: problem }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(code: u16, retry_after: Option<&str>, body: Value) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.parse().unwrap());
        }
        let status: Status = serde_json::from_value(body).unwrap();
        Answer::of(StatusCode::from_u16(code).unwrap(), &headers, &status)
    }

    #[test]
    fn an_answer_means_what_the_api_server_means_by_it() {
        let budget = |more: Value| {
            let mut details = json!({"causes": [{"reason": "DisruptionBudget", "message": "n"}]});
            details.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"message": "Cannot evict pod", "reason": "TooManyRequests", "details": details})
        };
        let text = |message: &str| json!({"message": message});
        let message = || "Cannot evict pod".to_owned();
        let after = |seconds| Some(Duration::from_secs(seconds));
        let busy =
            |retry_after, message: &str| Answer::Busy { retry_after, message: message.to_owned() };
        let uid = "Operation cannot be fulfilled on Pod \"p\": Precondition failed: UID in precondition: a, \
                   UID in object meta: b";
        let early = "Operation cannot be fulfilled on pods \"p\": the UID in the precondition (a) does not \
                     match the UID in record (b). The object might have been deleted and then recreated";
        let cases = [
            ("accepted", of(201, None, json!({"status": "Success"})), Answer::Accepted),
            ("no such pod", of(404, None, text("pods \"p\" not found")), Answer::Gone),
            ("gone", of(410, None, text("gone")), Answer::Gone),
            ("another UID", of(409, None, text(uid)), Answer::Gone),
            ("another UID, seen at once", of(409, None, text(early)), Answer::Gone),
            ("two writers", of(409, None, text("modified")), busy(None, "modified")),
            (
                "budget exhausted",
                of(429, None, budget(json!({}))),
                Answer::Disruption { retry_after: None, message: message() },
            ),
            (
                "budget not yet processed",
                of(429, Some("10"), budget(json!({"retryAfterSeconds": 10}))),
                Answer::Disruption { retry_after: after(10), message: message() },
            ),
            ("overload", of(429, Some("3"), text("too many")), busy(after(3), "too many")),
            ("header that is no number", of(429, Some("soon"), text("x")), busy(None, "x")),
            ("broken", of(500, None, text("oops")), busy(None, "oops")),
            ("starting", of(503, Some("1"), text("starting")), busy(after(1), "starting")),
            (
                "no permission",
                of(403, None, text("forbidden")),
                Answer::Denied { message: "forbidden".to_owned() },
            ),
            ("malformed", of(422, None, text("bad")), Answer::Denied { message: "bad".to_owned() }),
        ];
        for (name, got, expected) in cases {
            assert_eq!(got, expected, "{name}");
        }
    }
}
