//! What may go, and in which order (L-23, L-24). Pure: what is kept, when it was used and the time are
//! arguments.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use evictd_core::{MonoTime, ReclaimStep};

use super::{Container, ContainerPhase, Image, Stock, image_use::ImageUse};

/// One thing to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal<'s> {
    /// A dead container, with its log.
    Container(&'s Container),
    /// An unused image.
    Image(&'s Image),
}

/// Everything of `stock` that `steps` may remove, in the order in which it goes. How much of it is
/// needed only shows while it goes: sizes on disk are told by nobody.
///
/// An image counts as unused when only containers use it that go before it.
pub fn plan<'s>(
    stock: &'s Stock,
    steps: &[ReclaimStep],
    uses: &ImageUse,
    minimum_age: Duration,
    now: MonoTime,
) -> Vec<Removal<'s>> {
    let mut gone = BTreeSet::new();
    let mut removals = Vec::new();
    for step in steps {
        match step {
            ReclaimStep::DeadContainers => {
                let dead = dead_containers(stock);
                gone.extend(dead.iter().map(|container| container.id.as_str()));
                removals.extend(dead.into_iter().map(Removal::Container));
            }
            ReclaimStep::UnusedImages => {
                let unused = unused_images(stock, &gone, uses, minimum_age, now);
                removals.extend(unused.into_iter().map(Removal::Image));
            }
        }
    }
    removals
}

/// L-23: containers that have ended, oldest first. Of a pod that lives the newest dead one of each name
/// stays, for `kubectl logs --previous` and because the kubelet goes by how it ended; of a pod none of
/// whose sandboxes is ready nothing has to. One whose pod nobody knows stays.
fn dead_containers(stock: &Stock) -> Vec<&Container> {
    let living = stock.living();
    let is_dead = |container: &&Container| {
        container.phase == ContainerPhase::Exited && !container.pod_uid.is_empty()
    };
    let mut newest: BTreeMap<(&str, &str), (i64, &str)> = BTreeMap::new();
    for container in stock.containers.iter().filter(is_dead) {
        let age = (container.created_at, container.id.as_str());
        let kept = newest.entry((&container.pod_uid, &container.name)).or_insert(age);
        *kept = (*kept).max(age);
    }
    let is_needed = |container: &Container| {
        let uid = container.pod_uid.as_str();
        let is_newest =
            newest.get(&(uid, container.name.as_str())).is_some_and(|(_, id)| *id == container.id);
        living.contains(uid) && is_newest
    };
    let dead = stock.containers.iter().filter(is_dead);
    let mut dead: Vec<_> = dead.filter(|container| !is_needed(container)).collect();
    dead.sort_by_key(|container| (container.created_at, container.id.as_str()));
    dead
}

/// L-24: images that no container uses, whatever its state, unpinned and there for long enough; those
/// first whose last use is longest ago.
fn unused_images<'s>(
    stock: &'s Stock,
    gone: &BTreeSet<&str>,
    uses: &ImageUse,
    minimum_age: Duration,
    now: MonoTime,
) -> Vec<&'s Image> {
    let kept = || stock.containers.iter().filter(|c| !gone.contains(c.id.as_str()));
    let mut unused: Vec<_> = stock
        .images
        .iter()
        .filter(|image| !image.pinned && !kept().any(|container| image.is_of(container)))
        .filter_map(|image| Some((uses.of(&image.id)?, image)))
        .filter(|(seen, _)| seen.is_older_than(minimum_age, now))
        .collect();
    unused.sort_by_key(|(seen, image)| (*seen, image.id.as_str()));
    unused.into_iter().map(|(_, image)| image).collect()
}

#[cfg(test)]
mod tests;
