//! Every write path on every filesystem: each rung is right where it claims to be, and
//! docs/write-paths.md says the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use evictd::probe::{FsKind, LADDER};
use evictd_tests::{
    node::Node,
    write_paths::{Finding, Measure, Place, WritePath, claims::exception, measure},
};

/// Made by `cargo xtask path-table`.
const DOCUMENT: &str = include_str!("../../docs/write-paths.md");

/// Fails after all paths are done, with every cell that is wrong.
fn claims_hold_on(kind: FsKind) {
    let _alone = common::alone();
    let node = Node::create().unwrap();
    let (mut right, mut wrong) = (0, Vec::new());
    measure(&node, kind, &mut |found| match &found {
        Finding::Cell(cell) if !cell.claimed => {}
        Finding::Cell(cell) if cell.agrees() => right += 1,
        Finding::Cell(cell) => wrong.push(cell.to_string()),
        Finding::Kernel { .. } => {}
        Finding::NoFilesystem { .. } | Finding::NoRung { .. } | Finding::NoPath { .. } => {
            println!("cannot run here: {}", found.cannot_run().unwrap());
        }
    })
    .unwrap();
    println!("{right} cells are right");
    assert!(wrong.is_empty(), "claimed, but wrong:\n{}", wrong.join("\n"));
}

#[test]
fn claims_hold_on_ext4_and_through_overlayfs_and_memory_counts_nowhere() {
    claims_hold_on(FsKind::Ext4);
}

#[test]
fn claims_hold_on_xfs() {
    claims_hold_on(FsKind::Xfs);
}

#[test]
fn claims_hold_on_btrfs() {
    claims_hold_on(FsKind::Btrfs);
}

/// The cells of the table under a heading, by (rung, path).
fn table(heading: &str) -> Vec<(String, String, String)> {
    let (_, section) = DOCUMENT.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split_once("\n## ").map_or(section, |(table, _)| table);
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = section.lines().filter(|line| line.starts_with('|'));
    let rungs = cells(lines.next().unwrap());
    let rows = lines.skip(1).map(cells);
    rows.flat_map(|row| {
        let path = row[0].clone();
        let named = rungs.iter().zip(row).skip(1);
        named.map(|(rung, cell)| (rung.clone(), path.clone(), cell)).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn the_document_says_what_is_claimed() {
    for (measure, title) in [(Measure::Bytes, "bytes"), (Measure::Space, "space")] {
        let (_, rungs) = LADDER.iter().find(|(family, _)| *family == measure.family()).unwrap();
        for place in Place::ALL {
            let heading = format!("{}, {title}", place.name());
            let table = table(&heading);
            assert_eq!(table.len(), rungs.len() * WritePath::ALL.len(), "{heading}");
            for (rung, path, cell) in table {
                let path: WritePath = path.parse().unwrap();
                assert!(rungs.iter().any(|known| known.name == rung), "{heading}: {rung}");
                let exception = exception(measure, &rung, *place, path);
                let never = exception.is_some_and(|e| e.unless_tracepoint.is_none());
                let what = format!("{heading}: {path:?} on {rung}: {cell}");
                assert_eq!(cell.starts_with('—') && !cell.contains('('), never, "{what}");
                assert!(!cell.contains("**"), "it breaks a claim: {what}");
            }
        }
    }
}
