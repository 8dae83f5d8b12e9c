# What a newcomer needs: `make demo`, then `make test`. Each makes its own environment with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := tests/requirements.lock
READY := $(VENV)/.ready

# The tests start many processes: without kept bytecode each would compile everything anew, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo docs test test-all stacks frameworks coverage fuzz crash cluster soak check format bench record drift lock web clients clean

help:
	@echo "make demo      play examples/fox.demo.yaml on the emulator (LIVE=1: on OpenRouter) and write out/demo/"
	@echo "make docs      build the pages of docs/ and the reference into out/docs/"
	@echo "make test      run the tests"
	@echo "make test-all  run the slow tests as well"
	@echo "make stacks    run against nginx, HAProxy, Caddy, tinyproxy (where they are installed), LiteLLM, llama.cpp, and pages of React (about 1.4 GB in .stacks/)"
	@echo "make frameworks run an agent as a tool of other frameworks, installed into .frameworks/"
	@echo "make coverage  run the tests and hold the floors 0 to 3 to 95 % of their branches"
	@echo "make fuzz      fuzz all that reads bytes from outside, ten minutes for each target (SECONDS=60 TARGET=sse)"
	@echo "make crash     kill programs that draw, at every step and at random moments (ARGS='--kills 200 --seed 7 --kept sqlite')"
	@echo "make cluster   two web processes and four workers on loopback, one of each killed while it draws (ARGS='--runs 40')"
	@echo "make soak      200 streams at once with a ledger and sessions, one in ten cancelled (MINUTES=60)"
	@echo "make check     lint, formatting, strict types"
	@echo "make format    fix what the formatter and the linter can fix"
	@echo "make bench     measure agentkit beside raw httpx2 and the openai SDK (ARGS=--quick: in a minute; PEERS=1: and other frameworks, installed into .peers/)"
	@echo "make record    record the examples into cassettes/, from the emulator (LIVE=1: from OpenRouter, which costs money)"
	@echo "make drift     what the types of OpenRouter's SDK know and agentkit does not, each with its reason"
	@echo "make web       build the chat page from agentkit/web/page/ (Node 20 or newer)"
	@echo "make clients   install the chat clients of npm that the tests of the chat server read with (make test does it; needs Node 20)"
	@echo "make lock      bring $(LOCK) up to date with pyproject.toml"

$(READY): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit("agentkit needs Python 3.11 or newer; this is " + sys.version.split()[0] + ": make PYTHON=python3.11 …" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(READY)

demo: $(READY)
	$(BIN)/agentkit demo examples/fox.demo.yaml --out out/demo $(if $(filter 1,$(LIVE)),--live,)

docs: $(READY)
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -d out/doctrees . out/docs
	@echo "Documentation: out/docs/index.html"

test: $(READY) clients
	$(BIN)/python -m pytest -q -n auto --dist worksteal $(ARGS)

test-all: $(READY) clients
	$(BIN)/python -m pytest -q -n auto --dist worksteal -m "not live and not stacks" --hypothesis-profile=thorough $(ARGS)

stacks: $(READY)
	$(BIN)/python -m tests.stacks.install
	$(BIN)/python -m pytest -q -rs -m stacks tests/stacks $(ARGS)

frameworks: $(READY)
	$(PYTHON) -m venv .frameworks
	.frameworks/bin/python -m pip install --quiet --disable-pip-version-check -e .[dev] openai-agents pydantic-ai-slim langchain-core
	.frameworks/bin/python -m pytest -q tests/frameworks $(ARGS)

coverage: $(READY)
	$(BIN)/python -m pytest -q -n auto --dist worksteal --cov=agentkit --cov-branch --cov-report= --cov-report=json:.coverage.json $(ARGS)
	$(BIN)/python -m tests.architecture.covered .coverage.json

fuzz: $(READY)
	$(BIN)/python -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS),) $(if $(TARGET),--target $(TARGET),) $(ARGS)

crash: $(READY)
	$(BIN)/python -m tests.crash $(ARGS)

cluster: $(READY)
	$(BIN)/python -m tests.cluster $(ARGS)

soak: $(READY)
	$(BIN)/python -m tests.soak $(if $(MINUTES),--minutes $(MINUTES),) $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) $(if $(filter 1,$(PEERS)),.peers/.ready)
	$(BIN)/python -m tests.benchmarks $(if $(filter 1,$(PEERS)),--peers .peers/bin/python) $(ARGS)

.peers/.ready: tests/benchmarks/peers.txt
	$(PYTHON) -m venv .peers
	.peers/bin/python -m pip install --quiet --disable-pip-version-check -r tests/benchmarks/peers.txt
	@touch $@

record: $(READY)
	$(BIN)/python -m tests.cassettes.record $(if $(filter 1,$(LIVE)),--live,)

drift: $(READY)
	$(BIN)/python -m tests.drift

clients: $(READY)
	@$(BIN)/python -m tests.web_clients.install

web:
	npm ci --prefix agentkit/web/page --no-audit --no-fund --silent
	npm run --prefix agentkit/web/page --silent build

lock: $(READY)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-header --no-annotate --no-emit-index-url --no-emit-find-links --extra all pyproject.toml -o $(LOCK)

clean:
	rm -rf $(VENV) .stacks .frameworks .peers out .pytest_cache .ruff_cache .hypothesis .coverage .coverage.json
