#!/bin/sh
# Checks the systemd unit and the configuration that comes with it: systemd finds nothing wrong, and
# the hub starts as the unit says, also with all options of the configuration set.
#
#   tools/check-unit.sh UNIT CONFIG CHINWAGD
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
start=$(sed -n 's/^ExecStart=[^ ]* //p' "$1")

if command -v systemd-analyze >/dev/null; then
    # The program is not where the unit will find it.
    sed "s,^ExecStart=[^ ]*,ExecStart=$3," "$1" >"$scratch/chinwagd.service"
    systemd-analyze verify --man=no "$scratch/chinwagd.service"
    # 0 is a service that may do nothing, 100 one that may do everything.
    systemd-analyze security --offline=true --threshold=20 "$scratch/chinwagd.service" >/dev/null
else
    echo "without systemd-analyze (systemd) the unit is not verified" >&2
    test "${CI:-}" != true
fi

# starts CONFIG: starts the hub as the unit does, and stops it.
starts() {
    export CONFIGURATION_DIRECTORY="$scratch/etc" STATE_DIRECTORY="$scratch/var"
    rm -rf "$CONFIGURATION_DIRECTORY" "$STATE_DIRECTORY" "$scratch/said"
    mkdir "$CONFIGURATION_DIRECTORY"
    cp "$1" "$CONFIGURATION_DIRECTORY/hub.toml"
    # Ports of its own, or it could meet a hub of this machine.
    (
        export CHINWAG_HUB_LISTEN=127.0.0.1:0 CHINWAG_HUB_METRICS_LISTEN=0
        eval "exec \"$2\" $start" >"$scratch/said" 2>"$scratch/log"
    ) &
    until grep -q '^join with' "$scratch/said" 2>/dev/null; do
        kill -0 $! 2>/dev/null || { cat "$scratch/log" >&2; return 1; }
        sleep 0.1
    done
    kill -TERM $!
    wait $!
    test -s "$STATE_DIRECTORY/log.db"
}

starts "$2" "$3"
sed 's/^# \([a-z_]* = \)/\1/' "$2" >"$scratch/all.toml"
test "$(grep -c '^[a-z_]* = ' "$scratch/all.toml")" -ge 5
starts "$scratch/all.toml" "$3"
