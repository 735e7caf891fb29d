//! Filesystems that are not there, or not what they seem.

use std::cmp::Ordering;

use evictd_core::{FsLayout, Signal};

use super::{Found, Rule, Severity, Subject, by_origin, note};
use crate::{
    check::{amount::Amount, in_force::InForce},
    config::ConfigKind,
};

pub(super) const RULES: &[Rule] = &[
    Rule { code: "filesystem-not-here", because: &["S-7", "S-27"], find: not_here },
    Rule { code: "inodes-not-counted", because: &["S-3", "S-6"], find: inodes_not_counted },
    Rule { code: "imagefs-shares-disk", because: &["S-10", "S-26"], find: shares_disk },
];

/// A filesystem: bytes and inodes.
type Pair = (Signal, Signal);

const NODEFS: Pair = (Signal::NodefsAvailable, Signal::NodefsInodesFree);
const IMAGEFS: Pair = (Signal::ImagefsAvailable, Signal::ImagefsInodesFree);
const CONTAINERFS: Pair = (Signal::ContainerfsAvailable, Signal::ContainerfsInodesFree);

fn not_here(s: &Subject<'_>) -> Vec<Found> {
    // Where the kubelet's images are is only unknown.
    let kubelet = s.config.eviction.kind == ConfigKind::Kubelet;
    let unwatched = !kubelet && s.config.imagefs.is_none();
    let mut found = Vec::new();
    for (pair, absent) in [
        (NODEFS, s.node.read),
        (IMAGEFS, unwatched || (s.node.read && !kubelet)),
        (CONTAINERFS, unwatched || (s.node.read && !kubelet)),
    ] {
        let watching: Vec<_> = rows(s, pair).collect();
        // Told of the one that somebody wanted, if there is one.
        let first = watching.iter().find(|row| row.is_own()).or(watching.first());
        let Some(row) = first.filter(|_| absent && s.node.seen(pair.0).is_none()) else {
            continue;
        };
        let names: Vec<&str> = watching.iter().map(|row| row.signal().name()).collect();
        let reason = s.node.reason(pair.0).unwrap_or("it is not watched");
        let text = format!("{} cannot be met: {reason}", names.join(", "));
        let instead = match (pair == NODEFS, &s.node.images) {
            (true, _) if kubelet => "--kubelet-flags=--root-dir=DIR, if it is elsewhere".to_owned(),
            (true, _) => "rootDirectory: a directory of the kubelet's filesystem".to_owned(),
            (false, Some(images)) => {
                format!("imagefs: {}, where images are", images.path.display())
            }
            (false, None) => "imagefs: the directory that holds images".to_owned(),
        };
        let found_here = by_origin(row, text, instead);
        let severity = if pair == NODEFS { Severity::Warning } else { found_here.severity };
        found.push(Found { severity, ..found_here });
    }
    found
}

fn inodes_not_counted(s: &Subject<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (bytes, inodes) in [NODEFS, IMAGEFS, CONTAINERFS] {
        if s.node.seen(bytes).is_none() || s.node.seen(inodes).is_some() {
            continue;
        }
        let reason = s.node.reason(inodes).unwrap_or("the filesystem does not count them");
        for row in s.rows.iter().filter(|row| row.signal() == inodes) {
            let text = format!("{inodes} cannot be met: {reason}");
            found.push(by_origin(row, text, format!("{bytes} alone, which is watched")));
        }
    }
    found
}

/// On one disk the larger of the two thresholds is the one that acts.
fn shares_disk(s: &Subject<'_>) -> Vec<Found> {
    if s.node.layout() != Some(FsLayout::Single) {
        return Vec::new();
    }
    let pairs = [(NODEFS.0, IMAGEFS.0), (NODEFS.1, IMAGEFS.1)];
    pairs.into_iter().filter_map(|(nodefs, imagefs)| one_acts(s, nodefs, imagefs)).collect()
}

fn one_acts(s: &Subject<'_>, nodefs: Signal, imagefs: Signal) -> Option<Found> {
    let hard = |signal| s.rows.iter().find(|r| r.signal() == signal && r.threshold.is_hard());
    let (nodefs, imagefs) = (hard(nodefs)?, hard(imagefs)?);
    let amount = |row: &InForce| Some(Amount(row.signal(), row.quantity()?));
    let says = |row: &InForce| Some(format!("{} {} ({})", row.signal(), row.written, amount(row)?));
    let (first, second) = match imagefs.quantity()?.cmp(&nodefs.quantity()?) {
        Ordering::Equal => return None,
        Ordering::Greater => (imagefs, nodefs),
        Ordering::Less => (nodefs, imagefs),
    };
    let text = format!(
        "imagefs and nodefs are one disk here, and it is {} that acts: pods are evicted before {} is \
         reached",
        says(first)?,
        says(second)?
    );
    let instead = format!("the amount that is meant in {} alone; 0% in the other", second.signal());
    // Who wrote the one that comes second thinks that it acts.
    let severity = if second.is_written() { Severity::Warning } else { Severity::Note };
    Some(Found { severity, ..note(second.at(), text, instead) })
}

fn rows<'a>(s: &Subject<'a>, (bytes, inodes): Pair) -> impl Iterator<Item = &'a InForce> {
    s.rows.iter().filter(move |row| row.signal() == bytes || row.signal() == inodes)
}

#[cfg(test)]
mod tests {
    use super::super::{
        Severity::{Note, Warning},
        tests::assert_found,
    };
    use super::*;
    use crate::check::sample::Case;

    #[test]
    fn filesystems_that_are_not_watched_are_told() {
        let code = "filesystem-not-here";
        let images = "evictionHard: {imagefs.inodesFree: 5%, imagefs.available: 10%}\n";
        let example = images.replace("10%", "15%");
        let gone =
            |case: Case| case.node(|n| n.forget(Signal::NodefsAvailable, "rootDirectory /x: no"));
        for (name, case, expected) in [
            (
                "by default",
                Case::evictd(""),
                Some((
                    Note,
                    "imagefs.available, imagefs.inodesFree cannot be met: `imagefs` is not",
                )),
            ),
            (
                "written as by default",
                Case::evictd(&example),
                Some((Note, "imagefs: the directory")),
            ),
            ("written", Case::evictd(images), Some((Warning, "imagefs: the directory"))),
            ("watched", Case::evictd(images).images(Some(true)), None),
            ("the kubelet's are only unknown", Case::kubelet(images), None),
            (
                "containerfs",
                Case::evictd("evictionHard: {containerfs.available: 10%}\n"),
                Some((Warning, "containerfs.available cannot be met: `imagefs` is not configured")),
            ),
            (
                "no rootDirectory",
                gone(Case::evictd("evictionHard: {nodefs.available: 10%}\n")),
                Some((Warning, "nodefs.available cannot be met: rootDirectory /x: no")),
            ),
            (
                "node not read",
                gone(Case::evictd("evictionHard: {nodefs.available: 10%}\n"))
                    .node(|n| n.read = false),
                None,
            ),
        ] {
            assert_found(name, &case, code, expected.as_slice());
        }
    }

    #[test]
    fn a_filesystem_may_not_count_inodes() {
        let code = "inodes-not-counted";
        let btrfs = |case: Case| case.node(|n| n.forget(Signal::NodefsInodesFree, "not counted"));
        let written = "evictionHard: {nodefs.inodesFree: 7%}\n";
        assert_found("ext4", &Case::evictd(written), code, &[]);
        let text = "nodefs.inodesFree cannot be met: not counted";
        assert_found("default", &btrfs(Case::evictd("")), code, &[(Note, text)]);
        assert_found("written", &btrfs(Case::evictd(written)), code, &[(Warning, text)]);
    }

    #[test]
    fn of_two_thresholds_on_one_disk_one_acts() {
        let code = "imagefs-shares-disk";
        let both = |nodefs: &str, imagefs: &str| {
            Case::evictd(&format!(
                "evictionHard: {{nodefs.available: {nodefs}, imagefs.available: {imagefs}}}\n"
            ))
        };
        for (name, case, expected) in [
            (
                "S-10 the defaults",
                Case::evictd("").images(Some(false)),
                Some((
                    Note,
                    "it is imagefs.available 15% (15.0 GiB) that acts: pods are evicted before \
                             nodefs.available 10% (10.0 GiB) is reached",
                )),
            ),
            ("own disk", Case::evictd("").images(Some(true)), None),
            ("unknown", Case::evictd(""), None),
            ("written", both("10%", "15%").images(Some(false)), Some((Warning, "it is imagefs"))),
            (
                "the other way",
                both("15%", "5Gi").images(Some(false)),
                Some((Warning, "it is nodefs")),
            ),
            ("equal", both("5Gi", "5Gi").images(Some(false)), None),
        ] {
            assert_found(name, &case, code, expected.as_slice());
        }
    }
}
