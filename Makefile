# make demo: set up and see it work.  make test: set up and run every check.
# make test ORDER=7: the tests in a random order, the one of seed 7.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Tests run in so many processes: make test JOBS=0 for one, where a debugger can stop them. Three
# keep two cores busy, as many tests wait for processes.
JOBS ?= 3

# On a CPU OpenVINO runs the network fastest; beside a GPU a faster decoder feeds torch.
EXTRA := $(if $(wildcard /dev/nvidiactl),[jpeg],[cpu])

# Hostile files for every reader, N of them: make fuzz N=70000 SEED=2
N ?= 10000
SEED ?= 1

# The tests of one package and the quick checks: make check PACKAGE=metrics
PACKAGE ?= metrics

# Each test run is many processes: they read what the first one compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-web check coverage fuzz install install-test lint types imports collect unit docs-check docs release clean

demo: install
	$(BIN)/mifid demo

test: install-test
	$(MAKE) --jobs 2 lint types imports docs-check collect
	$(MAKE) unit

check: lint types imports
	$(BIN)/python -m pytest -x tests/$(PACKAGE)

# A stamp a kind of installation, renewed when what is to be installed changes.
install: $(VENV)/.installed
install-test: $(VENV)/.installed-test

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e '.$(EXTRA)'
	touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --no-compile -e '.[test]'
	touch $@ $(VENV)/.installed

# gradio, in an environment of its own, for the tests of mifid serve.
.venv-web/.installed: setup.cfg .ci/web_environment.py $(VENV)/.installed-test
	$(BIN)/python .ci/web_environment.py
	touch $@

$(VENV)/.installed-docs: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	touch $@ $(VENV)/.installed

lint: install-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install-test
	$(BIN)/mypy

imports: install-test
	$(BIN)/lint-imports --no-logo

# All test files can be imported; the processes that run them read what is compiled here.
collect: install-test
	$(BIN)/python -m pytest --collect-only -qq > $(VENV)/.collected || { cat $(VENV)/.collected; false; }

# The references must be what --help and the tables say.
docs-check: install-test
	$(BIN)/python -m mifid_cli.document --check docs/cli.md docs/presets.md

# The references, made again, and the site of all pages in build/site/; a warning is an error.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m mifid_cli.document docs/cli.md docs/presets.md
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/site

# A file's tests share what is expensive to set up; conftest.py orders the files.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

unit: install-test
	MIFID_TEST_ORDER=$(ORDER) $(PYTEST)

# The page of mifid serve in Chromium, for who changes it: gradio needs an environment of its own.
test-web: .venv-web/.installed
	$(PYTEST) tests/web

# Lines and branches of mifid and its commands, child processes included.
coverage: install-test .venv-web/.installed
	$(PYTEST) --cov --cov-report=term:skip-covered

fuzz: install-test
	$(BIN)/python tests/fuzz/harness.py -n $(N) --seed $(SEED)

# Wheel and sdist in dist/, the wheel tried in a clean environment; nothing is uploaded.
release: install
	$(BIN)/python -m pip install --quiet -e '.[release]'
	PYTHON=$(BIN)/python .ci/release

clean:
	rm -rf $(VENV) .venv-web build dist *.egg-info mifid-demo .mypy_cache .ruff_cache .pytest_cache
