# Thin: each target is one command, which you may also type yourself inside the environment.
# Needed: Python 3.11-3.13, git, make. On Debian: apt-get install python3-venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# joblib knows the limits of a container, which os.cpu_count() does not; it is there after setup.
JOBS ?= $$($(BIN)/python -c "import joblib; print(joblib.cpu_count())")

.PHONY: help setup book pdf epub zip downloads dry-run test unit notebooks accelerator test-gpu outputs record bench luna16 address lock lint clean

help:
	@echo "make setup      the environment in $(VENV), exact versions of requirements.lock"
	@echo "make book       execute all notebooks and build the site"
	@echo "make pdf        the built book as _build/course.pdf"
	@echo "make epub       the built book as _build/course.epub"
	@echo "make zip        the built site as _build/course-site.zip"
	@echo "make downloads  all three, in the folder downloads/ of the site"
	@echo "make test       every test: lint, types, notebooks, units, site (as root on Debian it"
	@echo "                installs Chromium with apt-get)"
	@echo "make unit       the quick part of the tests"
	@echo "make test-gpu   the tests that need a CUDA device"
	@echo "make accelerator  the chapters on a device that refuses CPU tensors, as CUDA"
	@echo "make outputs    execute the notebooks in the hermetic mode and store their outputs"
	@echo "make record     measure with official data and write helpers/recorded"
	@echo "make bench      timings of this machine, and the loop beside other libraries"
	@echo "make luna16 FOLDER=DIR  the CT chain on LUNA16, for a GPU (README.md says how to get it)"
	@echo "make address URL=https://github.com/OWNER/NAME  change the address of the repository"
	@echo "make clean      remove what was built"
	@echo "Another Python: make PYTHON=python3.12 TARGET"

setup: $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else 'Python 3.11, 3.12 or 3.13 is needed, this is ' + sys.version.split()[0] + ': name another, for example make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --config-settings editable_mode=compat --editable .
	touch $@

book: setup
	$(BIN)/python tools/build_book.py

# The formats show what the site shows: `make book` first.
pdf: setup
	$(BIN)/python tools/pdf.py

epub: setup
	$(BIN)/python tools/epub.py

zip: setup
	$(BIN)/python tools/downloads.py zip

# A site built with COURSE_DOWNLOADS=1 links to them.
downloads: setup
	$(BIN)/python tools/downloads.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: setup
	$(BIN)/python -m pytest -q -n $(JOBS) --ignore tests/test_site.py --ignore tests/test_exercises.py

# The stored outputs come from the hermetic run with hash seed 0 (tools/outputs.py). A run with
# another hash seed and as on an old processor must give the same: the libraries then add in another
# order, and a digit that depends on it shows.
OLD_CPU = ATEN_CPU_CAPABILITY=default MKL_ENABLE_INSTRUCTIONS=SSE4_2 OPENBLAS_CORETYPE=Nehalem ONEDNN_MAX_CPU_ISA=SSE41

notebooks: setup
	PYTHONHASHSEED=1 $(OLD_CPU) $(BIN)/python -m pytest -q --nbval notebooks -n $(JOBS) --dist loadfile -p no:cacheprovider

# A device that refuses CPU tensors as CUDA does; deprecations heard on the way fail, too.
accelerator: setup
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal tests/chapters_on_accelerator.py

# Without a browser the tests of the site fail, and only they: hence the minus sign.
test: lint notebooks
	-$(BIN)/python tools/browser.py
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

# conftest.py hides the GPU from all other tests.
test-gpu: setup
	CUDA_VISIBLE_DEVICES=$${CUDA_VISIBLE_DEVICES:-0} $(BIN)/python -m pytest -q -m gpu

outputs: setup
	$(BIN)/python tools/outputs.py --jobs $(JOBS)

record: setup
	$(BIN)/python tools/outputs.py --record

# The other libraries lie in an environment of their own on top of $(VENV), which stays as it is.
BENCH = $(VENV)-bench/bin/python
SITE_PACKAGES = -c "import site; print(site.getsitepackages()[0])"

bench: setup
	$(BIN)/python -m helpers.timing --suite all --json helpers/recorded/bench_$$($(BIN)/python -c "from helpers import env; print(env.pick_device().type)").json
	$(BIN)/python -m venv $(VENV)-bench
	$(BIN)/python $(SITE_PACKAGES) > $$($(BENCH) $(SITE_PACKAGES))/course.pth
	$(BENCH) -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable ".[bench]"
	$(BENCH) tools/bench_loop.py --json helpers/recorded/loop_cpu.json

luna16: setup
	$(BIN)/python -m tools.luna16 $(if $(FOLDER),--folder "$(FOLDER)")

address:
	$(PYTHON) tools/address.py $(URL)

lock:
	uv pip compile --universal --quiet --no-header --no-annotate --python-version 3.11 \
		--extra book --extra test --constraint tools/pins.txt pyproject.toml --output-file requirements.lock

clean:
	rm -rf _build book/generated .pytest_cache .mypy_cache .ruff_cache
