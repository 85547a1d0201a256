# make demo   install, and run the main job on the sample data against the bundled sandbox
# make test   install what tests need, and run them
PYTHON ?= python3
BIN := .venv/bin
DEMO_STORE := .demo
PYTHON_LOWEST ?= $(lastword python3.10 $(wildcard $(HOME)/.pyenv/versions/3.10.*/bin/python))
LOWEST := .lowest/bin
PYTHON_NEWEST ?= $(lastword python3.13 $(wildcard $(HOME)/.pyenv/versions/3.13.*/bin/python))
NEWEST := .newest/bin
FUZZ_SECONDS ?= 300
INSTALL := -m pip install --quiet --disable-pip-version-check
# A file is tested by one process: what its tests share is made once.
PYTEST := -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile
TESTERS := hatchling hypothesis pytest pytest-xdist pyyaml trustme

.PHONY: demo test lowest newest fuzz bench lint format sandbox settings clean

demo: .venv/run.stamp ## deliver the sample leads to an emulator of all five providers
	@rm -rf $(DEMO_STORE) && mkdir -p $(DEMO_STORE)
	$(BIN)/target-leads --config sample_data/config.json --input sample_data/leads.singer.jsonl

test: .venv/dev.stamp ## run the tests, in a process for each core; PYTEST_ARGS adds to the command (--numprocesses 0: in one)
	$(BIN)/python $(PYTEST) $(PYTEST_ARGS)

lowest: .lowest/run.stamp ## run the tests with the lowest versions that pyproject.toml lets in, on the lowest Python
	$(LOWEST)/python $(PYTEST) $(PYTEST_ARGS)

newest: .newest/run.stamp ## run the tests on the newest Python that the classifiers name
	$(NEWEST)/python $(PYTEST) $(PYTEST_ARGS)

fuzz: .venv/dev.stamp ## look for inputs that break something, for FUZZ_SECONDS each; needs Linux on x86-64
	@mkdir -p .fuzz
	for target in message answer folder run configuration; do \
	  $(BIN)/python -m tests.fuzzing $$target -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=.fuzz/ || exit 1; \
	done

bench: .venv/dev.stamp ## speed, memory, start and growth beside what could be used instead; BENCH_ARGS adds to the command
	@$(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

lint: .venv/dev.stamp ## style, types, import layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev.stamp ## put the code in the house style
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

sandbox: .venv/run.stamp ## serve the emulator until Ctrl+C
	$(BIN)/target-leads sandbox

settings: .venv/dev.stamp ## write docs/settings.md, target_leads/target-leads.yml, meltano.yml and constraints-lowest.txt anew
	$(BIN)/python tests/generated.py
	$(BIN)/python tests/requirements.py

clean: ## remove what the other commands made
	rm -rf .venv .lowest .newest .fuzz .pipelines .benchmarks $(DEMO_STORE) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist

.venv/run.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "target-leads needs Python 3.10 or newer. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python $(INSTALL) --constraint constraints.txt --editable .
	@touch $@

.venv/dev.stamp: .venv/run.stamp
	@$(BIN)/python $(INSTALL) --constraint constraints.txt --editable '.[dev,postgres]'
	@touch $@

.lowest/run.stamp: pyproject.toml constraints-lowest.txt
	rm -rf .lowest && $(PYTHON_LOWEST) -m venv .lowest
	$(LOWEST)/python $(INSTALL) --constraint constraints-lowest.txt --editable '.[postgres,socks]' $(TESTERS)
	@touch $@

.newest/run.stamp: pyproject.toml constraints.txt
	rm -rf .newest && $(PYTHON_NEWEST) -m venv .newest
	$(NEWEST)/python $(INSTALL) --constraint constraints.txt --editable '.[postgres,socks]' $(TESTERS)
	@touch $@
