#!/bin/sh
# Puts together what packages contain beside the documents: programs, man pages, completions, unit.
#
#   tools/stage.sh BIN OUT PREFIX
#
# BIN holds the two programs, which are copied to OUT. The unit starts the one in PREFIX/bin.
set -eu

bin=$(cd "$1" && pwd)
prefix=$3
rm -rf "$2"
mkdir -p "$2/bin" "$2/completions" "$2/man/man1" "$2/systemd"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."

cp "$bin/chinwag" "$bin/chinwagd" "$out/bin"
# Found by their names, or the completions would name a path of this machine.
PATH=$out/bin:$PATH
chinwag man "$out/man/man1"
chinwag completions bash >"$out/completions/chinwag.bash"
chinwag completions fish >"$out/completions/chinwag.fish"
# zsh wants `#compdef` in the first line, and loads the file when it completes for the first time: then
# it has to complete as well.
chinwag completions zsh | sed '/./,$!d' >"$out/completions/_chinwag"
echo 'test "${funcstack[1]}" != _chinwag || _clap_dynamic_completer_chinwag "$@"' \
    >>"$out/completions/_chinwag"
sed "s,^ExecStart=/usr/local/bin/,ExecStart=$prefix/bin/," deploy/chinwagd.service \
    >"$out/systemd/chinwagd.service"
grep -q "^ExecStart=$prefix/bin/chinwagd " "$out/systemd/chinwagd.service"
