# Each target makes .venv when it is missing or when pyproject.toml or constraints.txt changed.
# A machine without a GPU saves gigabytes by: export PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TORCH := 2.13.0
# What the command line leans on, in pure Python.
OLDEST := jsonargparse pytorch-lightning ruamel.yaml docstring-parser pluggy
# What reads data that is downloaded: run where TLML_DATA says where that is.
READING := benchmarks/suites/continual.yaml benchmarks/suites/many_permutations.yaml benchmarks/suites/continual_chosen.yaml
EXTRAS := vision,peft,ot,rl,dev,docs
# A file's tests share what they make once; the order is that of testpaths, the slowest first.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --durations 10

.DEFAULT_GOAL := help
.PHONY: help demo quickstart-settings test test-fast test-oldest lint format bench bench-meta bench-training bench-continual bench-cells bench-check bench-report bench-optimiser bench-rl bench-rl-speed bench-transfer stress docs names constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## compare four ways of transfer on glyphs and digits: a table, plots, a report
	$(BIN)/tlml bench quickstart

quickstart-settings: $(READY) ## choose the settings of the demo on validation tasks; half an hour
	$(BIN)/python -m benchmarks.quickstart

test: $(READY) ## run all tests on two cores, code blocks of the documentation included
	$(PYTEST)

test-fast: $(READY) ## run the tests of modules and of families alone
	$(PYTEST) tests/unit tests/family

test-oldest: $(READY) ## run the tests of the command line with the oldest versions that it may have
	$(BIN)/python .ci/oldest.py $(OLDEST) > $(VENV)/oldest.txt
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(VENV)/oldest -r $(VENV)/oldest.txt
	OMP_NUM_THREADS=1 PYTHONPATH=$(VENV)/oldest $(BIN)/python -m pytest tests/unit/cli tests/unit/registry tests/unit/test_yaml_lines.py tests/integration/cli

lint: $(READY) ## ruff, mypy, import-linter
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(READY) ## run the suites and the speed benchmarks of benchmarks/
	for suite in $(filter-out $(if $(TLML_DATA),,$(READING)),$(wildcard benchmarks/suites/*.yaml)); do $(BIN)/tlml bench "$$suite" || exit 1; done
	$(MAKE) bench-meta

bench-meta: $(READY) ## time MAML's outer step; LEARN2LEARN=its checkout compares with it
	$(BIN)/python -m benchmarks.speed.meta $(if $(LEARN2LEARN),--learn2learn "$(LEARN2LEARN)")

bench-training: $(READY) ## time a whole training of MAML; LEARN2LEARN=its checkout is compared with
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.speed.training --learn2learn "$(LEARN2LEARN)"

bench-continual: $(READY) ## time La-MAML's step on a stream; AUTHORS=their checkout compares with it
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.speed.continual $(if $(AUTHORS),--authors "$(AUTHORS)")

bench-cells: $(READY) ## time what it costs to make a cell safe, and what two jobs gain
	$(BIN)/python -m benchmarks.speed.cells
	$(BIN)/python -m benchmarks.speed.jobs

bench-report: $(READY) ## time what a report of 10,000 cells takes, part by part
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.speed.report --readme

bench-optimiser: $(READY) ## time a training step with torch's optimiser as it is, and fused
	$(BIN)/python -m benchmarks.speed.optimiser

bench-rl-speed: $(READY) ## time PPO and DQN on CartPole against Stable-Baselines3
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(VENV)/rl -r benchmarks/speed/rl_requirements.txt
	PYTHONPATH=$(VENV)/rl $(BIN)/python -m benchmarks.speed.rl
	PYTHONPATH=$(VENV)/rl $(BIN)/python -m benchmarks.speed.replay

bench-transfer: $(READY) ## compare maps, weights and alignment with skada: accuracy and time
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(VENV)/transfer -c constraints.txt -r benchmarks/transfer/requirements.txt
	PYTHONPATH=$(VENV)/transfer $(BIN)/python -m benchmarks.transfer.compare

bench-rl: $(READY) ## learn by the recipes of agents, beside Stable-Baselines3 on CartPole; an hour
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(VENV)/rl -c constraints.txt -r benchmarks/speed/rl_requirements.txt
	PYTHONPATH=$(VENV)/rl OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.rl ppo_cartpole dqn_cartpole --sb3 --out runs/agents.json
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.rl --out runs/agents.json

bench-check: $(READY) ## say which recorded figures are older than the code that they measure
	$(BIN)/python -m benchmarks.check $(if $(STRICT),--strict)

stress: $(READY) ## kill, stop and double runs at random, fill disks, damage files: tried and held
	$(BIN)/python -m benchmarks.stress

docs: $(READY) ## build the documentation into site/
	$(BIN)/sphinx-build --fail-on-warning --quiet docs site

names: $(READY) ## write docs/names.md anew from what is registered
	$(BIN)/python docs/list_names.py

constraints: $(READY) ## pin the newest versions of everything but torch
	$(BIN)/pip install --quiet --dry-run --ignore-installed --report $(VENV)/report.json torch==$(TORCH) hatchling editables ".[$(EXTRAS)]"
	$(BIN)/python .ci/pins.py < $(VENV)/report.json

clean: ## remove what was built, .venv included; results in runs/ stay
	rm -rf $(VENV) build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# pip older than 25.3 takes the constraints of the build environment from PIP_CONSTRAINT.
$(READY): export PIP_CONSTRAINT := constraints.txt
$(READY): export PIP_BUILD_CONSTRAINT := constraints.txt
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt --editable ".[dev,docs,rl]"
	touch $@
