# Everything a developer does here. Needs python3 (3.11 or later, with venv and pip) and make; uses uv when it is there.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run
DEV_STAMP := $(VENV)/.dev
ROOMS := service tenants workers tests
# Test processes at once, one more than cores of a small machine because tests also wait, and whatever else pytest should hear: make test TESTS=tests/tenants PYTEST_ARGS=-x
JOBS ?= 3
TESTS ?= tests
PYTEST_ARGS ?=
# Where pictures go, and which: --readme those of docs/pictures, --narrow, --dark.
OUT ?= screenshots
PICTURES ?=

.PHONY: help up down reset test check fix migration schema messages screenshots bench faults lock clean

help: ## Show these lines
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(RUN_STAMP) ## Start everything on this machine, until Ctrl-C (PORTILLON_PORT=8001 make up: on another port)
	@exec $(BIN)/portillon up

down: $(RUN_STAMP) ## Stop what `make up` runs, or left behind when it was killed
	@$(BIN)/portillon down

reset: $(RUN_STAMP) ## Wipe the data of `make up`
	@$(BIN)/portillon reset

test: $(DEV_STAMP) ## Run the tests (JOBS=3 TESTS=tests PYTEST_ARGS=)
	@$(BIN)/pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS) $(TESTS)

check: $(DEV_STAMP) ## Format, lint, types, import contracts, dependencies, spelling, tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(ROOMS)
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/codespell
	@$(MAKE) --no-print-directory test

fix: $(DEV_STAMP) ## Format, and mend what the linter can
	$(BIN)/ruff check --fix . || true
	$(BIN)/ruff format .

migration: $(DEV_STAMP) ## Write an empty migration: make migration name=add_boosts
	@test -n "$(name)" || { echo 'Name it: make migration name=add_boosts' >&2; exit 2; }
	@$(BIN)/python -c "$$NEW_MIGRATION" "$(name)"

schema: $(RUN_STAMP) ## Write the API's description to docs/openapi.json
	@mkdir -p docs
	@$(BIN)/portillon schema > docs/openapi.json.new
	@mv docs/openapi.json.new docs/openapi.json

messages: $(DEV_STAMP) ## List texts that have no French translation
	@$(BIN)/python -m tests.messages

screenshots: $(DEV_STAMP) ## Picture every page of the demo, in both languages (OUT=screenshots PICTURES=--dark)
	@$(BIN)/python -m tests.screenshots $(PICTURES) $(OUT)

bench: $(DEV_STAMP) ## Measure, and write the figures and their picture
	@$(BIN)/python -m tests.bench

faults: $(DEV_STAMP) ## The long races and fault experiments
	@$(BIN)/python -m tests.faults

lock: ## Resolve the dependencies anew (needs uv)
	@command -v uv >/dev/null || { echo 'make lock needs uv: pip install uv' >&2; exit 2; }
	uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
		--extra embedded --group build --output-file requirements.lock pyproject.toml
	uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
		--extra embedded --group build --group dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean: ## Remove the environment and what tools left (data of `make up` stays: see reset)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* dist
	find $(ROOMS) -name __pycache__ -type d -prune -exec rm -rf {} +

# Migrations are numbered in the order in which they run.
define NEW_MIGRATION
import sys
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
config = Config()
config.set_main_option("script_location", "tenants/migrations")
number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
command.revision(config, message=sys.argv[1], rev_id=f"{number:04}")
endef
export NEW_MIGRATION

# --- the environment --------------------------------------------------------------------------------------------------
# A stamp is younger than the files it was made from: then there is nothing to do.

$(RUN_STAMP): requirements.lock pyproject.toml
	@$(call environment,requirements.lock)
	@touch $@

$(DEV_STAMP): requirements-dev.lock pyproject.toml
	@$(call environment,requirements-dev.lock)
	@touch $(RUN_STAMP) $@

# Hash-locked packages first, then this one, in place. What cannot work is said before anything is made.
define environment
set -eu; \
command -v $(PYTHON) >/dev/null || { \
	echo '$(PYTHON) is missing. Debian, Ubuntu: apt install python3 python3-venv. macOS: brew install python' >&2; exit 2; }; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "Portillon needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }; \
echo 'Installing the environment in $(VENV) (only when requirements change)'; \
if command -v uv >/dev/null; then \
	test -x $(BIN)/python || uv venv --quiet --python "$$(command -v $(PYTHON))" $(VENV); \
	uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1); \
	uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
else \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo 'The venv module of Python is missing. Debian, Ubuntu: apt install python3-venv (as root or with sudo)' >&2; exit 2; }; \
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
fi
endef
