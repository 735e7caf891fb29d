//! One path, done once by a process in a cgroup of its own, under the eyes of every rung.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::{
    claims::ClaimsHere,
    finding::{Cell, Measure, Stage},
    path::WritePath,
    perform::Settled,
    place::Place,
    watcher::Watcher,
};
use crate::{
    cgroup::Cgroup,
    container::{enter, tool},
};

/// The program that does a path.
const PROGRAM: &str = "evictd-paths";
/// xfs gives back in the background. Only claimed figures are waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the writing process says on its stdout, a line each. After each `settled` it waits for a
/// line on its stdin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// All it has done so far is on the disk.
    Settled(Settled),
    /// There is no such path here.
    Unable(String),
}

/// What is the same for all paths on a filesystem.
pub(super) struct Ground<'a> {
    pub(super) filesystem: Place,
    /// An empty directory there.
    pub(super) dir: &'a Path,
    /// A file to copy from.
    pub(super) source: &'a Path,
    /// The kernel's numbers of the filesystems that may be charged.
    pub(super) devs: &'a [u32],
    pub(super) claims: &'a ClaimsHere,
}

impl Ground<'_> {
    /// Does the path in the cgroup; `Err(reason)` inside where this filesystem has none such.
    pub(super) fn run(
        &self,
        path: WritePath,
        cgroup: &Cgroup,
        watchers: &[Watcher],
    ) -> Result<Result<Vec<Cell>, String>> {
        let file = self.dir.join("file");
        let mut command = Command::new(tool(PROGRAM)?);
        command.args(["write", path.name(), "--file"]).arg(&file).arg("--source").arg(self.source);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        enter(&mut command, cgroup)?;
        let mut child = command.spawn().context("starting the writer")?;
        let mut go_on = child.stdin.take().context("the writer has no stdin")?;
        let lines = BufReader::new(child.stdout.take().context("the writer has no stdout")?);

        let id = cgroup.inode()?;
        let mut cells = self.cells(path, watchers);
        let (mut written, mut unable) = (0, None);
        for line in lines.lines() {
            match serde_json::from_str(&line?)? {
                Said::Settled(now) => {
                    written = now.written;
                    self.look(&mut cells, watchers, id, Measure::Space, now.blocks);
                    writeln!(go_on)?;
                }
                Said::Unable(reason) => unable = Some(reason),
            }
        }
        let status = child.wait()?;
        if file.exists() {
            fs::remove_file(&file)?;
        }
        if let Some(reason) = unable {
            return Ok(Err(reason));
        }
        if !status.success() {
            bail!("{} on {}: {status}", path.name(), self.filesystem.name());
        }
        self.look(&mut cells, watchers, id, Measure::Bytes, written);
        self.look(&mut cells, watchers, id, Measure::Space, 0);
        Ok(Ok(cells))
    }

    fn cells(&self, path: WritePath, watchers: &[Watcher]) -> Vec<Cell> {
        let filesystem = self.filesystem;
        let cell = |Watcher { measure, rung, .. }: &Watcher| Cell {
            filesystem,
            path,
            measure: *measure,
            rung: rung.clone(),
            claimed: self.claims.makes(*measure, rung, filesystem, path),
            stages: Vec::new(),
        };
        watchers.iter().map(cell).collect()
    }

    /// Adds a stage to the cells of that measure.
    fn look(
        &self,
        cells: &mut [Cell],
        watchers: &[Watcher],
        cgroup: u64,
        measure: Measure,
        real: u64,
    ) {
        let deadline = Instant::now() + PATIENCE;
        for (cell, watcher) in cells.iter_mut().zip(watchers) {
            if watcher.measure != measure {
                continue;
            }
            cell.stages.push(loop {
                let stage = Stage { reported: watcher.reported(cgroup, self.devs), real };
                let right = stage.agrees(self.filesystem);
                let may_change = measure == Measure::Space && cell.claimed;
                if right || !may_change || Instant::now() > deadline {
                    break stage;
                }
                thread::sleep(Duration::from_millis(5));
            });
        }
    }
}
