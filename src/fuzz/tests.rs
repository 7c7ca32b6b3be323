//! Runs all targets on their corpora, on mutations of them, and on inputs of proptest.

use std::{collections::BTreeSet, fs, path::Path};

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::TARGETS;

/// Mutations per corpus. `make fuzz` searches longer, guided by coverage.
const MUTATIONS: usize = 10_000;

/// Changes per mutation.
const CHANGES: usize = 6;

/// Longer inputs only cost time.
const MAX_BYTES: usize = 4096;

/// Bytes that parsers treat specially.
const TELLING: &[u8] = b"\0\x01\x7f\x80\xff\n\r\t \"'#%&-./0:=?@[]_{}\\\x16";

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder:?} is empty");
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn every_target_accepts_its_corpus_and_mutations() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        corpus.iter().for_each(|bytes| target(bytes));
        // A fixed seed, so that failures are reproducible.
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..MUTATIONS {
            target(&mutate(&corpus, &mut random));
        }
    }
}

/// An input of the corpus with some changes.
fn mutate(corpus: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let pick = |random: &mut StdRng| corpus.choose(random).unwrap().clone();
    let mut bytes = pick(random);
    for _ in 0..random.random_range(1..=CHANGES) {
        let at = random.random_range(0..=bytes.len());
        let end = random.random_range(at..=bytes.len().min(at + 16));
        match random.random_range(0..6) {
            0 => bytes.insert(at, *TELLING.choose(random).unwrap()),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.truncate(at),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                let other = pick(random);
                let from = random.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.random();
                }
            }
        }
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_target_takes_any_bytes(bytes: Vec<u8>, text: String, kind in 0..8_u8) {
        for (_, target) in TARGETS {
            target(&bytes);
            target(text.as_bytes());
            target(&[&[kind], bytes.as_slice()].concat());
        }
    }
}

#[test]
fn every_target_can_be_run_by_cargo_fuzz() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is no [[bin]]");
        let file = fuzz.join(format!("fuzz_targets/{name}.rs"));
        let source = fs::read_to_string(&file).unwrap_or_default();
        assert!(source.contains(&format!("run(\"{name}\", ")), "{file:?}");
    }
    let files = fs::read_dir(fuzz.join("fuzz_targets")).unwrap();
    let files: BTreeSet<_> = files
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(files, names);
    let corpora = fs::read_dir(fuzz.join("corpus")).unwrap();
    let corpora: BTreeSet<_> =
        corpora.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(corpora, names);
}
