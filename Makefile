# All tasks of this project. `make help` lists them.

HUB ?= 127.0.0.1:50051
NAME ?= $(shell id -un | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9._-')
CYCLES ?= 200
export HUB NAME

.PHONY: help features run test crash-test abuse check fmt clippy doc protos deny advisories fuzz \
	fuzz-search bench \
	bench-screen pictures man dist dist-check packages

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

run: ## Start a hub if none is running, and open the chat (NAME=bob HUB=127.0.0.1:25051)
	@tools/run.sh "$$NAME" "$$HUB"

test: ## Run all tests, and fetch the tools they need
	tools/fetch.sh grpc-health-probe grpc-interop-client grpcurl h2spec linearizable python testssl tmux
	cargo test --locked

crash-test: ## Kill the hub 200 times while 50 clients chat (CYCLES=1000)
	CHINWAG_CRASH_CYCLES=$(CYCLES) cargo test --locked --test stress crash:: -- --nocapture

abuse: ## Attack a hub and a client with every rpc in every way, for an hour; prints a table
	CHINWAG_ABUSE=whole cargo test --locked --release --test stress all_calls -- --ignored --nocapture

check: fmt clippy features doc protos deny test packages ## Run all checks of CI

fmt: ## Check the formatting
	cargo fmt --check

clippy: ## Lint the code; warnings are errors
	cargo clippy --locked --all-targets -- -D warnings

features: ## Lint the client library and the hub without the rest; warnings are errors
	cargo clippy --locked --no-default-features --lib -- -D warnings
	cargo clippy --locked --no-default-features --features hub --lib -- -D warnings

doc: ## Build the documentation; warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

protos: ## Lint the protos with buf
	tools/fetch.sh buf
	test ! -x target/tools/bin/buf || target/tools/bin/buf lint

deny: ## Check licences and sources of all crates
	tools/fetch.sh cargo-deny
	test ! -x target/tools/bin/cargo-deny || \
		target/tools/bin/cargo-deny --locked check licenses bans sources

advisories: ## Check all crates for known vulnerabilities (fetches the RustSec database)
	tools/fetch.sh cargo-deny
	target/tools/bin/cargo-deny --locked check advisories

fuzz: ## Search for inputs that break a parser (TARGET=join_link SECONDS=60; default: all parsers)
	tools/fuzz.sh "$(or $(SECONDS),10)" $(TARGET)

fuzz-search: ## Search a store of a million messages for requests that cost too much (MESSAGES=1000000)
	CHINWAG_FUZZ_MESSAGES=$(or $(MESSAGES),1000000) CHINWAG_FUZZ_REQUESTS=$(or $(REQUESTS),3000) \
		cargo test --release --locked --test stress search:: -- --nocapture

man: ## Write the manual pages to target/man
	cargo build --release --locked --bins
	"$${CARGO_TARGET_DIR:-target}/release/chinwag" man target/man/man1

packages: ## Check the unit, the container and what packages contain, with the programs of the tests
	tools/check-packages.sh

dist: ## Build a tarball and a Debian package in target/dist, and an image if an engine is installed
	tools/dist.sh

dist-check: dist ## Build them, install the package in a scratch root, and run the steps of the image
	tools/check-tarball.sh target/dist/chinwag-*.tar.gz
	tools/check-deb.sh target/dist/chinwag_*.deb
	tools/check-container.py target/dist/stage/bin --build

bench: ## Measure the hub beside other servers (ONLY=burst,idle ROUNDS=5 SCALE=small)
	tools/fetch.sh nats-server
	ulimit -n "$$(ulimit -Hn)" && cargo bench --locked --bench compare -- \
		$(if $(ONLY),--only $(ONLY)) $(if $(WITH),--with $(WITH)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SCALE),--scale $(SCALE))

bench-screen: ## Measure the time of a frame in a chat of 60,000 messages
	cargo bench --locked --bench screen

pictures: ## Draw the pictures of the documents from the real screen
	tools/fetch.sh pictures
	CHINWAG_PICTURES="$(CURDIR)/target/pictures" cargo test --locked --test it story::
	target/tools/bin/pictures tools/pictures/draw.py target/pictures docs lobby direct search 'gallery/*'
