# Two commands do everything on a machine with Python and make:
#   make demo   builds two model families, profiles this machine, chooses, classifies video
#   make test   style, types, import rules and all tests
PYTHON ?= python3
VENV ?= .venv
OUT ?= demo-out
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check clean

demo: $(VENV)/.installed-demo
	$(BIN)/edgescale demo --out $(OUT)

test: check
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed-demo: $(VENV)/.created pyproject.toml constraints.txt
	@echo "installing edgescale with TensorFlow and the demo data (about 1.5 GB, once)"
	$(INSTALL) --editable '.[build,demo]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.created pyproject.toml constraints.txt
	@echo "installing edgescale with TensorFlow, demo data and test tools (about 1.5 GB, once)"
	$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.installed-demo

clean:
	rm -rf $(VENV) $(OUT)
