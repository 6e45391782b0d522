# Bare `make` lists the targets. Everything happens in .venv, which the first target makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FOREIGN := build/foreign
PYTEST ?= $(BIN)/pytest
PYTEST_ARGS ?=
PROCESSES ?= 2
SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo test matrices check lint types imports format docs bench leaks conformance foreign services collector
.PHONY: soak fuzz clickhouse sizes clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# pip reads dependency groups since 25.1; the one that comes with Python may be older.
$(VENV)/.pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.demo: $(VENV)/.pip pyproject.toml
	$(BIN)/pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.pip pyproject.toml
	$(BIN)/pip install --quiet --editable '.[all]' --group dev
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo ## capture a small shop's traffic and show it
	$(BIN)/spantap demo

test: $(VENV)/.dev ## run the tests; those that need a database only if they are told of one (make services)
	$(PYTEST) --numprocesses $(PROCESSES) -m 'not matrix and not conformance' $(PYTEST_ARGS)

matrices: $(VENV)/.dev ## the large tests: scenes, frameworks, deployments from the wheel, leaks, outages
	$(PYTEST) --numprocesses $(PROCESSES) -m matrix $(PYTEST_ARGS)

check: lint types imports ## everything that reads code without running it

lint: $(VENV)/.dev ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict, package and tests
	$(BIN)/mypy

imports: $(VENV)/.dev ## import-linter: the floors of the house
	$(BIN)/lint-imports

format: $(VENV)/.dev ## let ruff format and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev ## write docs/settings.md anew from the table of settings
	$(BIN)/python -m spantap.settings_page > docs/settings.md

bench: $(VENV)/.dev ## what redaction costs, and a captured request, beside bare and stock OpenTelemetry
	$(BIN)/python benchmarks/redaction.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/outbound.py

leaks: $(VENV)/.dev ## the leak matrix: planted secrets by door and by destination
	PYTHONPATH=tests $(BIN)/python -m leaks

conformance: foreign collector ## every scene on every server, in every framework, every deployment, collectors
	$(BIN)/pytest --numprocesses $(PROCESSES) tests/contracts tests/deployment $(PYTEST_ARGS)
	SPANTAP_TEST_TRACES=200 $(BIN)/pytest --numprocesses $(PROCESSES) tests/collector $(PYTEST_ARGS)
	SPANTAP_OUTAGE_SECONDS=20 $(BIN)/pytest --numprocesses $(PROCESSES) tests/otel/test_outages.py $(PYTEST_ARGS)
	$(BIN)/python -m spantap.testing --heavy
	PYTHONPATH=tests $(BIN)/python -m contracts.inbound.frameworks

# The sources of exactly the releases that were installed: their wheels have no tests.
$(FOREIGN)/.ready: tests/foreign/requirements.txt pyproject.toml
	rm -rf $(FOREIGN)
	$(PYTHON) -m venv $(FOREIGN)/venv
	$(FOREIGN)/venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(FOREIGN)/venv/bin/pip install --quiet --editable . -r tests/foreign/requirements.txt
	$(FOREIGN)/venv/bin/pip freeze | grep -iE '^(starlette|flask|requests|httpx)==' > $(FOREIGN)/sources.txt
	$(FOREIGN)/venv/bin/pip download --quiet --no-deps --no-binary :all: --dest $(FOREIGN) -r $(FOREIGN)/sources.txt
	for archive in $(FOREIGN)/*.tar.gz; do tar -xzf $$archive -C $(FOREIGN) || exit 1; done
	@touch $@

foreign: $(VENV)/.dev $(FOREIGN)/.ready ## tests of Starlette, Flask, requests and httpx, and httpbin, with capture and without
	SPANTAP_FOREIGN=$(FOREIGN) $(BIN)/pytest -rP tests/foreign $(PYTEST_ARGS)

services: ## PostgreSQL, MariaDB and Redis for the tests, until Ctrl-C; prints what to tell them
	PYTHONPATH=tests $(PYTHON) -m services

collector: ## the OpenTelemetry collector of the tests, built once (Go, some minutes); prints where it is
	@PYTHONPATH=tests $(PYTHON) -m collector.build

soak: $(VENV)/.dev ## random traffic, faults and kills for SECONDS (60), then the ledger
	PYTHONPATH=tests $(BIN)/python benchmarks/soak.py --seconds $(SECONDS)

$(VENV)/.fuzz: $(VENV)/.dev
	$(BIN)/pip install --quiet --group fuzz
	@touch $@

fuzz: $(VENV)/.fuzz ## coverage-guided fuzzing of the redactor, SECONDS (60) for each target
	PYTHONPATH=tests $(BIN)/python -m fuzz --seconds $(SECONDS)

$(VENV)/.clickhouse: $(VENV)/.dev
	$(BIN)/pip install --quiet --group clickhouse
	@touch $@

clickhouse: $(VENV)/.clickhouse ## the tables and queries of deploy/clickhouse, on the engine itself (chdb: a large wheel)
	$(BIN)/pytest tests/clickhouse $(PYTEST_ARGS)

sizes: $(VENV)/.clickhouse ## bytes of an exchange in every form, and in ClickHouse
	PYTHONPATH=tests $(BIN)/python benchmarks/sizes.py
	PYTHONPATH=tests $(BIN)/python benchmarks/clickhouse_sizes.py

clean: ## remove what the targets made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
