#!/bin/sh
# Runs libFuzzer on the given targets of fuzz/, or on all, for a number of seconds each.
#
#   tools/fuzz.sh 60 join_link name
#
# It needs neither a nightly compiler nor cargo-fuzz: a wrapper passes the compiler options of
# `cargo fuzz` to our own crate only, so that dependencies are compiled once. No sanitizer is used,
# because the code has no unsafe part. Findings are in fuzz/artifacts; run one again with
# `target/fuzz/release/TARGET FILE`.
set -eu

cd "$(dirname "$0")/.."
seconds=$1
shift
targets=${*:-$(ls fuzz/corpus)}

RUSTC_WRAPPER=$PWD/tools/fuzz-rustc.sh RUSTFLAGS='--cfg fuzzing' \
    cargo build --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --locked

for target in $targets; do
    # New inputs go to a corpus in target; fuzz/corpus contains the ones that are kept.
    mkdir -p "target/fuzz/corpus/$target" "fuzz/artifacts/$target"
    echo "--- $target"
    "target/fuzz/release/$target" "target/fuzz/corpus/$target" "fuzz/corpus/$target" \
        -artifact_prefix="fuzz/artifacts/$target/" -max_total_time="$seconds" \
        -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0
done
