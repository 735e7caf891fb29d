//! Exit codes: 0 ended as asked, 1 cannot run here, 2 bad input.

use std::process::ExitCode;

use tracing::error;

use crate::{cluster::ConnectError, config::InputError};

/// Bad input, as opposed to a machine that evictd cannot run on.
pub const BAD_INPUT: u8 = 2;

/// Logs what went wrong, if anything, and gives the exit code that says of what sort it was.
pub fn code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!("{failure:#}");
            if is_bad_input(&failure) { ExitCode::from(BAD_INPUT) } else { ExitCode::FAILURE }
        }
    }
}

fn is_bad_input(failure: &anyhow::Error) -> bool {
    failure.is::<InputError>()
        || failure.downcast_ref::<ConnectError>().is_some_and(ConnectError::is_bad_input)
}
