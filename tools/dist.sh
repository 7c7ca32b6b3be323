#!/bin/sh
# Makes what is released, in target/dist: a tarball, a Debian package and, where podman, buildah or
# docker is, an image. `make dist` calls this.
set -eu

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
machine=$(rustc -vV | sed -n 's/^host: //p')
name=chinwag-$version-$machine

tools/fetch.sh cargo-deb
cargo build --release --locked --bins
mkdir -p target/dist
rm -f target/dist/chinwag*

# The tarball is unpacked over a prefix: tar -xf FILE -C /usr/local --strip-components=1
tools/stage.sh "$target/release" target/dist/stage /usr/local
tree=target/dist/$name
rm -rf "$tree"
mkdir -p "$tree/lib/systemd/system" "$tree/share/bash-completion/completions" \
    "$tree/share/doc/chinwag" "$tree/share/fish/vendor_completions.d" \
    "$tree/share/zsh/site-functions"
cp -r target/dist/stage/bin "$tree"
cp -r target/dist/stage/man "$tree/share"
cp target/dist/stage/systemd/chinwagd.service "$tree/lib/systemd/system"
cp target/dist/stage/completions/chinwag.bash "$tree/share/bash-completion/completions/chinwag"
cp target/dist/stage/completions/chinwag.fish "$tree/share/fish/vendor_completions.d"
cp target/dist/stage/completions/_chinwag "$tree/share/zsh/site-functions"
cp -r README.md CHANGELOG.md LICENSE LICENSE-APACHE LICENSE-MIT docs deploy/hub.toml \
    deploy/grafana-dashboard.json "$tree/share/doc/chinwag"
# The same files make the same tarball.
tar --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" \
    -C target/dist -cf - "$name" | gzip -n9 >"target/dist/$name.tar.gz"
rm -rf "$tree"

if test -x target/tools/bin/cargo-deb; then
    tools/stage.sh "$target/release" target/dist/stage /usr
    target/tools/bin/cargo-deb --no-build --no-strip --output target/dist/
fi

engine=$(command -v podman || command -v buildah || command -v docker || true)
if test -n "$engine" && "$engine" info >/dev/null 2>&1; then
    "$engine" build --file Containerfile --tag "chinwag:$version" .
else
    echo "without podman, buildah or docker there is no image" >&2
fi

(cd target/dist && sha256sum chinwag*.tar.gz chinwag*.deb >SHA256SUMS 2>/dev/null) || true
ls -l target/dist
