# Two commands do everything on a fresh machine: `make demo` and `make test`. Both make .venv when it is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check lint types layers ratios bench clean

demo: $(VENV)/.installed ## Run the whole job on a rendered sample clip and print where the report is.
	$(BIN)/facerecon demo

test: $(VENV)/.installed-dev ## Run all tests, with the network blocked. Each process of the tests needs some 3 GB.
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

check: test lint types layers ratios ## What CI runs.

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

layers: $(VENV)/.installed-dev
	$(BIN)/lint-imports

ratios: $(VENV)/.installed-dev ## Is anything much slower than it was? Ratios of one run against stored ones.
	$(BIN)/python benchmarks/guard.py

bench: $(VENV)/.installed-dev ## Speed and memory, as ratios against named baselines.
	$(BIN)/python benchmarks/detection.py
	$(BIN)/python benchmarks/esrgan.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/archive.py
	$(BIN)/python benchmarks/peers.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable . --constraint constraints.txt
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]" --constraint constraints.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
