# Everything a person needs, on a machine with Python 3.11 to 3.13 and make. README.md says more.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: help demo test lint types unit integration bounds coverage versions image bench facts generate lock audit clean

help:  ## show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 22

$(READY): setup.py pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
		--target .venv/klaviyo-api-25.0.0 klaviyo-api==25.0.0
	@touch $@

demo: $(READY)  ## read a made-up account into a local DuckDB file, twice, and look at it
	$(BIN)/python -m tools.demo

test: lint types unit integration bounds  ## everything that CI runs

lint: $(READY)  ## style and common mistakes
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)  ## static types
	$(BIN)/mypy

unit: $(READY)  ## tests of the parts
	$(BIN)/python -m pytest --quiet --numprocesses auto unit_tests

integration: $(READY)  ## tests of the whole, against the simulator
	$(BIN)/python -m pytest --quiet --numprocesses auto --dist loadfile integration_tests

bounds: $(READY)  ## the unit tests with the oldest and the newest supported Python, if this machine has them
	$(BIN)/python -m tools.versions bounds

coverage: $(READY)  ## which lines and branches no test runs, in processes of the connector too (twice as slow)
	$(BIN)/python -m pytest --quiet --cov --cov-report=term -m 'not slow' unit_tests integration_tests

versions: $(READY)  ## the unit tests with each supported Python that this machine has
	$(BIN)/python -m tools.versions

# Labels as Airbyte's builder sets them. The machine's network, since that is where registries of packages are reached.
image:  ## build airbyte/source-klaviyo:dev with Docker (BASE_IMAGE=…: on another base)
	docker build --network host $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
		--label io.airbyte.name=airbyte/source-klaviyo \
		--label io.airbyte.version=$$(sed -n 's/^  dockerImageTag: //p' metadata.yaml) \
		--tag airbyte/source-klaviyo:dev .

bench: $(READY)  ## speed, limits, requests and memory, beside Airbyte's connector: half an hour (QUICK=1: minutes; FULL=1: hours)
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(FULL),--full)

facts: $(READY)  ## take over into facts/ what is new in Klaviyo's OpenAPI documents (DOCUMENTS='…'), and list what to describe
	$(BIN)/python -m tools.facts $(DOCUMENTS)

generate: $(READY)  ## write all that is derived from declarations and facts: schemas, tables, snapshots (BREAKING=1: even if syncs break)
	$(BIN)/python -m tools.generate $(if $(BREAKING),--breaking)
	$(BIN)/python -m integration_tests.acceptance.writing

lock: $(READY)  ## write requirements.lock anew: what the image installs, each package with its hashes
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-emit-options \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.lock setup.py

# Not part of `test`: it asks a service for known vulnerabilities, which is not within reach everywhere, where
# registries of packages are the only thing that is.
audit: $(READY)  ## look for known vulnerabilities in what requirements.lock pins
	$(BIN)/pip-audit --requirement requirements.lock --disable-pip --require-hashes --strict

clean:  ## remove what the other targets made
	rm -rf .venv benchmarks/.venv-airbyte demo-output build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
