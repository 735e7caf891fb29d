//! What the kernel says of a program that it does not take, in one line.

use std::{error::Error, io};

use aya::programs::ProgramError;

use super::lockdown::lockdown;

/// One line: the verifier's log can be thousands. What lockdown may have forbidden says so.
pub(super) fn describe(error: &ProgramError) -> String {
    let text = describe_refusal(error);
    match lockdown().filter(|level| level != "none" && is_not_permitted(error)) {
        Some(level) => format!("{text}; kernel lockdown is at {level}"),
        None => text,
    }
}

fn is_not_permitted(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let errno = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        if errno == Some(libc::EPERM) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn describe_refusal(error: &ProgramError) -> String {
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        let log = verifier_log.to_string();
        let last = log.lines().rev().find(|line| {
            let statistics = ["processed ", "verification ", "stack depth "];
            !line.is_empty() && !statistics.iter().any(|start| line.starts_with(start))
        });
        return match last {
            Some(line) => format!("the kernel refused the program: {io_error} ({line})"),
            None => format!("the kernel refused the program: {io_error}"),
        };
    }
    causes(error)
}

/// An error and what caused it, in one line.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Transparent errors repeat their cause.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
