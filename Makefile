# make demo    transcribe the recordings in tests/data
# make test    run the tests
# make prompts fetch telephone prompts, which some tests need (Debian only)
# make lint    ruff and mypy
# make bench   measure throughput
# make clean   remove the virtual environment and everything that was built

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := build/demo
AZURITE_VERSION := 3.37.0
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test prompts lint bench clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo: $(VENV)/.installed
	@rm -rf $(DEMO)
	$(BIN)/beamscribe transcribe tests/data/manifest.jsonl --output $(DEMO)
	$(BIN)/beamscribe evaluate $(DEMO)

test: $(VENV)/.installed-dev build/azurite
	$(BIN)/python -m pytest

# Real telephone speech, CC BY-SA 3.0; unpacked without being installed, so it needs no root.
prompts: build/prompts/.unpacked

build/prompts/.unpacked:
	@mkdir -p build/prompts
	cd build/prompts && apt-get download asterisk-core-sounds-en-wav
	cd build/prompts && dpkg-deb --extract asterisk-core-sounds-en-wav_*.deb .
	@touch $@

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.throughput

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The stamps make a second call instant; editing setup.py installs again.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.py | $(BIN)/python
	@echo "Installing beamscribe; PyTorch is large, the first time takes some minutes."
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP_INSTALL) --editable '.[dev,s3,gcs,azure,http]'
	@touch $@

# Azure's protocol for the tests. Without npm those tests are skipped, and say so.
build/azurite:
	@if command -v npm >/dev/null; then \
	    npm install --silent --no-fund --no-audit --prefix $@ azurite@$(AZURITE_VERSION) \
	        || { rm -rf $@; echo "Azurite could not be installed; its tests are skipped."; }; \
	else \
	    echo "npm is not installed; the tests of Azure's protocol are skipped."; \
	fi
