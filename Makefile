# Thin: each target is one command, which you may also type yourself inside the environment.
# Needed: Python 3.11-3.13, git, make. On Debian: apt-get install python3-venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= $(shell $(PYTHON) -c "import os; print(os.cpu_count() or 1)")

.PHONY: help setup book test unit notebooks accelerator outputs record bench lock lint clean

help:
	@echo "make setup      the environment in $(VENV), exact versions of requirements.lock"
	@echo "make book       execute all notebooks and build the site"
	@echo "make test       every test: lint, types, units, notebooks, site"
	@echo "make unit       the quick part of the tests"
	@echo "make accelerator run the chapters on a pretend accelerator; find mixed devices, deprecations"
	@echo "make outputs    execute the notebooks in the hermetic mode and store their outputs"
	@echo "make record     measure with official data and write book/results"
	@echo "make bench      timings of this machine, and the loop beside other libraries"
	@echo "make clean      remove what was built"

setup: $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else 'Python 3.11, 3.12 or 3.13 is needed, this is ' + sys.version.split()[0])"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --config-settings editable_mode=compat --editable .
	touch $@

book: setup
	$(BIN)/python tools/build_book.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: setup
	$(BIN)/python -m pytest -q -n $(JOBS) --ignore tests/test_site.py --ignore tests/test_exercises.py

# The stored outputs come from the hermetic run with hash seed 0 (tools/outputs.py). Two more runs
# in a row must give the same, the second with another hash seed and as on an old processor: the
# libraries then add in another order, and a digit that depends on it shows.
OLD_CPU = ATEN_CPU_CAPABILITY=default MKL_ENABLE_INSTRUCTIONS=SSE4_2 OPENBLAS_CORETYPE=Nehalem ONEDNN_MAX_CPU_ISA=SSE41
NBVAL = $(BIN)/python -m pytest -q --nbval notebooks -n $(JOBS) --dist loadfile -p no:cacheprovider

notebooks: setup
	PYTHONHASHSEED=0 $(NBVAL)
	PYTHONHASHSEED=1 $(OLD_CPU) $(NBVAL)

# A device that refuses CPU tensors as CUDA does; deprecations heard on the way fail, too.
accelerator: setup
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal tests/chapters_on_accelerator.py

test: lint notebooks
	$(BIN)/python tools/browser.py
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

outputs: setup
	$(BIN)/python tools/outputs.py --jobs $(JOBS)

record: setup
	$(BIN)/python tools/outputs.py --record

bench: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]"
	$(BIN)/python -m helpers.timing --suite all --json book/results/bench_$$($(BIN)/python -c "from helpers import env; print(env.pick_device().type)").json
	$(BIN)/python tools/bench_loop.py --json book/results/loop_cpu.json

lock:
	uv pip compile --universal --quiet --no-header --no-annotate --python-version 3.11 \
		--extra book --extra test --constraint tools/pins.txt pyproject.toml --output-file requirements.lock

clean:
	rm -rf _build book/generated .pytest_cache .mypy_cache .ruff_cache
