# Everything a fresh machine needs comes from here and from pyproject.toml.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests run in so many processes, each with 2 to 3 GB; one that is done takes over half of what another has left.
PROCESSES ?= 2

.PHONY: install test test-slow demo lint docs wheel clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -m "not slow and not gpu" -n $(PROCESSES) --dist worksteal

test-slow: install
	$(BIN)/pytest -m "slow and not gpu"

demo: install
	scripts/demo.sh $(BIN)

docs: install
	$(BIN)/python -m scripts.cli_reference > docs/cli.md
	$(BIN)/python -m scripts.training_results > docs/results/training.md

wheel: install
	$(BIN)/pip wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist *.egg-info
