# Every target sets up what it needs, on a bare machine with Python 3.11 or later.
#
#   make demo         a first orchestration, killed half-way and resumed   (small install)
#   make test         all tests but those on Ray, doctests, the README and the notebooks
#   make check        the static checks, then make test; the first part of what CI runs
#   make ray          the tests on a cluster of Ray, which need the machine for themselves
#   make pythons      the fast part of the tests on the other Pythons that are here, 3.11 to 3.14
#   make campaign     kills, power cuts, full disks, seeds, planted faults, soak (hours; SCALE=0.1 for less)
#   make learner      the lessons, with only the extra that the tutorial names
#   make docs         the documentation, in docs/_build/html
#   make pictures     the stored pictures of the README, the front page and the tests, after a change of the views
#   make benchmarks   one JSON line for each workload
#   make clean        removes what the others made

.DEFAULT_GOAL := help
.PHONY: help demo test suite ray beside browser lessons learner lint check simulator pythons campaign docs pictures benchmarks chromium clean

# Where it is set, each of hundreds of processes would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
# One more than there are processors, since some tests wait. Three workers of two processors took 15 % less
# processor time than six, which share the caches.
WORKERS = $(shell $(PY) -c "import os; print(1 + (os.cpu_count() or 1))")
BROWSERS := 2
SEEDS := 10000
RAY := tests/cluster/test_ray.py
SCALE := 1
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet

help:
	@sed -n 's/^#   //p' Makefile

$(PY):
	sh scripts/venv.sh $(VENV)

$(VENV)/.demo: pyproject.toml | $(PY)
	$(PIP) --editable '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(PY)
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	$(PY) -m durablenb demo

# The browser mostly waits: beside the suite it costs little, and the suite hardly notices.
test: $(VENV)/.dev chromium
	$(MAKE) --jobs 2 BROWSERS=1 suite beside

suite: $(VENV)/.dev
	$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore tests/browser --ignore $(RAY) --doctest-modules durablenb tests

# A cluster of Ray gives up when its processes don't get to run for some seconds: nothing else runs beside it.
ray: $(VENV)/.dev
	$(PY) -m pytest $(RAY)

beside: lessons
	$(MAKE) browser

browser: $(VENV)/.dev
	$(PY) -m pytest -n $(BROWSERS) --dist loadfile tests/browser

lessons: $(VENV)/.dev
	rm -rf build/lessons && mkdir -p build && cp -R notebooks build/lessons
	$(PY) -m pytest -p nbval.plugin --nbval --nbval-current-env build/lessons

# What the tutorial names, and nothing else: a lesson that needs more fails here.
$(VENV)-lessons/.lessons: pyproject.toml
	sh scripts/venv.sh $(VENV)-lessons
	$(VENV)-lessons/bin/python -m pip --disable-pip-version-check install --quiet --editable '.[lessons]'
	touch $@

learner: $(VENV)-lessons/.lessons
	rm -rf build/learner && mkdir -p build && cp -R notebooks build/learner
	$(VENV)-lessons/bin/python -m nbconvert --to notebook --execute --inplace --log-level WARN build/learner/*.ipynb

lint: $(VENV)/.dev
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

check: lint
	$(MAKE) test

simulator: $(VENV)/.dev
	$(PY) -m tests.simulation --seeds $(SEEDS) --processes $(WORKERS)

pythons: | $(PY)
	$(PY) scripts/pythons.py

campaign: $(VENV)/.dev
	$(PY) -m tests.campaign --scale $(SCALE)

docs: $(VENV)/.dev
	$(PY) -m sphinx -W --keep-going -b html docs docs/_build/html

pictures: $(VENV)/.dev chromium
	$(PY) -m tests.notebook.test_stored_pictures
	$(PY) scripts/pictures.py

benchmarks: $(VENV)/.dev
	$(PY) -m tests.benchmarks

chromium:
	@sh scripts/chromium.sh

clean:
	rm -rf $(VENV) $(VENV)-lessons .venv-3.* build dist docs/_build docs/tutorial/lessons docs/reference/generated
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find durablenb tests docs notebooks -name __pycache__ -prune -exec rm -rf {} +
