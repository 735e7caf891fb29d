//! Exit codes: 0 ended as asked, 1 cannot run here, 2 bad input.

use std::process::ExitCode;

use tracing::error;

use crate::config::InputError;

/// Bad input, as opposed to a machine that evictd cannot run on.
pub const BAD_INPUT: u8 = 2;

/// Logs what went wrong, if anything, and gives the exit code that says of what sort it was.
pub fn code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => match failure.downcast_ref::<InputError>() {
            Some(input) => {
                error!("{input}");
                ExitCode::from(BAD_INPUT)
            }
            None => {
                error!("{failure:#}");
                ExitCode::FAILURE
            }
        },
    }
}
