# Everything from a fresh clone. Python 3.11 or later, git and make are enough; AWS and the SAM CLI are needed for
# `build` and `deploy` only. The second run of anything installs nothing.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
UV := .venv/bin/uv
# What the machine trusts, uv trusts: behind a company's proxy its own list is not enough.
export UV_SYSTEM_CERTS := 1
LOCAL := .venv/bin/python -m local
SAM := SAM_CLI_TELEMETRY=0 PATH="$(CURDIR)/.venv/bin:$$PATH" .venv-sam/bin/sam
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate $(if $(UPGRADE),--upgrade)

.PHONY: help
help: ## Print this
	@printf 'make …\n'
	@sed -nE 's/^([a-z]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

# ---------------------------------------------------------------- the stack on this machine
# Values go through the environment, not into the recipe: a file name may hold blanks and quotes.

.PHONY: up down account demo upload
up: .venv/stamp-local ## Start the local stack; PORT=4566, AUTH=1 enforces IAM
	@$(LOCAL) up $${PORT:+--port "$$PORT"} $${AUTH:+--auth}

down: .venv/stamp-local ## Stop it; PORT= picks one of several
	@$(LOCAL) down $${PORT:+--port "$$PORT"}

account: .venv/stamp-local ## Make an account and a key: EMAIL=you@example.org PLAN=professional NAME= PORT=
	@$(if $(EMAIL),,echo 'Say for whom: make account EMAIL=you@example.org PLAN=professional' >&2; exit 1;) \
	$(LOCAL) account --email "$$EMAIL" $${PLAN:+--plan "$$PLAN"} $${NAME:+--name "$$NAME"} $${PORT:+--port "$$PORT"}

demo: .venv/stamp-local ## Take a tour: FILE=your.csv PORT=4566, DEMO_ONCE=1 stops at the end
	@$(LOCAL) demo $${FILE:+--file "$$FILE"} $${PORT:+--port "$$PORT"} $${DEMO_ONCE:+--once}

# With URL and KEY in the environment, to a deployed stack. Interrupted, the same command goes on.
upload: .venv/stamp-local ## Upload a file of up to 10 GB: FILE=big.csv PROJECT= NAME= PORT=; URL= KEY= for a deployed stack
	@$(if $(FILE),,echo 'Say which file: make upload FILE=big.csv' >&2; exit 1;) \
	$(LOCAL) upload --file "$$FILE" $${PROJECT:+--project "$$PROJECT"} $${NAME:+--name "$$NAME"} \
		$${PORT:+--port "$$PORT"} $${URL:+--url "$$URL"}

# ---------------------------------------------------------------- tests and checks

.PHONY: test check bench
# With Docker here, the functions run in the runtime's image, too (tests/sam), which takes the SAM CLI.
test: .venv/stamp-test $(if $(shell command -v docker),.venv-sam/stamp) ## Run the tests; ARGS= goes to pytest
	.venv/bin/python -m pytest -n 2 --dist worksteal $(ARGS)

check: .venv/stamp-test ## Lint, format, types and the template
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/cfn-lint template.yaml
	@if [ -x .venv-sam/bin/sam ]; then \
		echo sam validate --lint && AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint; \
	else echo 'sam validate --lint is left out: the SAM CLI comes with make build'; fi

bench: .venv/stamp-test ## Run every benchmark, or one: BENCH=ingest ARGS='--rows 1000000'
	@for bench in $(or $(BENCH:%=tests/bench/%.py),$(sort $(wildcard tests/bench/[a-z]*.py))); do \
		echo "== $$bench"; .venv/bin/python "$$bench" $(ARGS) || exit 1; \
	done

.PHONY: openapi costs
openapi: .venv/stamp-local ## Write the OpenAPI documents anew, or one: API=reference
	@PYTHONPATH=functions:layers/core/python AWS_DEFAULT_REGION=us-east-1 .venv/bin/python -m local.openapi $(API)

costs: .venv/stamp-test ## Count the AWS calls of every route, and write them into docs/operations.md
	@PYTHONPATH=functions:layers/core/python .venv/bin/python -m tests.costs >/dev/null

# ---------------------------------------------------------------- AWS

.PHONY: build deploy
# The layers' wheels must be for the runtime and the processor that the template gives the functions.
RUNTIME ?= python3.13
ARCHITECTURE ?= arm64
BUILD_DIR ?= .aws-sam/build
PARAMETERS = --parameter-overrides Runtime=$(RUNTIME) Architecture=$(ARCHITECTURE)
WHEELS = PYTHON_VERSION=$(RUNTIME:python%=%) PLATFORM=$(ARCHITECTURE:arm64=aarch64)-manylinux_2_28

build: .venv-sam/stamp ## Build for AWS (sam build); ARCHITECTURE=x86_64, RUNTIME=python3.13
	$(WHEELS) $(SAM) build --build-dir $(BUILD_DIR) $(PARAMETERS)
	@.venv/bin/python layers/after_build.py $(BUILD_DIR) $(RUNTIME:python%=%)

deploy: build ## Deploy to your AWS account (sam deploy --guided)
	$(SAM) deploy --guided $(PARAMETERS) $(ARGS)

# ---------------------------------------------------------------- what is installed

.PHONY: lock clean
lock: $(UV) ## Pin anew what is installed, here and in the layers; UPGRADE=1 takes newer versions
	$(COMPILE) pyproject.toml --group test -o requirements/test.txt
	$(COMPILE) pyproject.toml --group local -c requirements/test.txt -o requirements/local.txt
	$(COMPILE) pyproject.toml -c requirements/test.txt -o layers/dependencies/requirements.txt
	$(COMPILE) --group engine -c requirements/test.txt -o layers/engine/requirements.txt
	$(COMPILE) --group rendering -c requirements/test.txt -o layers/rendering/requirements.txt
	$(COMPILE) --group reports -c requirements/test.txt -o layers/reports/requirements.txt
	$(COMPILE) requirements/sam.in -o requirements/sam.txt
	echo uv==$(UV_VERSION) | $(COMPILE) - -o requirements/uv.txt

clean: ## Stop every local stack, remove all that was installed or built
	@if [ -e .venv/stamp-local ]; then $(LOCAL) down --all || true; fi
	rm -rf .venv .venv-sam .local .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(UV): requirements/uv.txt
	@for python in $${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Fluvial needs Python 3.11 or later, and $${PYTHON:-python3} is $$("$${PYTHON:-python3}" --version 2>/dev/null || echo missing): install one, or name it with PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	echo "  · making .venv with $$("$$found" --version)"; \
	"$$found" -m venv .venv >/dev/null 2>&1 || { \
		echo "$$found cannot make virtual environments (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }; \
	.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/stamp-local: requirements/local.txt $(UV)
	@echo '  · installing the packages of the local stack'
	@$(UV) pip install --quiet --python .venv/bin/python --require-hashes -r $<
	@touch $@

.venv/stamp-test: requirements/test.txt $(UV)
	@echo '  · installing the packages of the tests'
	@$(UV) pip install --quiet --python .venv/bin/python --require-hashes -r $<
	@touch $@

.venv-sam/stamp: requirements/sam.txt $(UV)
	@echo '  · installing the SAM CLI into .venv-sam'
	@$(UV) venv --quiet --allow-existing --python .venv/bin/python .venv-sam
	@$(UV) pip install --quiet --python .venv-sam/bin/python --require-hashes -r $<
	@touch $@
