# Everything one does with governor; `make help` lists it. Needs python3 (3.11 or newer) and make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
CODE := $(wildcard governor tests bench)
PYTEST ?= -q
export GOVERNOR_CACHE ?= $(CURDIR)/.cache
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo servers test test-long check fix bench lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: .venv/.installed ## prepare .venv from the lock file (quick when already done)

.venv/.venv-made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'setup: `$(PYTHON)` is not Python 3.11 or newer; name one with `make setup PYTHON=...`' >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' \
	  || { echo 'setup: `$(PYTHON)` has no venv module; install it (Debian: python3-venv)' >&2; exit 2; }
	@echo 'setup: making .venv'
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.locked: requirements.lock .venv/.venv-made
	@echo 'setup: installing the locked packages'
	@$(BIN)/python -m pip install --quiet --no-compile --no-deps --only-binary :all: --require-hashes -r requirements.lock
	@touch $@

# No build isolation: the build backend comes from the lock as well, so nothing unpinned is fetched.
.venv/.installed: pyproject.toml .venv/.locked
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## a sample day on an embedded broker and store
	@$(BIN)/governor demo

servers: setup ## install the real Redis and Kafka that the tests use
	@$(BIN)/python -m tests.servers.install

test: setup servers ## the whole test suite, real Kafka and Redis included (PYTEST="-k name" for a part)
	@$(BIN)/python -m pytest $(PYTEST)

test-long: setup servers ## the tests that take minutes as well
	@$(BIN)/python -m pytest $(PYTEST) -m "slow or not slow"

check: setup ## formatting, lint, types, import contracts, stale schema; names all that fail
	@failed=; try() { echo "check: $$*"; "$(BIN)/$$@" || failed="$$failed, $$*"; }; \
	try ruff format --check .; \
	try ruff check .; \
	try mypy $(CODE); \
	try lint-imports --no-logo; \
	try governor schema --check; \
	[ -z "$$failed" ] || { echo "check: failed: $${failed#, }" >&2; exit 1; }

fix: setup ## format and repair what can be repaired
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup servers ## measure speed beside what people would otherwise use (BENCH=short: 3 minutes)
	@$(BIN)/python -m bench

bench-gate: setup servers ## the short form; fails when a ratio is below 0.7 of that on record
	@$(BIN)/python -m bench --gate

lock: ## renew the lock files (needs uv)
	uv pip compile pyproject.toml --extra demo --extra report --group dev --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet -o requirements.lock
	uv pip compile pyproject.toml --constraint requirements.lock --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet -o requirements-runtime.lock

clean: ## remove what was made here, .venv and caches included
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
