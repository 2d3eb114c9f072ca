# The two commands of the README, and what they are made of.
#
#   make demo     builds (release) and runs the main job on the embedded default
#   make test     everything that CI runs; installs the two cargo tools it needs if they are missing

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
TOOLS := $(CURDIR)/target/tools
export PATH := $(TOOLS)/bin:$(HOME)/.cargo/bin:$(PATH)
DIR ?= retail-demo

.PHONY: demo test tools format lint docs deny unit doctests run-kills

demo:
	cargo build --release --locked --bin factum
	target/release/factum demo --dir $(DIR)

test: tools format lint docs deny doctests unit

tools:
	@command -v cargo-nextest >/dev/null || cargo install cargo-nextest --version 0.9.143 --locked --root $(TOOLS)
	@command -v cargo-deny >/dev/null || cargo install cargo-deny --version 0.20.2 --locked --root $(TOOLS)

format:
	cargo fmt --all --check

lint:
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

# The advisory database is not part of this: it needs a network that a build machine may not have.
deny:
	cargo deny --log-level error check bans licenses sources

doctests:
	cargo test --workspace --doc --locked --quiet

unit:
	cargo nextest run --workspace --all-features --locked

# More of the kill -9 test than CI runs: make run-kills KILLS=1000
run-kills:
	FACTUM_KILLS=$(KILLS) cargo nextest run -p factum-cli --locked -- kill_nine
