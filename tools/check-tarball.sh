#!/bin/sh
# Unpacks a tarball over a prefix, as docs/hub.md says, and checks what is there.
#
#   tools/check-tarball.sh FILE
set -eu

prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
tar -xf "$1" -C "$prefix" --strip-components=1
for path in bin/chinwag bin/chinwagd lib/systemd/system/chinwagd.service \
    share/bash-completion/completions/chinwag share/zsh/site-functions/_chinwag \
    share/fish/vendor_completions.d/chinwag.fish share/man/man1/chinwag.1 share/man/man1/chinwagd.1 \
    share/doc/chinwag/LICENSE-MIT share/doc/chinwag/README.md share/doc/chinwag/docs/hub.md; do
    test -s "$prefix/$path" || { echo "$path is missing" >&2; exit 1; }
done
"$prefix/bin/chinwag" --version
"$prefix/bin/chinwagd" --version
"$(dirname "$0")/check-unit.sh" "$prefix/lib/systemd/system/chinwagd.service" \
    "$prefix/share/doc/chinwag/hub.toml" "$prefix/bin/chinwagd"
