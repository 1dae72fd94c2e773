# Everything that is done with this project, by name. `make` alone lists it.
# Needed beforehand: git, make and Python 3.11 or newer. Nothing is installed outside this folder, but for `make test`,
# which adds the servers that it tests against where they are missing (scripts/servers).

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test check format demo bench bench-engine test-faults lock clean

# Set on the command line only (`make run PORT=8123`): shells export HOST for purposes of their own.
HOST := 127.0.0.1
PORT := 8000
DATA := var

RUNS := .venv/.runs
TESTS := .venv/.tests
BIN := .venv/bin

help: ## List what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUNS) ## Set everything up and run the system with the sample company (PORT=8000 HOST=127.0.0.1 DATA=var)
	@exec $(BIN)/caseworker up --host $(HOST) --port $(PORT) --data "$(DATA)"

test: $(TESTS) ## Install what the tests need and run all of them (ARGS=... for pytest)
	@sh scripts/servers
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/pytest -n auto --maxprocesses 8 $(ARGS)

test-faults: $(TESTS) ## Break a fleet under load and count what came of it (LONG=1 for a quarter of an hour; ARGS="--seed 7")
	@sh scripts/servers
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/python -m tests.faults --profile $(if $(LONG),long,short) $(ARGS)

check: $(TESTS) ## Format, lint, types, import contracts and the policies' own tests
	@failed=; for step in "ruff format --check --quiet ." "ruff check --quiet ." "mypy" "lint-imports" "caseworker policy test"; do \
	    echo "── $$step"; $(BIN)/$$step || failed="$$failed\n  $$step"; \
	done; if [ -n "$$failed" ]; then printf "\nNot passed:$$failed\n"; exit 1; fi

demo: $(RUNS) ## Drive a dozen sample events through the system and say what happened
	@$(BIN)/caseworker demo

bench: $(RUNS) ## Measure webhooks a second, webhook to inbox, and what it uses when idle (ARGS=... see benchmarks/)
	@$(BIN)/python benchmarks/embedded.py $(ARGS)

bench-engine: $(RUNS) ## Measure the engine beside Celery, DBOS and LangGraph, on PostgreSQL and Redis (ARGS="--quick", see docs/performance.md)
	@sh scripts/environment peers
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/python benchmarks/engine.py $(ARGS)

format: $(TESTS) ## Format the code and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## Resolve the dependencies again (UPGRADE=--upgrade takes newer ones)
	@sh scripts/environment lock $(UPGRADE)

clean: ## Remove what was installed and cached here; data in var/ stays
	rm -rf .venv .venv-uv .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps make the second time quick: nothing is looked at unless a lock or the project's own file changed.
$(RUNS): requirements.lock pyproject.toml scripts/environment
	@sh scripts/environment install requirements.lock
	@touch $@

$(TESTS): requirements-dev.lock requirements.lock pyproject.toml scripts/environment
	@sh scripts/environment install requirements-dev.lock
	@touch $@ $(RUNS)
