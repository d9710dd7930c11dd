CARGO ?= cargo
# Both nextest and cargo test run the same targets; the builds before it have the same features.
TARGETS = --workspace --locked --all-features --lib --bins --tests --examples
# What others build on. Only the core and the layer have features.
LIBRARIES = -p countersign -p countersign-client -p countersign-explain -p countersign-inbox -p countersign-jwks -p countersign-page -p countersign-postgres -p countersign-reconcile -p countersign-redis -p countersign-senders -p countersign-sqlite -p countersign-tower -p countersign-emulator

# What the tests and the demo run: programs, most of them from system packages.
TOOLS = rust cc cmake python3 venv node npm curl nginx haproxy caddy redis postgres pgbouncer chromium ruby

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test check fmt clippy doc docs features minimal msrv semver deny deb bench bench-quick fuzz release clean need storm chaos examples

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the system packages that the tests and the demo need, with apt-get as root or through sudo
	@scripts/need $(TOOLS)

demo: ## Play a story from the emulator through the gateway to a backend, and check every step
	@scripts/demo

test: need fmt clippy doc ## Check and test everything; runs setup first if a tool is missing
	$(CARGO) build $(TARGETS)
	$(CARGO) test --workspace --locked --all-features --doc --quiet
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) nextest run $(TARGETS) --no-fail-fast; \
	else \
		set -x; $(CARGO) test $(TARGETS) --no-fail-fast; \
	fi

storm: need ## Kill processes and cut the power at random, a hundred times each; takes about half an hour
	COUNTERSIGN_STORM=full COUNTERSIGN_CUTS=50 $(CARGO) test -p countersign-gateway -p countersign-sqlite --locked --all-features --test it -- --nocapture --test-threads 1 storm:: power::

chaos: need ## Let everything go wrong at once for CHAOS_SECONDS (600), with a random plan or that of CHAOS_SEED
	CHAOS_SECONDS=$${CHAOS_SECONDS:-600} $(CARGO) test --workspace --locked --all-features --test it -- --nocapture --exact chaos::whatever_happens_nothing_is_lost_and_nothing_forged_arrives

check: fmt clippy doc features minimal msrv semver deny examples ## Look without running: all from fmt to deny, below; installs cargo-hack

fmt: ## Fail if a file is not formatted
	$(CARGO) fmt --all --check

clippy: ## Fail on any lint
	$(CARGO) clippy --workspace --locked --all-features --all-targets -- -D warnings

# Libraries only: the core and the command line's binary have one name, and one page would hide the other.
doc: ## Build the documentation, and fail on a warning
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --locked --all-features --no-deps --lib

docs: ## Build the book in docs/ with mdBook, if it is installed, into target/book
	@if command -v mdbook >/dev/null; then \
		mdbook build docs; \
	else \
		echo 'mdbook is not installed, so there is no book: cargo install --locked mdbook'; \
	fi

features: ## Fail on any lint of a crate with none or one of its features alone
	@scripts/need cargo-hack
	$(CARGO) hack clippy $(LIBRARIES) -p countersign-gateway --locked --each-feature -- -D warnings
	$(CARGO) hack clippy -p countersign-tower --locked --each-feature --tests -- -D warnings
	$(CARGO) test -p countersign-gateway --locked --no-default-features --test it lean::

minimal: ## Build with the oldest versions of dependencies that the workspace admits, in a copy
	@scripts/minimal-versions

msrv: ## Build the libraries with the oldest toolchain that they support (rust-version), through rustup
	@scripts/msrv countersign countersign-client countersign-explain countersign-inbox countersign-jwks countersign-postgres countersign-reconcile countersign-redis countersign-senders countersign-sqlite countersign-tower

semver: ## Compare the libraries' API with the last release, if there is one; installs cargo-semver-checks then
	@scripts/semver $(LIBRARIES)

deny: ## Check licences, advisories and sources with cargo-deny, if it is installed
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --locked --all-features check; \
	else \
		echo 'cargo-deny is not installed, so licences and advisories were not checked: cargo install --locked cargo-deny'; \
	fi

deb: ## Build the Debian package of the gateway with cargo-deb, if it is installed
	@if command -v cargo-deb >/dev/null; then \
		$(CARGO) deb --locked -p countersign-gateway; \
	else \
		echo 'cargo-deb is not installed, so there is no package: cargo install --locked cargo-deb'; \
	fi

# A workspace of its own, with a lock file: its dependencies would slow every other build.
EXAMPLES = --manifest-path examples/frameworks/Cargo.toml --locked --target-dir $${CARGO_TARGET_DIR:-target}/frameworks
examples: ## Check and test the receivers on Lambda, and with poem and actix
	$(CARGO) fmt --manifest-path examples/frameworks/Cargo.toml --all --check
	$(CARGO) clippy $(EXAMPLES) --all-targets -- -D warnings
	$(CARGO) test $(EXAMPLES)

bench: ## Measure verification, stores, the layer, the gateway against its peers, and the emulator; writes target/bench/report.html
	@benches/run

bench-quick: ## The same in about five minutes after the build, less exactly and without the stores
	@benches/run --short

fuzz: ## Fuzz each target for FUZZ_SECONDS (60), then verify 10,000,000 mutated deliveries; fuzz/README.md explains it
	@scripts/fuzz

release: ## Build both programs reproducibly, with SBOMs and checksums, into target/dist
	@scripts/release

clean: ## Remove all that was built, and what tests installed
	$(CARGO) clean

need:
	@missing=$$(scripts/need --missing $(TOOLS)); if [ -n "$$missing" ]; then \
		echo "Missing:" $$missing; \
		echo "Running make setup, which installs system packages"; \
		$(MAKE) --no-print-directory setup; \
	fi
