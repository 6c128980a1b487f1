# goldendog: what a person or CI types. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
RUN_STAMP := $(VENV)/.run-installed
DEV_STAMP := $(VENV)/.dev-installed
NAUTILUS := .venv-nautilus
NAUTILUS_STAMP := $(NAUTILUS)/.installed

# The first interpreter that is new enough and can make an environment; PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null \
	&& { echo $$p; break; }; done)

# Two workers suit two cores; files stay whole, so that a broker or a compile is paid for once.
PYTEST := $(PY) -m pytest -n 2 --dist loadfile

.PHONY: help setup setup-dev setup-nautilus demo demo-kafka test cover check fix schema golden docs chaos deploy-hosts deploy-docker bench bench-kafka lock clean

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name what; do \
		printf '  make %-14s %s\n' "$$name" "$$what"; done

setup: $(RUN_STAMP) ## make .venv with everything goldendog needs to run

setup-dev: $(DEV_STAMP) ## the same, with what tests and checks need

setup-nautilus: $(NAUTILUS_STAMP) ## make .venv-nautilus, where tests read an export with NautilusTrader (600 MB)

$(PY):
	@test -n "$(PYTHON)" || { echo "goldendog needs Python 3.11 to 3.14 with its venv module; install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "Making $(VENV) with $(PYTHON) ..." >&2
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): requirements/run.lock pyproject.toml | $(PY)
	@echo "Installing goldendog and what it needs into $(VENV) (once; a minute or two) ..." >&2
	@$(PIP) install --no-deps --require-hashes -r requirements/run.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements/dev.lock $(RUN_STAMP)
	@echo "Installing what tests and checks need ..." >&2
	@$(PIP) install --no-deps --require-hashes -r requirements/dev.lock
	@touch $@

$(NAUTILUS_STAMP): requirements/nautilus.lock
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "nautilus_trader 1.221.0 has wheels for Python 3.11 to 3.13 alone; name one: make PYTHON=/path/to/python3.13 setup-nautilus" >&2; exit 2; }
	@echo "Installing NautilusTrader into $(NAUTILUS) (once; half a minute or more) ..." >&2
	@$(PYTHON) -m venv $(NAUTILUS)
	@$(NAUTILUS)/bin/python -m pip --disable-pip-version-check --quiet install --no-compile --no-deps --require-hashes \
		--only-binary :all: -r requirements/nautilus.lock
	@touch $@

demo: setup ## play the RedNote wave of January 2025, from posts and trades to alerts
	@$(VENV)/bin/goldendog demo $(ARGS)

demo-kafka: setup ## the same through Apache Kafka: a broker and two workers, started and ended here
	@$(VENV)/bin/goldendog demo --kafka $(ARGS)

test: setup-dev ## run every test
	@$(PYTEST) $(ARGS)

cover: setup-dev ## branch coverage of schemas and detectors, kernels uncompiled
	@NUMBA_DISABLE_JIT=1 $(PYTEST) schemas detectors tests/unit/test_engine* tests/unit/test_model* \
		tests/unit/test_resolve* tests/unit/test_schemas* tests/unit/test_batch* \
		tests/property/test_resolve* tests/property/test_batch* --cov --cov-report=term $(ARGS)

check: setup-dev ## lint, format, types, layers, schemas, reference: the whole gate but the tests
	@$(PY) -m ruff check --quiet
	@$(PY) -m ruff format --check --quiet || { $(PY) -m ruff format --check; exit 1; }
	@$(PY) -m mypy
	@told=$$($(VENV)/bin/lint-imports --no-cache) || { echo "$$told"; exit 1; }; echo "$$told" | grep '^Contracts:'
	@$(VENV)/bin/goldendog schema --check && $(VENV)/bin/goldendog schema --asyncapi --check
	@$(PY) -m tests.helpers.reference --check

fix: setup-dev ## mend what lint and format can mend by themselves
	@$(PY) -m ruff check --fix --quiet; $(PY) -m ruff format --quiet

schema: setup-dev ## write schemas/jsonschema and schemas/asyncapi.json anew from the structs
	@$(VENV)/bin/goldendog schema --out schemas/jsonschema
	@$(VENV)/bin/goldendog schema --asyncapi --out schemas

golden: setup-dev ## write the golden alerts anew, after a change that moves them on purpose
	@$(PY) -m tests.helpers.golden && $(PY) -m tests.helpers.reference

docs: setup-dev ## write docs/reference and the README's sample alert anew, from code
	@$(PY) -m tests.helpers.reference

chaos: setup-dev ## kill, freeze and confuse workers and a real broker, and compare with a replay (docs/chaos.md)
	@$(PY) -W ignore -m tests.chaos $(ARGS)

deploy-hosts: setup-dev ## bring deploy/ up without Docker: each service a namespace of this machine (Linux, root)
	@$(PY) -W ignore -m tests.deploy.hosts

deploy-docker: setup-dev ## bring deploy/ up with Docker Compose, and put it through a day (Docker Engine)
	@$(PY) -W ignore -m tests.deploy.docker

bench: setup-dev ## measure the engine beside its peers on this machine (docs/benchmarks.md)
	@$(PY) -m benchmarks $(ARGS)

bench-kafka: setup-dev ## measure workers on a real broker beside Faust and quixstreams
	@$(PY) -m benchmarks.kafka $(ARGS)

lock: ## resolve the dependencies anew (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade pyproject.toml --group build -o requirements/run.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade pyproject.toml --group build --group dev \
		-c requirements/run.lock -o requirements/dev.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade --group nautilus --no-deps \
		-c requirements/dev.lock -o requirements/nautilus.lock

clean: ## remove the environments and what tools left behind
	@rm -rf $(VENV) $(NAUTILUS) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
