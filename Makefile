# The two commands of the README, and what they are made of.
#
#   make demo     builds (release) and runs the main job on the embedded default
#   make test     everything that CI runs; installs the two cargo tools it needs if they are missing
#   make clients  other people's clients against the real server; part of make test
#   make schemathesis  the served OpenAPI document and the server keep to each other; part of make test
#   make bench    the same work on Factum and on its peers; QUICK=1 for a first look
#   make sim      seeds of the simulation: make sim SEEDS=1000000 JOBS=2
#   make crash    kill -9 and power cuts of the real thing: make crash KILLS=5000 CUTS=1000
#   make fuzz     every decoder: make fuzz RUNS=10000000
#   make soak     mixed load on the engine, then on the server, watched from outside: make soak MINUTES=60

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
TOOLS := $(CURDIR)/target/tools
export PATH := $(TOOLS)/bin:$(HOME)/.cargo/bin:$(PATH)
DIR ?= retail-demo
BENCH := crates/factum-bench/Cargo.toml
BENCH_DIR ?= target/bench
BENCH_ARGS ?=

.PHONY: demo test clients tools format lint docs deny unit doctests run-kills bench bench-check umadb sim crash soak fuzz schemathesis
SEEDS ?= 20000
JOBS ?= 2

demo:
	cargo build --release --locked --bin factum
	target/release/factum demo --dir $(DIR)

test: tools format lint docs deny doctests unit clients schemathesis sim

tools:
	@command -v cargo-nextest >/dev/null || cargo install cargo-nextest --version 0.9.143 --locked --root $(TOOLS)
	@command -v cargo-deny >/dev/null || cargo install cargo-deny --version 0.20.2 --locked --root $(TOOLS)

format:
	cargo fmt --all --check
	cargo fmt --manifest-path $(BENCH) --check
	cargo fmt --manifest-path $(RUST_CLIENTS) --check

lint:
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

# The advisory database is not part of this: it needs a network that a build machine may not have.
deny:
	cargo deny --log-level error check bans licenses sources
	cargo deny --log-level error --manifest-path $(BENCH) check bans licenses sources
	cargo deny --log-level error --manifest-path $(RUST_CLIENTS) check bans licenses sources

doctests:
	cargo test --workspace --doc --locked --quiet

unit:
	cargo nextest run --workspace --all-features --locked

# Published clients, unmodified, as they come from their registries, against the real server. The
# Rust client's own build asks for a protoc: `protox` is one in Rust.
CLIENTS := target/clients
RUST_CLIENTS := clients/rust/Cargo.toml
clients:
	cargo build --locked --bin factum
	@command -v protox >/dev/null || cargo install protox --version 0.10.0 --locked --features bin --root $(TOOLS)
	PROTOC=$$(command -v protox) cargo test --locked --manifest-path $(RUST_CLIENTS) --target-dir $(CLIENTS)/rust --quiet
	test -x $(CLIENTS)/venv/bin/pytest || python3 -m venv --clear $(CLIENTS)/venv
	$(CLIENTS)/venv/bin/pip install --quiet --disable-pip-version-check --requirement clients/python/requirements.txt
	$(CLIENTS)/venv/bin/pytest -q -p no:cacheprovider clients/python

# More of the kill -9 test than CI runs: make run-kills KILLS=1000
run-kills:
	FACTUM_KILLS=$(KILLS) cargo nextest run -p factum-cli --locked -- kill_nine

# The same work on Factum and on its peers, side by side, five rounds: an hour or two, on a machine
# that does nothing else. QUICK=1 takes minutes. More arguments: BENCH_ARGS='--only append --events 20000000'
# Not --locked: what the engine depends on may be newer than the lock file; the peers are pinned.
bench: umadb
	cargo build --release --manifest-path $(BENCH) --target-dir target
	mkdir -p $(BENCH_DIR)
	target/release/factum-bench --dir $(BENCH_DIR) --json $(BENCH_DIR)/result.json \
	  --svg $(BENCH_DIR)/result.svg $(if $(QUICK),--quick) $(BENCH_ARGS)

# A peer's server, built from its own package; its build needs protoc (Debian: protobuf-compiler).
umadb:
	@command -v protoc >/dev/null || { echo "protoc is missing: apt-get install protobuf-compiler"; exit 1; }
	@command -v umadb >/dev/null || cargo install umadb --version 0.7.8 --locked --root $(TOOLS)

# What `make lint` and `make unit` do, for the benchmark, whose peers they leave alone.
bench-check:
	cargo clippy --release --manifest-path $(BENCH) --target-dir target --all-targets -- -D warnings
	cargo test --release --manifest-path $(BENCH) --target-dir target

# The real ledger on a simulated machine, from seeds: docs/simulation.md.
sim:
	cargo run --release --locked -p factum-sim -- --seeds 0..$(SEEDS) --jobs $(JOBS)

# Crashes of the real thing, more than CI runs: make crash KILLS=5000 CUTS=1000
# What the machine does not permit is passed over (exit code 3), and said.
KILLS ?= 500
CUTS ?= 100
CRASH := target/release/factum-crash
PASS := || test $$? = 3
crash:
	@command -v strace mkfs.xfs qemu-storage-daemon >/dev/null || apt-get install -y -q \
	  strace xfsprogs qemu-system-common || echo "some of what crash uses can't be installed here"
	cargo build --release --locked --bin factum --bin factum-crash
	$(CRASH) kill --times $(KILLS)
	$(CRASH) kill --times $$(($(KILLS) / 10)) --server
	$(CRASH) cut --times $(CUTS) $(PASS)
	$(CRASH) cut --times $(CUTS) --fs xfs $(PASS)
	$(CRASH) blocks --times $(CUTS) $(PASS)
	$(CRASH) inject $(PASS)

MINUTES ?= 10
soak:
	cargo build --release --locked --bin factum --bin factum-crash
	$(CRASH) soak --minutes $(MINUTES)
	MALLOC_ARENA_MAX=2 $(CRASH) soak --minutes $(MINUTES) --server

# Every decoder, RUNS inputs each, chosen by libFuzzer: make fuzz RUNS=10000000
# The flags are those of cargo-fuzz without a sanitizer, which a stable compiler takes.
RUNS ?= 1000000
FUZZ_TARGET := $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Ccodegen-units=1
FUZZ := target/fuzz/$(FUZZ_TARGET)/release
fuzz:
	cargo build --manifest-path fuzz/Cargo.toml --release --bin seeds --target-dir target/fuzz
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --manifest-path fuzz/Cargo.toml --release --bin decoder \
	  --target $(FUZZ_TARGET) --target-dir target/fuzz
	for name in $$(target/fuzz/release/seeds target/fuzz/corpus); do \
	  FACTUM_TARGET=$$name $(FUZZ)/decoder -runs=$(RUNS) -max_len=16384 -rss_limit_mb=512 \
	    -timeout=10 -print_final_stats=1 -artifact_prefix=target/fuzz/$$name- \
	    target/fuzz/corpus/$$name 2>&1 | grep -E "panicked|ERROR|stat::number|stat::average|stat::peak" \
	    | sed "s/^/$$name: /"; \
	done

# The OpenAPI document, and whether the server keeps to it: make schemathesis EXAMPLES=500
# What it is made of comes from PyPI, pinned, into target/.
EXAMPLES ?= 10
schemathesis:
	cargo build --locked --bin factum
	clients/http/run.sh $(EXAMPLES)
