# Everything sets itself up: `make demo` and `make test` need Python >= 3.11 and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check bench venv clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	# The oracle of LPIPS, without the torchvision that it asks for: the tests stand in for that.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps lpips==0.1.4
	touch $@

venv: $(VENV)/.ready

demo: venv
	$(BIN)/vqtool demo

test: venv
	$(BIN)/python -m pytest -n 2

check: venv
	$(BIN)/ruff format --check vqtool tests benchmarks
	$(BIN)/ruff check vqtool tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -n 2

bench: venv
	missed=0; for script in benchmarks/*.py; do $(BIN)/python $$script || missed=1; done; exit $$missed

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache dist build
