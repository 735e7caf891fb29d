//! The directory of one control plane.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result};

use crate::sweep;

/// `evictd-plane-<pid>-<number>`, below the temporary directory.
const PREFIX: &str = "evictd-plane-";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Removed on drop; those of runs that died are removed when the next is made.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn create() -> Result<Self> {
        let temp = env::temp_dir();
        for name in sweep::orphans(&temp, PREFIX) {
            let path = temp.join(name);
            if let Err(e) = fs::remove_dir_all(&path) {
                eprintln!("sweeping {}: {e}", path.display());
            }
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = temp.join(format!("{PREFIX}{}-{number}", process::id()));
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.0) {
            eprintln!("cleaning up {}: {e}", self.0.display());
        }
    }
}
