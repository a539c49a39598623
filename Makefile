# People, CI and hooks run the same recipes. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
# Test processes; each starts servers of its own and takes about 3 GiB.
WORKERS ?= 3
UV := $(VENV)/bin/uv
EXTRAS := --extra ingest --extra trainer --extra publisher --extra local

.PHONY: help setup demo test lint lock screenshots clean

help: ## List the recipes.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.installed .lorabus/models/tiny/.copied ## Make .venv and put the tiny model in place.

$(VENV)/bin/uv: requirements/bootstrap.txt
	@echo "lorabus: making .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "lorabus needs Python 3.11 or newer, $(PYTHON) is older: make PYTHON=python3.12 setup"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.installed: $(VENV)/bin/uv requirements/dev.txt pyproject.toml
	@echo "lorabus: installing the pinned packages (about 6 GB, torch among them; half a minute to a few minutes)"
	@$(UV) pip sync --python $(VENV)/bin/python --require-hashes requirements/dev.txt
	@$(UV) pip install --python $(VENV)/bin/python --quiet --no-deps --no-build-isolation --editable .
	@echo "lorabus: compiling them once, so that every start is fast (about half a minute)"
	@$(VENV)/bin/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	@touch $@

.lorabus/models/tiny/.copied: $(wildcard examples/tiny/*)
	@mkdir -p .lorabus/models/tiny && cp examples/tiny/* .lorabus/models/tiny/ && touch $@

demo: setup ## Tune, publish, pull back and ask: the main job on the embedded default.
	@$(VENV)/bin/lorabus demo

lint: setup ## Formatter, linter, types and the architecture's import rules.
	@$(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check . && $(VENV)/bin/mypy && $(VENV)/bin/lint-imports

.PHONY: test-tools
test-tools:
	@missing=""; for tool in chromium skopeo kcat; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then \
	  echo "lorabus: the tests need$$missing; installing with apt-get"; \
	  root=""; [ "$$(id -u)" = 0 ] || root="sudo -n"; \
	  { $$root apt-get update -qq && $$root apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null 2>&1 \
	    || { echo "lorabus: could not install$$missing; do it by hand (apt-get install$$missing) and try again"; exit 1; }; \
	fi
	@{ command -v promtool && command -v prometheus; } >/dev/null || [ -x $(VENV)/bin/promtool -a -x $(VENV)/bin/prometheus ] || { \
	  echo "lorabus: the tests need promtool and prometheus; taking them out of Debian's package (nothing is installed)"; \
	  folder=$$(mktemp -d -p $(VENV)) && (cd $$folder && apt-get download -qq -o APT::Sandbox::User=root prometheus >/dev/null) \
	    && dpkg-deb --fsys-tarfile $$folder/prometheus_*.deb | tar -xC $$folder ./usr/bin/promtool ./usr/bin/prometheus \
	    && mv $$folder/usr/bin/* $(VENV)/bin/ && rm -r $$folder \
	    || { echo "lorabus: could not; put both on the PATH and try again"; exit 1; }; }

# Compiled once, the tests are collected in half the time, also where Python is told to write no bytecode.
test: export PYTHONDONTWRITEBYTECODE =
test: setup lint test-tools ## Everything: lint, unit, component, integration, end to end.
	@$(VENV)/bin/python -m deploy.native
	@$(VENV)/bin/pytest --numprocesses $(WORKERS) --durations 15

lock: $(VENV)/bin/uv ## Pin anew what pyproject.toml asks for.
	@for extra in ingest trainer publisher; do $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --extra $$extra pyproject.toml requirements/build.in -o requirements/$$extra.txt; done
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header $(EXTRAS) --extra dev pyproject.toml requirements/build.in -o requirements/dev.txt
	@echo uv | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header - -o requirements/bootstrap.txt

screenshots: setup ## Make the README's pictures of the status page from a real run.
	@$(VENV)/bin/python -m docs.screenshots

clean: ## Remove what setup and runs made here (shared caches stay).
	@rm -rf $(VENV) .lorabus .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
