# Everything sets itself up: `make demo` and `make test` need Python >= 3.11 and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Tests that need little time and, together, nearly all dependencies.
QUICK := tests/runs tests/dash/test_app.py tests/codec/test_bitstream.py tests/cli/test_commands.py \
	$(addprefix tests/core/test_,config.py checkpoint.py frames.py atomic.py) \
	$(addprefix tests/data/test_,store.py video.py lerobot_source.py robonet_fuzz.py)

# Processes that the tests start would each compile all of the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check lowest bench venv clean

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
	$(BIN)/python -m pytest -n 3 --dist worksteal

check: venv
	$(BIN)/ruff format --check vqtool tests benchmarks
	$(BIN)/ruff check vqtool tests benchmarks
	# Layers and types beside the tests, told after them: each has one process, and a test often waits.
	( $(BIN)/lint-imports --no-cache && exec $(BIN)/mypy ) >$(VENV)/types.txt 2>&1 & types=$$!; \
		trap "kill $$types 2>/dev/null" EXIT; $(BIN)/python -m pytest -n 3 --dist worksteal; failed=$$?; \
		wait $$types || failed=1; cat $(VENV)/types.txt; exit $$failed

# The lowest versions that pyproject.toml allows, but for torch: see DECISIONS.md.
lowest:
	$(PYTHON) -m venv $(VENV)-lowest
	{ $(PYTHON) .ci/lowest.py; grep '^torch==' constraints.txt; } > $(VENV)-lowest/constraints.txt
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint $(VENV)-lowest/constraints.txt --editable '.[cluster,lerobot,tensorboard]' \
		opencv-python-headless pytest pytest-asyncio
	$(VENV)-lowest/bin/python -m pytest $(QUICK)

bench: venv
	missed=0; for script in benchmarks/*.py; do $(BIN)/python $$script || missed=1; done; exit $$missed

clean:
	rm -rf $(VENV) $(VENV)-lowest .mypy_cache .ruff_cache .pytest_cache dist build
