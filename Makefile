# make demo    compress a real photograph, restore it, compare every pixel, draw where the bits went
# make test    all tests and checks
# make bench   bits and speed beside PNG, WebP and JPEG XL: make bench DATA=folder
# make fuzz    a million damaged files: make fuzz FILES=20000 SEED=1 for fewer or others
# make guided  files that coverage leads to, for SECONDS=600 (Linux)
# make docs    the API from docstrings, as pages in build/docs
# make dist    wheel and source distribution

PYTHON ?= python3
FILES ?= 1000000
SEED ?= 0
SECONDS ?= 600
VENV := .venv
BIN := $(VENV)/bin
API := pixelzip pixelzip.errors pixelzip.pack pixelzip.heatmap pixelzip.sample pixelzip.zarr

.PHONY: demo test bench fuzz guided docs dist check clean

$(VENV)/ready: pyproject.toml constraints.txt $(wildcard native/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo,bench,plot]" --group dev
	touch $@

demo: $(VENV)/ready
	$(BIN)/python docs/demo.py demo

test: $(VENV)/ready check
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term:skip-covered

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/ready
	$(BIN)/pixelzip bench $(DATA)

fuzz: $(VENV)/ready
	$(BIN)/python tests/fuzz.py --files $(FILES) --seed $(SEED)

guided: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --group fuzz
	$(BIN)/python tests/fuzz_guided.py -max_total_time=$(SECONDS)

docs: $(VENV)/ready
	$(BIN)/python -m pdoc --docformat google --no-search --output-directory build/docs $(API)

dist: $(VENV)/ready
	$(BIN)/python -m build --outdir dist .

clean:
	rm -rf $(VENV) build dist demo *.egg-info
