//! Writes lines to stdout, as fast as it may.

use std::io::Write as _;

use crate::{
    args::Args,
    hog::{announce, sleep_until_killed},
    pace::Pace,
};

const LINE: &[u8] =
    b"level=error msg=\"request failed, retrying\" attempt=1 upstream=10.4.7.11:8443 \
      err=\"connection reset by peer\" request_id=5f2b9c1e-7a34-4d38-9a55-1b1f0a8f6c7d \
      trace=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 user=anonymous retries=unlimited\n";

/// Written at a time.
const BLOCK_BYTES: usize = 64 << 10;

pub(crate) fn log_writer(args: &Args) -> Result<(), String> {
    announce()?;
    let block = LINE.repeat(BLOCK_BYTES / LINE.len());
    let size = block.len() as u64;
    let mut pace = Pace::new(args.number("rate", 0) << 20);
    let mut out = std::io::stdout().lock();
    let blocks = (args.number("max-mib", 64) << 20) / size;
    for _ in 0..blocks {
        out.write_all(&block).map_err(|e| format!("stdout: {e}"))?;
        pace.spend(size);
    }
    sleep_until_killed()
}
