//! One try.

use std::{error::Error as _, sync::Arc, time::Duration};

use kube::{Client, core::Status};

use super::{Entry, answer::Answer, request::request};

/// Sends an entry, and reads what comes back: not by [`kube::Api`], which drops the header that says how
/// long to wait.
pub(super) async fn send(client: &Client, entry: &Entry, node: &Arc<str>) -> Answer {
    let request = match request(entry, node) {
        Ok(request) => request,
        // What cannot be asked can never be taken.
        Err(error) => {
            return Answer::Http {
                code: 400,
                reason: String::new(),
                message: error.to_string(),
                retry_after: None,
            };
        }
    };
    let response = match client.send(request).await {
        Ok(response) => response,
        Err(error) => return Answer::Nothing(innermost(&error)),
    };
    let code = response.status().as_u16();
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let header = header.and_then(|seconds| seconds.parse::<u64>().ok());
    if response.status().is_success() {
        return Answer::Http {
            code,
            reason: String::new(),
            message: String::new(),
            retry_after: None,
        };
    }
    let body = match response.into_body().collect_bytes().await {
        Ok(body) => body,
        Err(error) => return Answer::Nothing(innermost(&error)),
    };
    let status: Option<Status> = serde_json::from_slice(&body).ok();
    let asked = status.as_ref().and_then(|status| status.details.as_ref());
    let asked = asked.map(|details| u64::from(details.retry_after_seconds)).filter(|s| *s > 0);
    let retry_after = header.or(asked).map(Duration::from_secs);
    let (reason, message) = match status {
        Some(Status { reason, message, .. }) => (reason, message),
        // A page of something between here and there; its beginning tells what.
        None => {
            let text = String::from_utf8_lossy(&body);
            (String::new(), text.chars().take(200).collect())
        }
    };
    Answer::Http { code, reason, message, retry_after }
}

/// The cause at the end of the chain says what is wrong.
fn innermost(error: &kube::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    match error.source() {
        Some(_) => format!("{error}: {last}"),
        None => error.to_string(),
    }
}
