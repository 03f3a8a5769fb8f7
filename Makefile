# Everything here runs from .venv, which the first command makes. `make` alone lists the commands.

BIN := .venv/bin
INSTALLED := .venv/installed
MEASURING := .venv-bench/installed
UV := $(BIN)/uv pip --quiet
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PIN := $(UV) compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $(if $(UPGRADE),--upgrade)
# A worker that dies is not replaced: xdist's scheduling by files may then wait for ever (its issue 1378).
SHARED := -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
PYTEST := $(BIN)/python -m pytest
CORE := src/domain/*,src/application/*
CONTRACTS := tests/integration/test_contract_of_the_figures.py tests/integration/test_contract_of_the_register.py
UNMEASURED := src/entrypoints/simulation/*,src/entrypoints/cli/simulate.py
CHECKED := conftest.py src tests drills migrations clients $(wildcard bench)

export UV_PYTHON_DOWNLOADS := never
# Also where the machine says otherwise: the tests start the service some hundred times, and it would be compiled anew
# each time, which takes as long as all else of a start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# By no shell, which would not hand on that it was told to stop.
ifdef TRANSPORT
run: export TELEGRAM_TRANSPORT := $(TRANSPORT)
endif
.PHONY: run
run: $(INSTALLED)  ## the service, and beside it the sandbox where no bot token is set; PORT= SANDBOX_PORT= TRANSPORT=mtproto
	$(BIN)/tollgram up $(if $(PORT),--port $(PORT)) $(if $(SANDBOX_PORT),--sandbox-port $(SANDBOX_PORT))

.PHONY: test
test: $(INSTALLED)  ## every test; ARGS="tests/unit -k invoice" for some
	$(PYTEST) $(if $(ARGS),,$(SHARED)) $(ARGS)

.PHONY: check
check: format lint types imports  ## all that must hold before a commit
	$(PYTEST) $(SHARED) --core

.PHONY: format
format: $(INSTALLED)  ## is every file laid out as ruff would
	$(BIN)/ruff format --check $(CHECKED)

.PHONY: lint
lint: $(INSTALLED)  ## ruff's rules
	$(BIN)/ruff check $(CHECKED)

.PHONY: types
types: $(INSTALLED)  ## mypy, strict
	$(BIN)/mypy

.PHONY: imports
imports: $(INSTALLED)  ## do dependencies point inward
	$(BIN)/lint-imports --no-logo

.PHONY: tidy
tidy: $(INSTALLED)  ## lay the files out, and mend what ruff can mend
	$(BIN)/ruff check --fix --quiet $(CHECKED) || true
	$(BIN)/ruff format $(CHECKED)

.PHONY: rules
rules: $(INSTALLED)  ## the rule book out of the tests' names; writes docs/rule-book.md
	$(BIN)/python -m tests.rule_book

.PHONY: verify
verify: $(INSTALLED)  ## the acceptance criteria and threats, each with its tests; writes docs/acceptance.md
	$(PYTEST) $(SHARED) --verify -m "criterion or threat"

.PHONY: core
core: $(INSTALLED)  ## do the unit tests, and the contracts of what operators read, take every line and branch of the core
	$(PYTEST) $(SHARED) --core tests/unit $(CONTRACTS)

.PHONY: coverage
coverage: $(INSTALLED)  ## every test, and which lines and branches none of them took; twice as slow as they are
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(SHARED) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include='$(CORE)' --fail-under=100; core=$$?; \
	$(BIN)/coverage report --omit='$(CORE),*-packages/*,$(UNMEASURED)' --fail-under=90 && exit $$core

.PHONY: sim
sim: $(INSTALLED)  ## a million payments in simulated storms; SEED=7 tells one story, ARGS="--seeds 500" runs fewer
	$(BIN)/tollgram-sim $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: bench
bench: $(MEASURING)  ## how fast it is, against peers in the same run; ARGS=--write puts it into docs/performance.md
	.venv-bench/bin/python -m bench.run $(ARGS)

.PHONY: drill
drill: $(INSTALLED)  ## real processes die under load, and no money is lost; ARGS="failover --size 2" for some
	$(BIN)/python -m drills.run $(ARGS)

.PHONY: requirements
requirements: $(INSTALLED)  ## pin what pyproject.toml asks for, with hashes; UPGRADE=1 takes the newest
	$(PIN) --output-file requirements/run.txt pyproject.toml
	$(PIN) --output-file requirements/dev.txt pyproject.toml --group dev
	$(PIN) --output-file requirements/bench.txt --constraint requirements/dev.txt pyproject.toml --group dev --group bench
	$(PIN) --output-file requirements/uv.txt requirements/uv.in

.PHONY: clean
clean:  ## remove what was installed and cached; var/ and .env stay
	rm -rf .venv .venv-bench build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests drills migrations clients -name __pycache__ -type d -prune -exec rm -rf {} +

# uv installs in seconds what takes pip a minute; pip brings only uv, and everything by its hash.
$(INSTALLED): requirements/uv.txt requirements/dev.txt pyproject.toml
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			found=$$python; break; \
		fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo 'Tollgram needs Python 3.11 or newer, as python3 or python3.11, with its venv module.' >&2; \
		echo 'Install it (on Debian and Ubuntu: apt-get install python3 python3-venv), then run make again.' >&2; \
		exit 1; \
	fi; \
	echo "Installing into .venv with $$($$found --version)"; \
	$(BIN)/python -c '' 2>/dev/null || $$found -m venv --clear .venv
	@$(PIP) install --require-hashes -r requirements/uv.txt
	@$(UV) install --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/dev.txt
	@$(UV) install --python $(BIN)/python --offline --no-deps --no-build-isolation -e .
	@touch $@

# Our peers, in a place of their own: Litestar and others would load some of what they bring along.
$(MEASURING): $(INSTALLED) requirements/bench.txt
	@$(BIN)/python -m venv --without-pip .venv-bench
	@$(UV) install --python .venv-bench/bin/python --compile-bytecode --require-hashes -r requirements/bench.txt
	@$(UV) install --python .venv-bench/bin/python --offline --no-deps --no-build-isolation -e .
	@touch $@
