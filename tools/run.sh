#!/bin/sh
# Opens the chat as NAME on HUB, and starts a hub there if none is running. `make run` calls this.
#
#   tools/run.sh NAME HUB
#
# The hub stays for other terminals, and stops one minute after the last client has left. The files
# of the hub and of the clients are in target/run.
set -eu

name=$1
hub=$2
case $name in
    '' | [.-]* | */*) echo "NAME=$name: a name must begin with a letter or a digit" >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
run=target/run
bin=${CARGO_TARGET_DIR:-target}/release
mkdir -p "$run"
cargo build --release --locked --bins

# If a hub is running, the new one finds its address in use and exits. Two terminals can therefore
# start at the same time.
said=$(mktemp "$run/hub.XXXXXX")
trap 'rm -f "$said" "$said.log"' EXIT
session=$(command -v setsid || command -v nohup)
"$session" "$bin/chinwagd" --listen "$hub" --data-dir "$run/hub" --idle-exit 1m \
    >"$said" 2>"$said.log" </dev/null &
hub_process=$!
until test -s "$said" || ! kill -0 "$hub_process" 2>/dev/null; do
    sleep 0.1
done

if test -s "$said"; then
    mv "$said.log" "$run/chinwagd.log"
    cat "$said"
fi
echo "* for scripts: $bin/chinwag --home $run/$name --name $name --hub $hub post ROOM TEXT"
status=0
"$bin/chinwag" --home "$run/$name" --name "$name" --hub "$hub" chat || status=$?
# No hub was running, and ours did not start: print the reason.
if test "$status" -eq 3 && test -f "$said.log"; then
    cat "$said.log" >&2
    echo "something else uses $hub; try: make run HUB=127.0.0.1:25051" >&2
fi
exit "$status"
