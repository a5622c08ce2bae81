# Two commands do everything on a machine with Python and make:
#   make demo   builds two model families, profiles this machine, chooses, classifies video
#   make test   style, types, import rules and all tests
# make test-tools installs the system packages without which some tests are skipped (apt, as root).
PYTHON ?= python3
VENV ?= .venv
OUT ?= demo-out
BIN := $(VENV)/bin
TEST_TOOLS := chromium ffmpeg mosquitto mosquitto-clients openssl python3-gi gir1.2-gst-rtsp-server-1.0 \
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly python3-tk xvfb
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-tools check clean

demo: $(VENV)/.installed-demo
	$(BIN)/edgescale demo --out $(OUT)

test: check
	$(BIN)/python -m pytest

test-tools:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(TEST_TOOLS)

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
