//! What the kernel's verifier has to look at to let each program in, against the committed record: a
//! program that grew is refused by older kernels first.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{collections::BTreeMap, slice};

use evictd::probe::{Family, FsKind, LADDER, LoadOptions, Rung, load};

/// Verified instructions by release series (`6.12`) and program.
type Record = BTreeMap<String, BTreeMap<String, u32>>;

/// Written by `cargo xtask verifier --accept`, which reads what this test prints.
const RECORD: &str = include_str!("../verifier.json");
const HOW_TO_ACCEPT: &str = "to accept: cargo xtask verifier --accept";
/// What is printed before the figures of this kernel.
const MEASURED: &str = "verified instructions: ";

/// A program may grow by a fifth.
const fn is_too_much(recorded: u32, now: u32) -> bool {
    now as u64 * 5 > recorded as u64 * 6
}

/// What is wrong with the programs of a kernel. Recorded programs that are not loaded here are of
/// filesystems that this machine lacks.
fn findings(recorded: &BTreeMap<String, u32>, measured: &BTreeMap<String, u32>) -> Vec<String> {
    let of = |(program, now): (&String, &u32)| match recorded.get(program) {
        None => Some(format!("{program}: {now} instructions, not recorded")),
        Some(old) if is_too_much(*old, *now) => {
            let percent = (u64::from(*now) - u64::from(*old)) * 100 / u64::from(*old).max(1);
            Some(format!("{program}: {now} instructions, recorded {old} (+{percent} %)"))
        }
        Some(_) => None,
    };
    measured.iter().filter_map(of).collect()
}

/// `6.12` of `6.12.9-amd64`.
fn series(release: &str) -> String {
    release.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// Families whose programs differ with the filesystem.
const OF_DISKS: [Family; 2] = [Family::Writes, Family::Space];

/// What is loaded at a time: a rung of each of some families.
type Ladder = Vec<(Family, &'static [Rung])>;

/// Ladders that have every rung among them. On ext4 programs of one family may do a part of another's work, so
/// those of [`OF_DISKS`] are loaded apart and together there.
fn ladders(filesystem: FsKind) -> Vec<Ladder> {
    let most = LADDER.iter().map(|(_, rungs)| rungs.len()).max().unwrap_or(0);
    let level = |at: usize, wanted: fn(Family) -> bool| -> Ladder {
        let families = LADDER.iter().filter(|(family, _)| wanted(*family));
        let at = families.filter_map(|(family, rungs)| Some((*family, rungs.get(at)?)));
        at.map(|(family, rung)| (family, slice::from_ref(rung))).collect()
    };
    let ladders: Vec<Ladder> = if filesystem == FsKind::Ext4 {
        let apart = (0..most).flat_map(|at| {
            [
                level(at, |family| family != Family::Space),
                level(at, |family| family == Family::Space),
            ]
        });
        let together = (0..most).map(|at| {
            let last = |rungs: &'static [_]| slice::from_ref(&rungs[at.min(rungs.len() - 1)]);
            let families = LADDER.iter().filter(|(family, _)| OF_DISKS.contains(family));
            families.map(|(family, rungs)| (*family, last(rungs))).collect()
        });
        apart.chain(together).collect()
    } else {
        (0..most).map(|at| level(at, |family| OF_DISKS.contains(&family))).collect()
    };
    ladders.into_iter().filter(|ladder| !ladder.is_empty()).collect()
}

/// Every program that this kernel takes, on any rung, for any filesystem.
fn measure() -> BTreeMap<String, u32> {
    let mut measured = BTreeMap::new();
    for filesystem in [FsKind::Ext4, FsKind::Xfs, FsKind::Btrfs] {
        for ladder in &ladders(filesystem) {
            let filesystems = &[filesystem];
            let (ebpf, _) =
                load(LoadOptions { ladder, filesystems, ..LoadOptions::default() }).unwrap();
            for (name, program) in ebpf.programs() {
                // A program that is not loaded has no info.
                let Ok(info) = program.info() else { continue };
                let Some(now) = info.verified_instruction_count() else { continue };
                let most = measured.entry(name.to_owned()).or_insert(now);
                *most = now.max(*most);
            }
        }
    }
    measured
}

#[test]
fn no_program_has_grown_by_a_fifth_unseen() {
    let _alone = common::alone();
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let series = series(&release);
    let measured = measure();
    let printed = Record::from([(series.clone(), measured.clone())]);
    println!("{MEASURED}{}", serde_json::to_string(&printed).unwrap());
    if measured.is_empty() {
        println!("cannot run here: Linux {release} does not tell verified instructions");
        return;
    }
    let record: Record = serde_json::from_str(RECORD).unwrap();
    let Some(recorded) = record.get(&series) else {
        println!("cannot run here: no record for Linux {series}; {HOW_TO_ACCEPT}");
        return;
    };
    let findings = findings(recorded, &measured);
    assert!(findings.is_empty(), "Linux {series}: {}; {HOW_TO_ACCEPT}", findings.join("; "));
}

#[test]
fn findings_name_the_program_and_both_figures() {
    let programs = |figures: &[(&str, u32)]| {
        figures.iter().map(|(name, figure)| ((*name).to_owned(), *figure)).collect()
    };
    let recorded = programs(&[("exit_btf", 100), ("fork_btf", 10)]);
    let cases = [
        ("as before", programs(&[("exit_btf", 100)]), vec![]),
        ("a fifth", programs(&[("exit_btf", 120)]), vec![]),
        ("smaller", programs(&[("exit_btf", 1)]), vec![]),
        (
            "more",
            programs(&[("exit_btf", 121)]),
            vec!["exit_btf: 121 instructions, recorded 100 (+21 %)"],
        ),
        ("new", programs(&[("new", 7)]), vec!["new: 7 instructions, not recorded"]),
    ];
    for (name, measured, expected) in cases {
        assert_eq!(findings(&recorded, &measured), expected, "{name}");
    }
    assert_eq!(series("6.12.9-amd64"), "6.12");
    assert_eq!(series("6.18.44-fc-v595"), "6.18");
}
