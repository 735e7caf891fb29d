//! Replays the committed corpora, so that what the fuzzer once found is tried by every `cargo test`.

use std::{collections::BTreeSet, fs, path::Path};

use evictd_fuzz::TARGETS;

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let names: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    for folder in ["fuzz_targets", "corpus"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let found: BTreeSet<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().display().to_string())
            .collect();
        assert_eq!(found, names, "{}", folder.display());
    }
}

#[test]
fn every_committed_input_passes() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS {
        let folder = corpora.join(target.name);
        let mut inputs: Vec<_> = fs::read_dir(&folder)
            .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{} holds no input", folder.display());
        for input in inputs {
            // Shown if the check fails.
            println!("{}", input.display());
            (target.check)(&fs::read(&input).unwrap());
        }
    }
}
