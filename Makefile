# Two commands need nothing but Python 3.10 or newer and make:
#   make demo   the whole chain on the embedded data set
#   make test   linters, types, import contracts and all tests
# Each makes .venv and installs what it needs at the versions of constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := cpu,train,export,report
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

TRITON := .venv-triton/.ready

.PHONY: demo test check install install-test develop clean

demo: install
	$(BIN)/fsrfer demo --output demo-output

# One thread a worker: two workers already keep two cores busy.
test: check $(TRITON)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# The real Triton server for the tests, in an environment of its own (it wants an older numpy). Where its package does not
# install, the tests that need it are skipped, with the reason.
$(TRITON): benchmarks/triton_server.py $(VENV)/.test-dependencies
	-$(BIN)/python benchmarks/triton_server.py --prepare && touch $@

check: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(VENV) && bin/mypy --config-file ../pyproject.toml $(foreach p,core datasets runtime calibration export training cli,-p fsrfer.$(p))
	cd $(VENV) && bin/lint-imports --config ../pyproject.toml --no-cache

# A plain install, as a user gets it: what is checked is what is shipped. setuptools reuses a stale build folder.
install: $(VENV)/.dependencies
	rm -rf build
	$(PIP_INSTALL) --no-deps --force-reinstall .

install-test: $(VENV)/.test-dependencies install

$(VENV)/.dependencies: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	rm -rf build
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) '.[$(EXTRAS)]'
	touch $@

$(VENV)/.test-dependencies: $(VENV)/.dependencies
	rm -rf build
	$(PIP_INSTALL) '.[$(EXTRAS),test]'
	touch $@

# For work on the code: the packages are links into the tree, so that edits take effect at once.
develop: $(VENV)/.test-dependencies
	$(BIN)/pip uninstall --quiet --yes fsrfer
	rm -rf build
	$(PIP_INSTALL) --no-deps --editable .

clean:
	rm -rf $(VENV) .venv-triton build demo-output *.egg-info .mypy_cache .ruff_cache .pytest_cache
