# Each target sets up what it needs. Two to remember: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo run call models check format test coverage lock bench clean
help: ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Atende needs Python 3.11 or newer: set PYTHON=/path/to/python3.11")'
	@echo "Installing into $(VENV) (about a minute) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . --group dev
	@touch $@

models: $(VENV)/.ready ## fetch and verify the embedded models (once, about 230 MB)
	@$(BIN)/atende models pull

demo: models ## a caller rings, is understood, is answered, and hears it
	@$(BIN)/atende demo

run: models ## serve, and print how to reach it
	@$(BIN)/atende serve

call: models ## ring the service of `make run` with a scripted caller
	@$(BIN)/atende call --tenant clinica-sorriso --script configs/demo/clinica-sorriso.yaml

format: $(VENV)/.ready ## format and fix what can be fixed
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

check: $(VENV)/.ready ## format, lint, types, floors
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Whole calls first: they are a matter of milliseconds, and the models of other tests would be heard in them. What runs
# by the clock is run again when it fails (tests/reruns.py says what); the summary tells which needed it (RERUN).
test: check models ## everything that CI checks
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder tests/calls
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/calls

# Apart from `test`: Python 3.11 takes twice as long when it counts lines.
coverage: models ## the tests again but for whole calls, with what they reach of the code
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term --cov-fail-under=85 --ignore=tests/calls

lock: $(VENV)/.ready ## resolve the newest allowed versions into constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile -q --universal --no-header --no-annotate --no-emit-index-url --group dev pyproject.toml -o constraints.txt

bench: models ## the measured claims of docs/benchmarks.md, in full
	@$(BIN)/python -m benchmarks.first_call --check
	@$(BIN)/python -m benchmarks.density --check
	@$(BIN)/python -m benchmarks.wires --check
	@$(BIN)/python -m benchmarks.hotswap --check
	@$(BIN)/python -m benchmarks.boot --check
	@$(BIN)/python -m benchmarks.documents --check
	@$(BIN)/python -m benchmarks.control --check
	@$(BIN)/python -m benchmarks.models_role --check
	@$(BIN)/python -m benchmarks.fuzz --check

clean: ## forget the environment and the demo's data
	rm -rf $(VENV) .atende
