# make demo        the whole pipeline on this machine, with a made-up city; or a larger one: make demo PEOPLE=20_000
# make demo-stop   stop all that it started
# make demo-sources  two days of the city pulled from five of its agencies' systems: databases, folders, an API
# make quick       the tests that take seconds; for after each change
# make test        all tests
# make truth       every case of an odd file through the stations, with a table: right, loud, silently wrong, crashed
# make attack      what a bad sender, a bad reader or a bad contract may try, against the pipeline
# make soak        20,000 histories of deliveries against a model, on all cores (an hour or two)
# make kill-test   deliveries with 100 kill -9 of worker and PostgreSQL, pulls with 300 of puller and source, then 16 of Airflow (an hour)
# make pull-test   three days of the city pulled by Airflow from five real servers: the tables of the dropped files (minutes)
# make production-test  the services of docker-compose.yml without Docker: killed, paused, upgraded, restored (half an hour)
# make fuzz        damaged files through every reader, for ten minutes; or make fuzz MINUTES=1
# make pollution   polluted CSV files through our reader and through others, with scores
# make docs        the reference of commands and modules, and the tutorial's outputs, anew
# make lines       how many lines each dataset is: contract, suite, simulator
# make hashes      what the image installs, each file by its hash, anew: docker/requirements.txt
# make sbom        what all this is made of, as a CycloneDX list: build/sbom.cdx.json
# make bench       what it costs, beside COPY and other tools (half an hour); or, in minutes, make bench SIZE=20_000
# make linkage     who is who in a made-up city: how many rows find their person, and at what cost; or SIZE=100_000
# make bench-docs  the latest figures into docs/performance.md
# make bench-airflow  from a file's arrival to its rows in the table, in the demo's Airflow
#
# Needs Python 3.11 or newer and nothing else. Another interpreter: make demo PYTHON=/path/to/python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := "$(BIN)/python" -m pip --disable-pip-version-check --quiet install
# .venv may be a copy from elsewhere; the programs in it are called through its interpreter, which finds its own place.

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-stop demo-sources quick test docs truth attack soak kill-test pull-test production-test fuzz pollution hashes sbom bench bench-docs bench-airflow linkage lines lint clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "Python is missing: install Python 3.11 or newer, or name one: make demo PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, this is $$("$(PYTHON)" --version 2>&1): make demo PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing: install it (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Creating the virtual environment in $(VENV)"
	@"$(PYTHON)" -m venv "$(VENV)" || { rm -rf "$(VENV)"; exit 1; }

# The stamps make a second call quick: pip runs again only when what is to be installed has changed.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the pipeline with Airflow (about a minute)"
	@$(PIP) -c constraints.txt -e ".[airflow]"
	@touch "$@"

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the pipeline with Airflow, and the tools for the tests (some minutes)"
	@$(PIP) -c constraints.txt -e ".[airflow,dev]"
	@touch "$(VENV)/.installed" "$@"

$(VENV)/.installed-bench: $(VENV)/.installed
	@echo "Installing what the pipeline is measured beside"
	@$(PIP) -c constraints.txt -e ".[airflow,bench]"
	@touch "$@"

venv: $(VENV)/.installed-dev

PEOPLE ?= 5_000
demo: $(VENV)/.installed
	@"$(BIN)/python" -m demo start $(PEOPLE)

demo-stop:
	@if [ -x "$(BIN)/python" ]; then "$(BIN)/python" -m demo stop; else echo "Nothing was running."; fi

demo-sources: $(VENV)/.installed-dev
	@"$(BIN)/python" -m demo.sources

quick: $(VENV)/.installed-dev
	@"$(BIN)/python" -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -m "not slow"

test: $(VENV)/.installed-dev
	@"$(BIN)/python" -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

docs: $(VENV)/.installed-dev
	@"$(BIN)/python" -m typer etl.cli utils docs --name citydw --output docs/reference/commands.md
	@"$(BIN)/python" -m tests.tools.modules
	@"$(BIN)/python" -m demo.tutorial

truth: $(VENV)/.installed-dev
	@"$(BIN)/python" -m tests.tools.truth $(CASES_OF)

attack: $(VENV)/.installed-dev
	@"$(BIN)/python" -m pytest tests/attack

soak: $(VENV)/.installed-dev
	@"$(BIN)/python" -m tests.tools.soak

kill-test: $(VENV)/.installed-dev
	@"$(BIN)/python" -m tests.tools.kill_processes
	@"$(BIN)/python" -m tests.tools.kill_pulls
	@"$(BIN)/python" -m tests.tools.kill_airflow

pull-test: $(VENV)/.installed-dev
	@"$(BIN)/python" -m tests.tools.pull_airflow

# An environment of its own: what the image installs, and nothing else. Needs Python 3.11 on Linux, x86_64, as the image is.
PRODUCTION := build/venv-production
INTO_PRODUCTION := "$(PRODUCTION)/bin/python" -m pip --disable-pip-version-check --quiet install
$(PRODUCTION)/.installed: pyproject.toml docker/requirements.txt
	@echo "Installing what the image of docker/Dockerfile has (about a minute)"
	@"$(PYTHON)" -m venv --clear "$(PRODUCTION)"
	@$(INTO_PRODUCTION) --no-deps --require-hashes -r docker/requirements.txt
	@$(INTO_PRODUCTION) --no-deps --no-build-isolation -e .
	@"$(PRODUCTION)/bin/python" -m pip --disable-pip-version-check check
	@touch "$@"

production-test: $(PRODUCTION)/.installed
	@"$(PRODUCTION)/bin/python" -m tests.production

MINUTES ?= 10
fuzz: $(VENV)/.installed-dev
	@"$(BIN)/python" -m tests.tools.fuzz $(MINUTES)

pollution: $(VENV)/.installed-dev
	@"$(BIN)/python" -m tests.tools.pollution

# An environment of its own: what the list's tool brings would make every process of the tests begin a second later.
SBOM := build/venv-sbom
$(SBOM)/.installed: pyproject.toml constraints.txt
	@"$(PYTHON)" -m venv "$(SBOM)"
	@"$(SBOM)/bin/python" -m pip --disable-pip-version-check --quiet install -c constraints.txt "cyclonedx-bom>=7"
	@touch "$@"

sbom: $(VENV)/.installed-dev $(SBOM)/.installed
	@"$(SBOM)/bin/python" -m cyclonedx_py environment --pyproject pyproject.toml --output-reproducible --of JSON \
	  -o build/sbom.cdx.json "$(BIN)/python"
	@echo "build/sbom.cdx.json"

SIZE ?= 1_000_000
ROUNDS ?= 1
CASES ?= 1 2 5 6 7
ROWS_OF ?= visits declarations
bench: $(VENV)/.installed-bench
	@"$(BIN)/python" -m bench run --size $(SIZE) --rounds $(ROUNDS) --cases "$(CASES)" --rows-of "$(ROWS_OF)"

linkage: $(VENV)/.installed-dev
	@"$(BIN)/python" -m bench.linkage --size $(SIZE)

bench-docs: $(VENV)/.installed-bench
	@"$(BIN)/python" -m bench docs

bench-airflow: $(VENV)/.installed
	@"$(BIN)/python" -m bench.airflow

hashes: $(VENV)/.installed-dev
	@"$(BIN)/python" -m tests.tools.hashes

lines: $(VENV)/.installed-dev
	@"$(BIN)/python" -m tests.tools.lines

lint: $(VENV)/.installed-dev
	@"$(BIN)/python" -m ruff check .
	@"$(BIN)/python" -m ruff format --check .
	@"$(BIN)/python" -m mypy
	@"$(BIN)/lint-imports"

clean: demo-stop
	@rm -rf "$(VENV)" var build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
