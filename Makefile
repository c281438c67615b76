.DEFAULT_GOAL := help
.PHONY: help container deb generated setup run test bench torture processes take-over ha check lint format clean environment linters tests

BIN := .venv/bin

# Each of the many processes of the tests would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

# Tests wait for servers half of the time, so there may be more of them than cores.
WORKERS ?= 4

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing to run, check and test
	@scripts/install test

environment:
	@scripts/install check

run: ## Install what is missing, then show ejabberd and Muniment at work; EJABBERD=24.12 picks one
	@scripts/install run
	@# The shell outlives the interrupt, which reaches the demo too, so that the demo ends by itself.
	@trap : INT; $(BIN)/python scripts/demo.py $(if $(EJABBERD),--ejabberd $(EJABBERD)) || [ $$? -eq 130 ]

test: export REQUIRE_ALL = 1
test: ## Install what is missing, then run every check and every test; nothing may be skipped
	@scripts/install test
	@# Side by side: the tests wait half of the time.
	@$(MAKE) --no-print-directory --jobs=2 linters tests

tests:
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile

bench: ## Install what is missing, then measure Muniment beside its peers: ARGS=--short, --publish
	@scripts/install bench
	PYTHONPATH=tests $(BIN)/python -m benchmarks run $(ARGS)

torture: ## Try every fault and attack of docs/reliability.md, as root, in 20 minutes: ARGS="4 13"
	@scripts/install test
	PYTHONPATH=tests $(BIN)/python -m torture $(ARGS)

processes: ## Kill and start three processes on one PostgreSQL for two minutes: ARGS="--ejabberd 23.01"
	@scripts/install test
	$(BIN)/python scripts/processes.py $(ARGS)

take-over: ## Have Muniment take over from itself ten times under load: ARGS="--ejabberd 23.01 --rate 500"
	@scripts/install test
	$(BIN)/python scripts/take_over.py $(ARGS)

ha: ## Kill and freeze the leader of three PostgreSQL under Patroni, under load: ARGS="--rate 50"
	@scripts/install ha
	$(BIN)/python scripts/ha.py $(ARGS)

check: lint ## Run the checks and the tests that need no ejabberd
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile \
		tests/unit tests/contract tests/property tests/conformance

lint: environment linters ## Check format, style, types and layers

linters:
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

generated: environment ## Write the example, the completions and the manual page anew from the code
	$(BIN)/python scripts/generate.py

container: environment ## Try the steps of the Dockerfile in a Debian, as root, without a container engine
	$(BIN)/python scripts/container.py

deb: environment ## Build the Debian package, for the release of this machine, into dist
	@scripts/deb

format: environment ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## Remove what was built, cached or left by a run; .venv stays
	rm -rf dist .run .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find component storage tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
