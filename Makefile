# Every command a person needs. `make help` lists them by group; a missing Python environment is built on the way.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
EXPORTS := PYTHONUNBUFFERED=1

.PHONY: help env run stop status test test-unit test-deep lint proto verify bench bench-freshness clean

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

##@ Contracts
proto: $(STAMP) ## Regenerate generated/ from proto/ and check that the contracts still fit the committed image
	@rm -rf generated/carbonbureau && mkdir -p generated
	@$(PY) -m grpc_tools.protoc -Iproto --plugin=protoc-gen-mypy=$(VENV)/bin/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(VENV)/bin/protoc-gen-mypy_grpc \
	  --python_out=generated --grpc_python_out=generated --mypy_out=generated --mypy_grpc_out=generated \
	  $$(find proto -name "*.proto" | sort) 2>&1 | { grep -v "^Writing mypy to" || true; }
	@$(PY) -c 'import pathlib; [p.unlink() for p in pathlib.Path("generated").rglob("*_pb2_grpc.py*") if "Stub" not in p.read_text()]'

proto-image: $(STAMP) ## Accept the current contracts as the image that buf breaking compares with (say so in CHANGELOG.md)
	@$(VENV)/bin/buf build -o proto/image.binpb
