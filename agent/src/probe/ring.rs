//! Crossings and rare events, as they come out of the ring buffer.

use std::io;

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use evictd_common::Record;
use tokio::io::{Interest, unix::AsyncFd};

use super::load::LoadError;

/// Records taken per wake-up, so that a flood cannot keep the loop from looking at the node.
const MAX_DRAIN: usize = 256;

/// The ring buffer, awaitable.
pub struct Ring {
    fd: AsyncFd<RingBuf<MapData>>,
}

impl Ring {
    /// Takes the ring out of the object. Must be called inside a tokio runtime.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        let ring: RingBuf<MapData> = super::load::take_map(ebpf, "RECORDS")?;
        // SAFETY: the ring owns its map's descriptor and keeps it for as long as the AsyncFd lives.
        let fd = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }
            .map_err(|error| LoadError::Ring(io::Error::from(error)))?;
        Ok(Self { fd })
    }

    /// Waits for records and hands them over, up to [`MAX_DRAIN`]; what does not fit stays for the
    /// next call. Cancel safe: nothing is taken before the only await.
    pub async fn drain(&mut self, mut take: impl FnMut(Record)) -> io::Result<()> {
        let mut guard = self.fd.readable_mut().await?;
        let mut empty = false;
        for _ in 0..MAX_DRAIN {
            let Some(item) = guard.get_inner_mut().next() else {
                empty = true;
                break;
            };
            if let Some(record) = Record::from_bytes(&item) {
                take(record);
            }
        }
        if empty {
            guard.clear_ready();
        }
        Ok(())
    }
}
