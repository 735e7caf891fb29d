//! Writes a trace without ever making the control loop wait.

use std::{
    io::{self, BufWriter, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use evictd_core::MonoTime;
use tracing::{error, warn};

use super::{Entry, Header, Writer};

/// Batches that may wait for a slow disk before further ones are dropped (and counted).
const CAPACITY: usize = 256;

/// Is shown each batch before it is written, on the writer's thread.
pub type Listener = Box<dyn FnMut(&[Entry]) + Send>;

/// What goes to the writer: the entries of one evaluation.
struct Batch {
    /// Entries dropped before these.
    missing: u64,
    entries: Vec<Entry>,
    /// Set on the last one.
    end: Option<MonoTime>,
}

/// The way out for a trace. Rendering and writing happen on a thread of its own.
pub struct Recorder {
    sender: SyncSender<Batch>,
    writer: JoinHandle<io::Result<()>>,
    /// Dropped and not yet said so in the trace.
    missing: u64,
}

impl Recorder {
    /// Begins a trace on `out`.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn start(
        out: impl Write + Send + 'static,
        header: &Header,
        listener: Listener,
    ) -> io::Result<Self> {
        let mut writer = Writer::begin(BufWriter::new(out), header)?;
        writer.flush()?;
        let (sender, receiver) = sync_channel(CAPACITY);
        let writer = thread::spawn(move || {
            let written = write_all(writer, &receiver, listener);
            if let Err(error) = &written {
                error!("the trace can no longer be written: {error}");
            }
            written
        });
        Ok(Self { sender, writer, missing: 0 })
    }

    /// Hands entries over; never blocks.
    pub fn record(&mut self, entries: Vec<Entry>) {
        let count = entries.len() as u64;
        let batch = Batch { missing: self.missing, entries, end: None };
        match self.sender.try_send(batch) {
            Ok(()) => self.missing = 0,
            Err(_) => self.missing += count,
        }
    }

    /// Ends the trace and waits until it is written.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn finish(self, entries: Vec<Entry>, now: MonoTime) -> io::Result<()> {
        let Self { sender, writer, missing } = self;
        if missing > 0 {
            warn!("{missing} entries of the trace were dropped");
        }
        // Fails only when the writer has ended, which tells why.
        let _ = sender.send(Batch { missing, entries, end: Some(now) });
        drop(sender);
        writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked")))
    }
}

fn write_all(
    mut writer: Writer<impl Write>,
    batches: &Receiver<Batch>,
    mut listener: Listener,
) -> io::Result<()> {
    for Batch { missing, entries, end } in batches {
        if missing > 0 {
            writer.missing(missing)?;
        }
        listener(&entries);
        for entry in entries {
            writer.write(entry)?;
        }
        if let Some(now) = end {
            writer.end(now)?;
            return Ok(());
        }
        writer.flush()?;
    }
    Ok(())
}
