# Everything runs inside .venv, which `make setup` builds from the hash-locked requirements/.
# The database is PAYOPS_DATABASE_URL if set, else a server of this checkout's own in .payops/.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
# One more than there are cores: a journey waits most of its time.
TEST_PROCESSES ?= 3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.payops-setup
CODE := $(wildcard src tests migrations bench)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-10s %s\n", $$1, $$2 }'


.PHONY: run
run: setup ## Serve API, worker and sandbox with demo data; prints URLs and curl lines. Ctrl-C ends it
	@exec $(BIN)/payops dev $(ARGS)

.PHONY: demo
demo: setup ## Narrate withdrawals and deposits against `make run`; fails if the books are wrong
	@exec $(BIN)/payops demo $(ARGS)

.PHONY: migrate
migrate: setup ## Bring the database to the newest revision
	@exec $(BIN)/payops migrate $(ARGS)


.PHONY: test
test: setup ## Run all tests on a real PostgreSQL, with branch coverage
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --cov --cov-report=term $(ARGS)

.PHONY: check
check: lint types contracts drift ## Lint, types, import contracts, drift of migrations: what CI runs

.PHONY: bench
bench: setup ## Measure throughput and latency on this machine
	$(BIN)/python -m bench $(ARGS)

.PHONY: fmt
fmt: setup ## Format the code and fix what can be fixed by itself
	$(BIN)/ruff check --fix-only --quiet $(CODE)
	$(BIN)/ruff format $(CODE)

.PHONY: lint
lint: setup ## Only the linter and the formatter's opinion
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

.PHONY: types
types: setup ## Only the type checker
	$(BIN)/mypy $(CODE)

.PHONY: contracts
contracts: setup ## Only who may import whom
	$(BIN)/lint-imports

# Tests compare the migrated schema with the tables in the code; squawk reads the SQL itself,
# without the bookkeeping table that is Alembic's and not ours.
.PHONY: drift
drift: setup ## Only the migrations: do they make what the code expects, are they safe to run
	$(BIN)/python -m pytest -q -n 0 tests/migrations
	$(BIN)/alembic upgrade head --sql 2>/dev/null | sed '/^CREATE TABLE alembic_version/,/^);/d' \
		| $(BIN)/squawk --stdin-filepath migrations.sql

.PHONY: setup
setup: $(STAMP) ## Build .venv from the locked requirements; a second call is instant

$(STAMP): requirements/bootstrap.txt requirements/dev.txt pyproject.toml .ci/setup
	@bash .ci/setup "$(PYTHON)" "$(VENV)" "$(STAMP)"

LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: lock
lock: setup ## Take the newest allowed versions of everything into requirements/
	$(LOCK) --group bootstrap --output-file requirements/bootstrap.txt
	$(LOCK) pyproject.toml --output-file requirements/runtime.txt
	$(LOCK) pyproject.toml --extra dev --group tools \
		--constraint requirements/runtime.txt --constraint requirements/bootstrap.txt \
		--output-file requirements/dev.txt
