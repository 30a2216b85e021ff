# make run and make test are all that a newcomer needs; each sets up .venv on first use and never again.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test install data dashboard report lint clean

VENV ?= .venv
PYTHON ?= python3
RUN := $(VENV)/bin/python
OUTPUTS ?= outputs
DATA ?= data
PORT ?= 6006
ARGS ?=

help:            ## show what can be made
	@echo "make TARGET [ARGS='key=value ...']"; echo
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/' | expand -t 14

run: install     ## set up, then the whole experiment on the built-in corpus (about four minutes)
	@$(RUN) train.py $(ARGS)

test: install    ## set up, then all tests (under ten minutes; no network, no GPU)
	@$(RUN) -m pytest $(ARGS)

install: $(VENV)/installed   ## create .venv and install what constraints.txt pins
	@true

$(VENV)/installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.10 to 3.13, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 69; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v < (3, 14) else f"error: Python 3.10 to 3.13 is needed, $(PYTHON) is {v[0]}.{v[1]}; name another: make PYTHON=...")'
	@echo "setting up $(VENV) (once; a few minutes)"
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check torch==$$(sed -n 's/^torch==//p' constraints.txt)
	@$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,joblib,slurm]'
	@touch $@

data: install    ## download the course's corpus and tiny Shakespeare into data/, checksums checked
	@$(RUN) -m whence.data.download --into $(DATA)

dashboard: install   ## TensorBoard over all runs, on http://localhost:6006
	@$(VENV)/bin/tensorboard --logdir $(OUTPUTS) --host localhost --port $(PORT)

report: install  ## the table of all runs under outputs/, as Markdown and PNG too
	@$(RUN) train.py stage=report report.runs=$(OUTPUTS) $(ARGS)

lint: install    ## ruff and mypy
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

clean:           ## remove caches; asks before it removes runs
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@if [ -n "$$(ls $(OUTPUTS) 2>/dev/null)" ]; then \
	  if [ -t 0 ]; then read -r -p "remove the runs in $(OUTPUTS) too? [y/N] " answer; else answer=n; fi; \
	  if [ "$$answer" = y ]; then find $(OUTPUTS) -mindepth 1 -not -name .gitkeep -delete; else echo "$(OUTPUTS) is kept"; fi; \
	fi
