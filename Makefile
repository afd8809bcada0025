# `make demo` and `make test` do everything on a fresh machine; `make help` lists the rest.

PYTHON ?= python3
# PyTorch's CPU index, as its install page gives it. Without it pip takes what it finds for this version:
# on macOS a small build, on Linux the one for NVIDIA GPUs, 5.8 GB. TORCH=torch takes the newest.
TORCH_INDEX ?=
TORCH  ?= torch==2.13.0
TORCH_ARGS = "$(TORCH)" $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)")
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := data/demo.h5ad

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-interop test-newest test-oldest package lint check fix docs \
        docs-check bench bench-fates bench-paper scaling peers data clean

help:  ## list the targets
	@grep -hE '^[a-z-]+: .*## |^[a-z-]+:  ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 22

install: $(VENV)/.installed  ## make the environment in .venv

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH_ARGS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

demo: install  ## install, then fit, simulate and eval on the demo data
	@rm -rf .demo
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh data/demo.sh "$(CURDIR)/$(DEMO)" "$(CURDIR)/.demo"
	@echo; echo "The run stays in .demo; open .demo/cellam_runs/demo/report.html in a browser."
	@echo "For your own data: . $(BIN)/activate, and then cellam fit data.h5ad"

test: install  ## install, then run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: install  ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

# From 2.1 on CellRank asks for Python 3.12. It comes first: pygpcca pins a Jinja2 older than ours, for its documentation alone.
test-interop: .venv-interop/.installed  ## in an environment with scVelo and CellRank: do they read our exports?
	OMP_NUM_THREADS=1 .venv-interop/bin/python -m pytest tests/interop

.venv-interop/.installed: CELLRANK = $(shell $(PYTHON) -c \
  "import sys; print('cellrank==2.0.7' if sys.version_info < (3, 12) else 'cellrank>=2.3')")
.venv-interop/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-interop
	.venv-interop/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH_ARGS)
	.venv-interop/bin/python -m pip install --quiet --disable-pip-version-check "$(CELLRANK)" scvelo==0.3.4 pytest jsonschema
	.venv-interop/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

test-newest: .venv-newest/.installed  ## the tests with the newest version of everything, in an environment of today
	OMP_NUM_THREADS=1 .venv-newest/bin/python -m pytest -n 2 --dist worksteal

.venv-newest/.installed: TORCH = torch
.venv-newest/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade $(TORCH_ARGS)
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager \
	  --editable ".[dev]"
	@touch $@

test-oldest: .venv-oldest/.installed  ## the tests with the lowest version of each package that we ask for, but for torch
	OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest -n 2 --dist worksteal

.venv-oldest/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-oldest
	$(PYTHON) tests/oldest.py > .venv-oldest/lowest.txt
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH_ARGS)
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check --constraint .venv-oldest/lowest.txt \
	  --editable ".[dev]"
	@touch $@

package: install  ## build the wheel and the sdist, and pass the demo with the wheel in a clean environment
	rm -rf build/lib build/bdist.* dist
	$(BIN)/python -m build
	$(BIN)/python tests/package.py dist $(TORCH_ARGS)

lint: install  ## report on style, types and layers, in seconds; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -n 2
	$(BIN)/lint-imports

check: lint  ## lint, and hold README and the guide against what the program prints
	$(BIN)/python tests/docs.py

fix: install  ## mend what can be mended automatically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python tests/docs.py --write

docs: $(VENV)/.docs  ## the guide as a site, in build/site; needs no network once installed
	$(BIN)/sphinx-build -W -n -q --keep-going -c cellam/guide/site cellam/guide build/site
	@echo "open build/site/index.html"

docs-check: docs  ## build the site, check links and commands of all pages, and run the notebooks
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/test_guide.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/notebooks.py

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[docs]"
	@touch $@

bench: install  ## held-out days: cellam, baselines, and the rivals that `make peers` found
	$(BIN)/python tests/bench/heldout.py
	$(BIN)/python tests/bench/rivals.py

bench-fates: install  ## growth and fates of populations of known truth (a quarter of an hour)
	mkdir -p .bench
	$(BIN)/python tests/bench/populations.py > .bench/populations.jsonl
	$(BIN)/python tests/bench/fates.py .bench/populations.jsonl

bench-paper: install  ## the experiments of the Action Matching paper (half an hour)
	$(BIN)/python tests/bench/paper.py --write

scaling: install  ## seconds and memory from 3 thousand to a million cells (half an hour)
	$(BIN)/python tests/bench/scaling.py

peers:  ## environments of the rivals, for `make bench`
	$(PYTHON) -m venv .bench/torchcfm
	.bench/torchcfm/bin/python -m pip install --quiet $(TORCH_ARGS)
	.bench/torchcfm/bin/python -m pip install --quiet anndata POT scikit-learn matplotlib torchdyn torchdiffeq absl-py
	.bench/torchcfm/bin/python -m pip install --quiet --no-deps torchcfm==1.0.7
	$(PYTHON) -m venv .bench/moscot
	-.bench/moscot/bin/python -m pip install --quiet moscot==0.5.2 POT
	$(PYTHON) -m venv .bench/cospar
	-.bench/cospar/bin/python -m pip install --quiet cospar==0.5.0

data: install  ## make the data of data/ again, the same bytes
	$(BIN)/python -m cellam.demo $(DEMO)
	$(BIN)/python -m cellam.demo data/drug.h5ad drug

clean:  ## remove what the other targets made
	rm -rf $(VENV) .venv-interop .venv-newest .venv-oldest .bench .demo build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache cellam_runs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
