//! The live table: a screen, keys, and a thread that takes the readings.

mod draw;
mod screen;
mod table;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEventKind},
};
use signal_hook::consts::{SIGHUP, SIGTERM};

use super::{Args, snapshot::Snapshot, watch::Watch};
use crate::answer::Paint;
use screen::on_screen;
use table::{Live, Wish};

/// How long a key or a new snapshot may go unseen.
const TURN: Duration = Duration::from_millis(50);

type Seen = Result<Snapshot, String>;

/// Shows the table until `q`, a signal, or the last interval. The terminal is as before then, also after
/// a panic.
pub fn show(args: &Args, watch: Watch) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, stop.clone()).context("waiting for signals")?;
    }
    let (sender, snapshots) = sync_channel(1);
    thread::spawn(move || take(watch, &sender));
    on_screen(|terminal| run(terminal, args, &snapshots, &stop))
}

/// Readings wait for an agent that is busy; keys must not.
fn take(mut watch: Watch, out: &SyncSender<Seen>) {
    loop {
        let seen = watch.next().map_err(|error| format!("{error:#}"));
        let failed = seen.is_err();
        if out.send(seen).is_err() {
            return;
        }
        if failed {
            // An agent that is restarted answers again.
            thread::sleep(Duration::from_secs(1));
        }
    }
}

fn run(
    terminal: &mut DefaultTerminal,
    args: &Args,
    snapshots: &Receiver<Seen>,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let mut live = Live::new(args, Paint::detect().is_enabled());
    let mut intervals = 0;
    let mut changed = true;
    while !stop.load(Ordering::Relaxed) {
        if changed {
            terminal.draw(|frame| draw::draw(frame, &mut live)).context("the terminal")?;
        }
        changed = event::poll(TURN).context("the terminal")?;
        if changed && take_event(&mut live)? == Wish::Quit {
            return Ok(());
        }
        match snapshots.try_recv() {
            Ok(seen) => {
                intervals += u64::from(seen.is_ok());
                live.update(seen);
                changed = true;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => anyhow::bail!("readings ended"),
        }
        if args.count.is_some_and(|count| intervals >= count) {
            return Ok(());
        }
    }
    Ok(())
}

fn take_event(live: &mut Live) -> io::Result<Wish> {
    match event::read()? {
        Event::Key(key) if key.kind != KeyEventKind::Release => Ok(live.key(key)),
        // Drawn anew at the new size.
        Event::Resize(..) | Event::Key(_) | Event::FocusGained | Event::FocusLost => Ok(Wish::Stay),
        Event::Mouse(_) | Event::Paste(_) => Ok(Wish::Stay),
    }
}
