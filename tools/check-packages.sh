#!/bin/sh
# Checks what `make dist` packs, with the programs of `cargo test`: man pages, completions, the unit
# and the Containerfile. It takes seconds; `make dist-check` checks the packages themselves.
set -eu

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
stage=$target/package-check
# As `cargo test` builds them: `cargo build` would compile the libraries again, with other features.
cargo test --locked --quiet --no-run --test tidy
tools/stage.sh "$target/debug" "$stage" /usr/local
bash -n "$stage/completions/chinwag.bash"
! grep -rq /debug/ "$stage/completions"
ls "$stage/man/man1/chinwag-send.1" "$stage/man/man1/chinwagd.1" >/dev/null
tools/check-unit.sh "$stage/systemd/chinwagd.service" deploy/hub.toml "$PWD/$stage/bin/chinwagd"
tools/check-container.py "$stage/bin" 2>"$stage/log" || { cat "$stage/log" >&2; exit 1; }
