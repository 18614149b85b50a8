# Each target works on a fresh machine that has Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check lint wheel-check bench clean

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) torch
	$(BIN)/python $(PIP) --editable '.[dev]'
	touch $(READY)

demo: $(READY)          ## the whole job on a synthetic challenge, in under five minutes
	$(BIN)/asdzoo demo

test: $(READY)          ## all tests; a warning is an error
	$(BIN)/pytest -n auto --dist loadfile -rs

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test        ## what CI runs

wheel-check: $(READY)   ## build the wheel, install it in a clean environment outside the checkout, use it
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist . > /dev/null
	set -e; away=$$(mktemp -d); trap 'rm -rf "$$away"' EXIT; \
	$(PYTHON) -m venv $$away/venv; \
	$$away/venv/bin/python $(PIP) torch; \
	$$away/venv/bin/python $(PIP) dist/*.whl; \
	cd $$away; ./venv/bin/asdzoo list; ./venv/bin/asdzoo demo --tiny

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache
