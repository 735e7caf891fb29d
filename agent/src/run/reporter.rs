//! Writes records without ever making the control loop wait.

use std::{
    io::Write,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use evictd_core::MonoTime;

use super::record::{Line, Record};
use crate::metrics::Deeds;

/// Records that may wait for a slow reader before further ones are dropped (and counted).
const CAPACITY: usize = 1024;

/// The way out for records. Rendering and writing happen on a thread of its own.
pub struct Reporter {
    sender: Option<SyncSender<Line>>,
    writer: Option<JoinHandle<()>>,
    dropped: u64,
    deeds: Arc<Deeds>,
}

impl Reporter {
    /// Writes records to `out`, and counts them in `deeds`.
    pub fn new(mut out: impl Write + Send + 'static, deeds: Arc<Deeds>) -> Self {
        let (sender, receiver) = sync_channel::<Line>(CAPACITY);
        let writer = thread::spawn(move || {
            for line in receiver {
                let written = serde_json::to_writer(&mut out, &line)
                    .map_err(std::io::Error::from)
                    .and_then(|()| out.write_all(b"\n"))
                    .and_then(|()| out.flush());
                if let Err(error) = written {
                    tracing::error!("records can no longer be written: {error}");
                    return;
                }
            }
        });
        Self { sender: Some(sender), writer: Some(writer), dropped: 0, deeds }
    }

    /// Hands a record over; never blocks.
    pub fn report(&mut self, now: MonoTime, record: Record) {
        self.deeds.count(&record);
        let line = Line { mono_ns: now.as_nanos(), record };
        if self.sender.as_ref().is_none_or(|sender| sender.try_send(line).is_err()) {
            self.dropped += 1;
            self.deeds.set_dropped(self.dropped);
        }
    }

    /// What is counted.
    pub fn deeds(&self) -> &Deeds {
        &self.deeds
    }

    /// Records that could not be handed over.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Drop for Reporter {
    /// Waits for the last record to be written, so that `stopped` is not lost.
    fn drop(&mut self) {
        self.sender = None;
        if let Some(writer) = self.writer.take() {
            // A panicking writer has nothing left to write.
            let _ = writer.join();
        }
    }
}
