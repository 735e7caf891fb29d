//! The control plane that the guest reaches: a process of this machine, on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Programs};
use crate::setup::Kubernetes;

const PROGRAM: &str = "evictd-plane";
/// Where the guest looks for its files.
const IN_GUEST: &str = "etc/cluster";

/// A running control plane. Ends on drop.
pub(super) struct Plane {
    child: Child,
    folder: PathBuf,
}

impl Plane {
    /// Starts it and waits until it is ready; its files for guests go to `folder`.
    pub(super) fn start(programs: &Programs, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let child = Command::new(build::program(programs, PROGRAM)?)
            .arg(folder)
            .env("EVICTD_KUBERNETES", Kubernetes::folder()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context(PROGRAM)?;
        let mut plane = Self { child, folder: folder.to_owned() };
        let mut said = String::new();
        let stdout = plane.child.stdout.take().context("no output")?;
        BufReader::new(stdout).read_line(&mut said)?;
        if said.trim() != "ready" {
            bail!("{PROGRAM} did not start: {said}");
        }
        Ok(plane)
    }

    /// What the guest needs, by its path there.
    pub(super) fn files(&self) -> Result<BTreeMap<String, PathBuf>> {
        let entries = fs::read_dir(&self.folder)?;
        let file = |path: PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            (format!("{IN_GUEST}/{}", name.unwrap_or_default()), path)
        };
        entries.map(|entry| Ok(file(entry?.path()))).collect()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        // The end of its input is what ends it, with its servers; nothing more can be done here.
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
        let _removed = fs::remove_dir_all(&self.folder);
    }
}
