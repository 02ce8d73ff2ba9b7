# Every target sets up what it needs; only Python 3.11 or newer and make have to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint bench simulation soak docs format lock clean

demo: $(READY)            ## set everything up and show the main job on real input
	@$(BIN)/python demo/demo.py

test: $(READY)            ## run all tests (two workers)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

lint: $(READY)            ## formatter, linter, types, import contracts, generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports --config pyproject.toml
	$(BIN)/cog --check docs/reference/*.md

soak: $(READY)            ## the slow proofs
	$(BIN)/python -m pytest -n 2 -m slow

simulation: $(READY)      ## the simulation with many seeds
	ATTUNE_SIMULATION_SEEDS=$${SEEDS:-100} $(BIN)/python -m pytest -n 2 tests/simulation

bench: $(READY)           ## ratios against a floor or a peer measured in the same run
	$(BIN)/python -m benchmarks $(ONLY)

docs: $(READY)            ## write the generated pages anew
	$(BIN)/cog -r docs/reference/*.md

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(READY)            ## pin the newest versions that pyproject.toml allows
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements/dev.txt

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "attune needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache
