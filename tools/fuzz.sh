#!/bin/sh
# Runs libFuzzer on some targets of fuzz/, or on all, for so many seconds each.
#
#   tools/fuzz.sh 60 join_link name
#
# It needs no nightly compiler and no tool: what `cargo fuzz` would tell the compiler (coverage, but
# no sanitizer, as the code has no unsafe part) goes to our own crate through a wrapper, so
# that the crates below are compiled as usual and only once. What is found is left in
# fuzz/artifacts; `target/fuzz/release/TARGET FILE` runs it again.
set -eu

cd "$(dirname "$0")/.."
seconds=$1
shift
targets=${*:-$(ls fuzz/corpus)}

RUSTC_WRAPPER=$PWD/tools/fuzz-rustc.sh RUSTFLAGS='--cfg fuzzing' \
    cargo build --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --locked

for target in $targets; do
    # New inputs go to a corpus of this machine's own; fuzz/corpus holds what is worth keeping.
    mkdir -p "target/fuzz/corpus/$target" "fuzz/artifacts/$target"
    echo "--- $target"
    "target/fuzz/release/$target" "target/fuzz/corpus/$target" "fuzz/corpus/$target" \
        -artifact_prefix="fuzz/artifacts/$target/" -max_total_time="$seconds" \
        -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0
done
