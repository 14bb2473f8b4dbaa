# `make demo` shows the order saga, `make test` checks everything, `make bench` measures.

SHELL := /bin/bash
PYTHON ?= python3
VENV := $(CURDIR)/.venv
TESTED := $(CURDIR)/target/debug/skald
RELEASED := $(CURDIR)/target/release/skald

# $(call phase,NAME,COMMAND): runs the command and says how long it took.
phase = @echo "--- $(1)"; began=$$SECONDS; { $(2); }; status=$$?; echo "--- $(1): $$((SECONDS - began)) s"; exit $$status

.PHONY: demo test bench bench-peers bench-language release tidy lint unit nightly conformance binary python end-to-end short-demo clean

demo: release
	@SKALD_BIN=$(RELEASED) $(PYTHON) examples/order-saga/demo.py

release:
	cargo build --release --package skald-cli

# The phases of `make test`, one after the other: each needs the whole machine.
test:
	@$(MAKE) --no-print-directory python
	@$(MAKE) --no-print-directory tidy
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory binary
	@$(MAKE) --no-print-directory end-to-end
	@$(MAKE) --no-print-directory short-demo
	@echo "--- make test: passed"

# What the tests need of Python, in .venv.
python:
	$(call phase,install,tests/install.sh $(PYTHON) $(VENV))

tidy:
	$(call phase,format,cargo fmt --all --check)
	$(call phase,tidy,cargo xtask tidy)

lint:
	$(call phase,clippy,cargo clippy --workspace --all-targets -- -D warnings)

# Whatever tests itself with functions uses the interpreter that has the official runtime client.
unit: python
	$(call phase,cargo test,SKALD_TEST_PYTHON=$(VENV)/bin/python cargo test --workspace)

# Hours of faults, with another seed each time: every operation of the disk of every case is struck, and the server is
# killed 200 times. SEED=… repeats a night.
SEED ?= $(shell date +%Y%m%d)
nightly: python binary
	$(call phase,appends,SKALD_SEED=$(SEED) SKALD_STRIKES=100000 cargo test --package conformance --test simulation)
	$(call phase,disk,SKALD_SEED=$(SEED) SKALD_STRIKES=100000 cargo test --package conformance --test disk)
	$(call phase,kills,SKALD_BIN=$(TESTED) SKALD_SEED=$(SEED) SKALD_KILLS=200 $(VENV)/bin/python -m pytest tests/test_faults.py)

# What has changed since the counts of the recorded cases were committed. ARGUMENTS="--update" commits to what it is now.
conformance:
	cargo run --package conformance -- baseline $(ARGUMENTS)

# In the profile of `cargo test` and for the whole workspace: nothing is compiled twice.
binary:
	$(call phase,binary,cargo build --workspace --bins --profile test)

end-to-end: python binary
	$(call phase,end to end,SKALD_BIN=$(TESTED) $(VENV)/bin/python -m pytest tests)

short-demo: binary
	$(call phase,demo,SKALD_BIN=$(TESTED) $(PYTHON) examples/order-saga/demo.py)

# About seven minutes. ARGUMENTS="--only w1,w2 --seconds 10 --json FILE", for example; docs/benchmarks.md has the rest.
bench: release
	cargo run --release --package skald-bench --bin skald-bench -- --binary $(RELEASED) $(ARGUMENTS)

# What `make bench` compares with, from npm. fakecloud is half an hour of compiling: `cargo install fakecloud --root target/peers`.
bench-peers:
	npm install --prefix target/peers @restatedev/restate-server @restatedev/restate-sdk

# What expressions cost, beside other implementations of them.
bench-language:
	cargo run --release --package skald-bench --features yardsticks --bin language

clean:
	cargo clean
	rm -rf $(VENV)
