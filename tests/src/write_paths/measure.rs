//! Every path on every filesystem that this machine can make, under every rung that its kernel
//! grants.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use evictd::probe::FsKind;

use super::{
    claims::ClaimsHere,
    finding::Finding,
    path::{BYTES, WritePath},
    place::{Mounted, Place, dev_of},
    trial::Ground,
    watcher::{Refusal, Watcher, watchers},
};
use crate::{node::Node, scratch::Scratch};

/// The kinds of filesystems whose hooks are loaded in turn.
pub const GROUNDS: &[FsKind] = &[FsKind::Ext4, FsKind::Xfs, FsKind::Btrfs];

/// Measures the places where the hooks of `kind` count; each finding is handed on when it is there.
pub fn measure(node: &Node, kind: FsKind, each: &mut dyn FnMut(Finding)) -> Result<()> {
    let scratch = match kind {
        FsKind::Ext4 => None,
        FsKind::Xfs | FsKind::Btrfs => match Scratch::attempt(node, kind.name())? {
            Ok(scratch) => Some(scratch),
            Err(reason) => {
                places(kind).for_each(|filesystem| {
                    each(Finding::NoFilesystem { filesystem, reason: reason.clone() });
                });
                return Ok(());
            }
        },
    };
    let (mut watchers, refusals) = watchers(kind)?;
    let disk = scratch.as_ref().map_or(node.nodefs_root(), Scratch::root);
    let claims = ClaimsHere::read().context("/proc/kallsyms")?;
    for place in places(kind) {
        for Refusal { measure, rung, reason } in &refusals {
            let (rung, reason) = (rung.clone(), reason.clone());
            each(Finding::NoRung { filesystem: place, measure: *measure, rung, reason });
        }
        let mounted = match place {
            Place::Ext4 | Place::Xfs | Place::Btrfs => None,
            Place::Overlay => Some(Mounted::overlay(node)?),
            Place::Tmpfs => Some(Mounted::tmpfs(node)?),
        };
        let root = match &mounted {
            None => disk,
            Some(Ok(mounted)) => mounted.root(),
            Some(Err(reason)) => {
                each(Finding::NoFilesystem { filesystem: place, reason: reason.clone() });
                continue;
            }
        };
        let mut devs = vec![dev_of(disk)?, dev_of(root)?];
        devs.dedup();
        for (slot, dev) in (1..).zip(&devs) {
            watchers.iter_mut().try_for_each(|watcher| watcher.watch(*dev, slot))?;
        }
        measure_at(node, place, root, &watchers, &devs, &claims, each)?;
    }
    Ok(())
}

fn places(kind: FsKind) -> impl Iterator<Item = Place> {
    Place::ALL.iter().copied().filter(move |place| place.hooked() == kind)
}

fn measure_at(
    node: &Node,
    place: Place,
    root: &Path,
    watchers: &[Watcher],
    devs: &[u32],
    claims: &ClaimsHere,
    each: &mut dyn FnMut(Finding),
) -> Result<()> {
    let dir = root.join("write-paths");
    fs::create_dir(&dir).with_context(|| dir.display().to_string())?;
    let source = root.join("write-paths.source");
    fs::write(&source, vec![b's'; usize::try_from(BYTES)?])?;
    let ground = Ground { filesystem: place, dir: &dir, source: &source, devs, claims };
    for (number, path) in WritePath::ALL.iter().enumerate() {
        let cgroup = node.system().child(&format!("{}-{number}", place.name()))?;
        let outcome = ground.run(*path, &cgroup, watchers);
        match outcome.with_context(|| format!("{} on {}", path.name(), place.name()))? {
            Ok(cells) => cells.into_iter().for_each(|cell| each(Finding::Cell(cell))),
            Err(reason) => each(Finding::NoPath { filesystem: place, path: *path, reason }),
        }
        cgroup.remove()?;
    }
    fs::remove_dir(&dir)?;
    Ok(fs::remove_file(&source)?)
}
