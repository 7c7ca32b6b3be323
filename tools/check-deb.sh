#!/bin/sh
# Installs a Debian package in a root of its own, looks at what is there, and removes it again. It
# touches nothing of this machine, and needs no root where fakeroot is.
#
#   tools/check-deb.sh FILE
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=$scratch/root
admin=$root/var/lib/dpkg
mkdir -p "$admin/info" "$admin/updates" "$root/usr/share"
touch "$admin/status"

fail() {
    echo "$1" >&2
    exit 1
}

# The scripts of the package run on this machine: they must not reach its services.
mkdir "$scratch/bin"
for command in deb-systemd-invoke systemctl; do
    printf '#!/bin/sh\nexit 0\n' >"$scratch/bin/$command"
    chmod +x "$scratch/bin/$command"
done

# in_root ACTION...: runs dpkg. What the package depends on is left to this machine.
in_root() {
    PATH="$scratch/bin:$PATH" "${fakeroot:-env}" dpkg --root="$root" --force-depends --force-confold \
        --force-script-chrootless --log="$scratch/log" "$@" >"$scratch/dpkg" 2>&1 ||
        { cat "$scratch/dpkg" >&2; fail "dpkg $1 failed"; }
}
test "$(id -u)" = 0 || fakeroot=fakeroot

in_root --install "$1"
for path in bin/chinwag bin/chinwagd lib/systemd/system/chinwagd.service \
    share/bash-completion/completions/chinwag share/zsh/vendor-completions/_chinwag \
    share/fish/vendor_completions.d/chinwag.fish share/man/man1/chinwag.1.gz \
    share/man/man1/chinwagd.1.gz share/doc/chinwag/copyright; do
    test -s "$root/usr/$path" || test -s "$root/$path" || fail "/usr/$path is missing"
done
version=$(dpkg-deb --field "$1" Version)
for program in chinwag chinwagd; do
    said=$("$root/usr/bin/$program" --version)
    test "$said" = "$program ${version%-*}" || fail "$program says $said, the package $version"
done
bash -n "$root/usr/share/bash-completion/completions/chinwag"
! grep -rq "$scratch\|/target/" "$root/usr/share/bash-completion" "$root/usr/share/zsh" \
    "$root/usr/share/fish" || fail "a completion names a path of this machine"
head -n 1 "$root/usr/share/zsh/vendor-completions/_chinwag" | grep -q '^#compdef chinwag' ||
    fail "zsh would not find its completion"
unit=$(find "$root" -name chinwagd.service)
grep -q '^ExecStart=/usr/bin/chinwagd ' "$unit" || fail "the unit starts another program"
"$(dirname "$0")/check-unit.sh" "$unit" "$root/etc/chinwag/hub.toml" "$root/usr/bin/chinwagd"

# A change of the operator survives another version, and removal; the data of the hub survives all.
echo '# changed' >>"$root/etc/chinwag/hub.toml"
mkdir -p "$root/var/lib/chinwag"
touch "$root/var/lib/chinwag/log.db"
in_root --install "$1"
grep -q '^# changed' "$root/etc/chinwag/hub.toml" || fail "the configuration was overwritten"
in_root --remove chinwag
test ! -e "$root/usr/bin/chinwag" || fail "a program is left behind"
test -e "$root/etc/chinwag/hub.toml" || fail "the configuration went with the programs"
in_root --purge chinwag
test ! -e "$root/etc/chinwag" || fail "the configuration is left behind"
left=$(find "$root" -path "$root/var" -prune -o -type f -print)
test -z "$left" || fail "left behind: $left"
test -e "$root/var/lib/chinwag/log.db" || fail "the data of the hub is gone"
