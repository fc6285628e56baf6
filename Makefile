# Everything runs in .venv, which the first target that needs it makes; a second run starts at once.
# The stamp is written last, so an interrupted set-up is taken up again.
#
# Settings, after the target: MODEL=google/medgemma-1.5-4b-it (run), OUTPUT=folder (run, site), SITE=folder
# (site), VIEWER3D=1 (lab), QUICK=1, FULL=1 or GROWTH=1 (bench), PYTHON=python3.12 and VENV=folder (all).
# On Linux pip fetches the CUDA build of torch. Without a GPU the much smaller CPU build does: name PyTorch's index
# of CPU builds in pip's own settings (PIP_INDEX_URL or PIP_EXTRA_INDEX_URL) before the first run.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON := python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
OUTPUT := outputs/run
SITE := outputs/site
MODEL :=
VIEWER3D :=
# Lab asks outside hosts for nothing by itself: this extension would ask a content delivery network for a script on
# every page, used or not (only the 3D view needs it), and the announcements ask for news and newer versions.
VIEWER_EXTENSION := imjoy-jupyterlab-extension
ANNOUNCEMENTS := @jupyterlab/apputils-extension:announcements
QUIETLY := --log-level=ERROR
# Tests side by side; tests/conftest.py says in how many processes. Those of one file share what it makes, so they
# stay together; the notebooks in a browser have nothing in common.
SIDE_BY_SIDE := -n logical

.PHONY: help setup run site picture test browser lab bench score tiny badges clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## make .venv and install everything into it (the other targets do this themselves)

run: $(STAMP) ## run all notebooks, offline on the stand-in model; an index page is written
	@$(BIN)/medgemma-tutorials run --output $(OUTPUT) $(if $(MODEL),--model $(MODEL)) \
	  && status=0 || status=$$?; echo "Pages of this run: $(OUTPUT)/index.html"; exit $$status

site: $(STAMP) ## build one static site from that run and docs/: notebooks, guide, scores, API, search
	@$(BIN)/medgemma-tutorials gallery --run $(OUTPUT) --output $(SITE)

picture: $(STAMP) ## draw the picture of README.md anew, with what the stand-in says now
	@$(BIN)/python docs/make_picture.py

test: $(STAMP) ## lint everything, notebooks too, and run the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --dist loadscope --no-loadscope-reorder

browser: $(STAMP) ## run the notebooks in JupyterLab in Chromium and try the viewers; pictures go to build/browser
	@$(BIN)/jupyter labextension disable $(QUIETLY) $(VIEWER_EXTENSION)
	$(BIN)/python -m pytest -m browser -o faulthandler_timeout=1800 $(SIDE_BY_SIDE) --dist load --maxschedchunk 1 tests/browser

lab: $(STAMP) ## open JupyterLab on the notebooks (VIEWER3D=1 turns the 3D view on, which needs internet)
	@$(BIN)/jupyter labextension $(if $(VIEWER3D),enable,disable) $(QUIETLY) $(VIEWER_EXTENSION)
	$(BIN)/jupyter lab --notebook-dir=notebooks

# The package alone at sizes at which the other ways would take hours.
LARGE = --full --alone --repeats 1 --only slices slide listing cases --output build/growth
bench: $(STAMP) ## measure each work beside its alternatives: build/bench.md (QUICK=1 half an hour, FULL=1 many hours, GROWTH=1 the package alone)
	@$(BIN)/python -m tests.benchmarks $(if $(QUICK),--quick) $(if $(FULL),--full) $(if $(GROWTH),$(LARGE))

score: $(STAMP) ## score the stand-in on held-out cases: one JSON line (SEED=2000000, CONTROL=swapped, removed or wide-window)
	@$(BIN)/python -m helpers.standin.scoring --seed $(or $(SEED),2000000) $(if $(CONTROL),--control $(CONTROL))

tiny: $(STAMP) ## train the stand-in model anew
	$(BIN)/python -m helpers.standin --output helpers/standin/standin_weights

badges: $(STAMP) ## write the launch links and the repository's address into notebooks, README.md and docs
	$(BIN)/medgemma-tutorials badges

clean: ## remove outputs and caches (.venv stays)
	rm -rf outputs build dist .pytest_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed and $(PYTHON) is not. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
	  exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version): about 170 packages, 2 to 5 minutes on a good line."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e '.[dev,bench]' 2>&1 \
	  | tee $(VENV)/set-up.log | awk ' \
	    /^Collecting/ && ++found % 25 == 0 { print "  " found " packages found" } \
	    /Downloading .*\(([0-9.]+ GB|[0-9][0-9][0-9]+\.[0-9] MB)/ { print "  downloading " $$2 " " $$3 " " $$4 } \
	    /^Installing collected/ { print "  unpacking them" } \
	    { fflush() }' \
	  || { tail -n 15 $(VENV)/set-up.log; echo "The install failed. All of it: $(VENV)/set-up.log"; exit 1; } >&2
	@$(BIN)/jupyter labextension disable $(QUIETLY) $(VIEWER_EXTENSION) $(ANNOUNCEMENTS)
	@touch $@
	@echo "$(VENV) is set up."
