# The one door. `make demo` and `make test` install what is missing by themselves and say so.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

system: ## install the system packages that are missing (nft, a C compiler, ...)
	@./.ci/system-packages

.venv/ready: requirements.lock pyproject.toml hatch_build.py
	@echo "slash24: making .venv with the locked dependencies"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "slash24 needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

build: system .venv/ready ## compile the C programs
	@$(BIN)/python hatch_build.py

demo: build ## the main job: the article's cluster, an application, the checks, a picture
	@$(BIN)/slash24 demo $(DEMO)

test: build ## every test
	@./.ci/system-packages test
	@$(BIN)/python -m pytest $(TEST)

kernel: build ## the tests that need Linux namespaces
	@./.ci/system-packages test
	@$(BIN)/python -m pytest -m "kernel or lab" $(TEST)

crashes: build ## kill a lab's server at N random moments of its work (SEED=the one that a failure told)
	@CRASHES=$(or $(N),50) $(if $(SEED),SEED=$(SEED)) $(BIN)/python -m pytest tests/e2e/test_crashes.py

check: .venv/ready ## format, lint, strict types, import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: .venv/ready ## format and fix
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: build ## the ratios, side by side in one run (ONLY=part)
	@./.ci/system-packages bench
	@$(BIN)/python -m bench $(ONLY)

golden: build ## rewrite the expected files; review them in the diff
	@GOLDEN=rewrite $(BIN)/python -m pytest -q tests/dataplane tests/lab/test_fabric_script.py tests/cli/test_commands.py tests/cli/test_learn.py tests/docs/test_rules.py

# Its 150 packages and their pins are kept away from ours, and out of the clone, so that it is installed once.
AZ_VERSION := 2.91.0
AZ := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/slash24/az-$(AZ_VERSION)
$(AZ)/bin/az: | .venv/ready
	@echo "slash24: installing azure-cli $(AZ_VERSION) in $(AZ)"
	@$(BIN)/uv venv -q --clear --python $(PYTHON) $(AZ)
	@$(BIN)/uv pip install -q --no-cache --python $(AZ)/bin/python azure-cli==$(AZ_VERSION)

az: $(AZ)/bin/az ## the real az, in an environment of its own, for the tests that ask it

lock: .venv/ready ## pin the newest dependencies that pyproject.toml allows
	@$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements.lock

clean: ## remove what was built
	@rm -rf .venv build dist src/slash24/bin

.PHONY: help system build demo az test kernel crashes check fmt bench golden lock clean
