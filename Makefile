# Every command a person needs. `make help` lists them by group; a missing Python environment is built on the way.
SHELL := /bin/bash
.DEFAULT_GOAL := all
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
EXPORTS := PYTHONUNBUFFERED=1
# What our contracts import, fetched once; generated like our own, so that the two are one tree of Python modules.
PROTO_IMPORTS := .state/proto-imports/buf/validate/validate.proto

.PHONY: all help env lock run status stop verify test test-unit test-deep lint format bench bench-freshness bench-intake bench-accounts proto proto-check generate-into proto-image docs clean

all: $(STAMP) help

help: ## Show this list
	@awk 'BEGIN {FS = ":.*?## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*?## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Set-up
env: $(STAMP) ## Build the Python environment in .venv from the hashed lock

$(STAMP): requirements/uv.txt requirements/all.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing: install Python 3.11 with its venv module, or name one with PYTHON=…" >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --require-hashes -r requirements/uv.txt
	@$(VENV)/bin/uv pip sync --quiet --python $(PY) --require-hashes requirements/all.txt requirements/uv.txt
	@printf '%s\n%s\n' "$(CURDIR)" "$(CURDIR)/generated" > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/carbonbureau.pth"
	@touch $(STAMP)
	@echo "environment ready in $(VENV)"

lock: ## Resolve the dependencies of pyproject.toml anew into requirements/ (hashes, no addresses)
	$(VENV)/bin/uv pip compile --quiet --no-header --python-version 3.11 --generate-hashes requirements/uv.in -o requirements/uv.txt
	$(VENV)/bin/uv pip compile --quiet --no-header --python-version 3.11 --generate-hashes pyproject.toml --group local --group test --group lint --group bench -o requirements/all.txt

##@ Run
run: $(STAMP) ## Start PostgreSQL, Kafka, the four services and the sandbox province; ONCE=1 ends after the table
	@$(EXPORTS) $(PY) -m deploy.local run $(if $(ONCE),--once)

status: $(STAMP) ## Show what runs where
	@$(PY) -m deploy.local status

stop: $(STAMP) ## Stop everything that `make run` started
	@$(PY) -m deploy.local stop

verify: $(STAMP) ## Check a signed report offline: make verify FILE=report.jws [KEYS=published-keys.json]
	@test -n "$(FILE)" || { echo "make verify: name the report: make verify FILE=report.jws" >&2; exit 2; }
	@$(PY) -m services.reports verify "$(FILE)" --keys "$(or $(KEYS),.state/keys/published-keys.json)"

##@ Prove
test: $(STAMP) ## Every test: unit, contract, integration, end to end, chaos (real Kafka and PostgreSQL)
	@$(PY) -m pytest tests/unit tests/chaos tests/contract tests/e2e tests/integration -m "not deep"

test-unit: $(STAMP) ## Tests without sockets or servers, in seconds
	@$(PY) -m pytest tests/unit

test-deep: $(STAMP) ## The long matrices
	@$(PY) -m pytest tests -m deep

lint: $(STAMP) $(PROTO_IMPORTS) ## ruff, mypy --strict, import-linter, buf lint, buf breaking, generated code up to date
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check --quiet . || { echo "lint: run 'make format'" >&2; exit 1; }
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache
	@$(VENV)/bin/buf lint
	@$(VENV)/bin/buf breaking --against proto/image.binpb
	@$(MAKE) --no-print-directory proto-check

format: $(STAMP) ## Format and sort imports
	@$(VENV)/bin/ruff check --fix-only --quiet .
	@$(VENV)/bin/ruff format --quiet .

bench: bench-freshness bench-intake bench-accounts ## Every benchmark

bench-freshness: $(STAMP) ## Submission published to new grade seen by a bank (p50, p95)
	@$(EXPORTS) $(PY) -m tests.bench.freshness

bench-intake: $(STAMP) ## Whole intake over bare poll, COPY and upsert of the same rows, in one process and in two
	@$(EXPORTS) $(PY) -m tests.bench.intake

bench-accounts: $(STAMP) ## Cost and memory of one more account among 1,000 to 100,000 (CARBONBUREAU_BENCH_ACCOUNTS_SIZES for fewer)
	@$(EXPORTS) $(PY) -m tests.bench.accounts

##@ Contracts
PROTOC = $(PY) -m grpc_tools.protoc -Iproto -I.state/proto-imports --plugin=protoc-gen-mypy=$(VENV)/bin/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(VENV)/bin/protoc-gen-mypy_grpc

$(PROTO_IMPORTS): proto/pom.xml
	@command -v mvn >/dev/null || { echo "make: mvn is missing: install Maven (Debian: apt-get install maven)" >&2; exit 1; }
	@mvn --quiet --batch-mode --file proto/pom.xml dependency:unpack -DoutputDirectory=$(CURDIR)/.state/proto-imports -Dmdep.useSubDirectoryPerArtifact=false </dev/null
	@touch $@

proto: $(STAMP) $(PROTO_IMPORTS) ## Regenerate generated/ from proto/
	@rm -rf generated/carbonbureau generated/buf && $(MAKE) --no-print-directory generate-into DIR=generated

proto-check: $(STAMP) $(PROTO_IMPORTS) ## Fail when generated/ is not what proto/ makes
	@rm -rf .state/generated && $(MAKE) --no-print-directory generate-into DIR=.state/generated
	@diff -r -x __pycache__ .state/generated generated >/dev/null || { echo "lint: generated/ is out of date: run 'make proto'" >&2; exit 1; }

generate-into:
	@mkdir -p $(DIR)
	@$(PROTOC) --python_out=$(DIR) --grpc_python_out=$(DIR) --mypy_out=quiet:$(DIR) --mypy_grpc_out=quiet:$(DIR) $$(cd proto && find carbonbureau -name '*.proto' | sort) buf/validate/validate.proto
	@$(PY) -c 'import pathlib, sys; [p.unlink() for p in pathlib.Path(sys.argv[1]).rglob("*_pb2_grpc.py*") if "Stub" not in p.read_text()]' $(DIR)

proto-image: $(STAMP) $(PROTO_IMPORTS) ## Accept the contracts as they are: the image that buf breaking compares with (add a CHANGELOG line)
	@$(VENV)/bin/buf build --exclude-source-info -o proto/image.binpb

##@ House
docs: $(STAMP) ## Write docs/rules.md from the catalogue of rules
	@$(PY) -m services.collector rules --markdown > docs/rules.md

clean: ## Stop everything and remove .state and caches (the Python environment stays)
	@test ! -x $(PY) || $(PY) -m deploy.local clean
	@rm -rf .state .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
