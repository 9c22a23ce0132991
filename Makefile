# Every command sets up what it needs at its first use. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON3 ?= python3
PYTHON := PYTHONPATH=plugins .venv/bin/python
EXCHANGE ?=
ACCEPT ?=
DATE ?=
FROM ?=
TO ?=
SQL ?=
FILE ?=
ARGS ?=
TESTS ?= tests

# Resolutions are dated: what a later release breaks must not reach an older set.
AIRFLOW_DATE := 2026-08-25
LOCAL_DATE := 2026-11-20

.PHONY: help setup run history verify diff query ui airflow test test-dags test-compose test-mwaa cost bench lint deploy destroy \
  doctor structure constraints clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make the environments (.venv is the editor's)
	@$(PYTHON3) -m local.setup

run: setup ## Run the daily DAG once: [DATE=YYYY-MM-DD] [EXCHANGE=auto|live|simulated|FOLDER] [ACCEPT=flood,loss]
	@$(PYTHON) -m local.commands.run --date "$(DATE)" --exchange "$(EXCHANGE)" --accept "$(ACCEPT)"

history: setup ## Whole years from B3's annual files: FROM=2020 [TO=2024] [EXCHANGE=…] [ACCEPT=flood,loss]
	@$(PYTHON) -m local.commands.history --from "$(FROM)" --to "$(TO)" --exchange "$(EXCHANGE)" --accept "$(ACCEPT)"

verify: setup ## The whole lake against landing/, status 0 if nothing differs: [FROM=YYYY-MM-DD] [TO=…] [EXCHANGE=simulated]
	@$(PYTHON) -m local.commands.verify --from "$(FROM)" --to "$(TO)" --exchange "$(EXCHANGE)"

diff: setup ## What B3 corrected in a session: DATE=YYYY-MM-DD [FROM=1] [TO=2] [EXCHANGE=simulated]
	@$(PYTHON) -m local.commands.diff --date "$(DATE)" --from "$(FROM)" --to "$(TO)" --exchange "$(EXCHANGE)"

query: setup ## Ask the local lake: SQL="SELECT …" or FILE=path.sql [DATE=…] [EXCHANGE=simulated]
	@$(PYTHON) -m local.commands.query --sql "$$B3_SQL" --file "$(FILE)" --date "$(DATE)" --exchange "$(EXCHANGE)"
query: export B3_SQL = $(SQL)

ui: setup ## Airflow's UI over the same lake, with its scheduler; Ctrl-C ends it: [EXCHANGE=…]
	@exec env PYTHONPATH=plugins .venv/bin/python -m local.commands.ui --exchange "$(EXCHANGE)"

airflow: setup ## A command of Airflow's own on the same lake: ARGS="dags list" [EXCHANGE=…]
	@$(PYTHON) -m local.commands.airflow --args "$$B3_ARGS" --exchange "$(EXCHANGE)"
airflow: export B3_ARGS = $(ARGS)

# It sets up by itself, once it has said what set-up needs.
doctor: ## What this machine lacks, and whether B3's addresses are as the parsers expect: [EXCHANGE=…]
	@PYTHONPATH=plugins $(PYTHON3) -m local.commands.doctor --exchange "$(EXCHANGE)"

test: lint ## Linters, then every test but those of test-compose and test-mwaa: [TESTS=tests/plugins]
	@$(PYTHON) -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(TESTS)

test-dags: setup ## Whether the DAGs import and are wired as they should be, and nothing else
	@$(PYTHON) -m pytest tests/dags

test-compose: ## docker compose up for real, a run over REST, down; skipped with a reason where no engine can start
	@$(PYTHON3) -m local.setup airflow aws
	@TEST_COMPOSE=1 $(PYTHON) -m pytest -s tests/compose

test-mwaa: ## The DAGs under each Airflow that MWAA has, laid out as there: [VERSIONS="3.0.6 3.2.1 3.3.1"]
	@$(PYTHON3) -m local.mwaa.check $(VERSIONS)

cost: setup ## What it costs on AWS, into docs/cost.md: [MEASURE=YYYY-MM-DD]
	@$(if $(MEASURE),$(PYTHON) -m local.cost.measure "$(MEASURE)")
	@$(PYTHON) -m local.cost.report

bench: setup ## The parser against others, as ratios; what one more day costs in a lake of 1, 250 and 2,500 days
	@$(PYTHON) -m bench
	@$(PYTHON) -m bench.growth

lint: ## Linters, formatting, types, templates
	@$(PYTHON3) -m local.setup airflow aws spark checkov
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/cfn-lint infra/*.yaml infra/deploy/code.yaml
	@.venv-checkov/bin/checkov --directory infra --framework cloudformation --skip-download --compact --quiet

structure: ## Draw what imports what, from the code, into docs/architecture.md
	@$(PYTHON3) -m local.commands.structure

deploy: ## Make an AWS account what the checkout says: STACK=… BUCKET=… [DRY_RUN=1] [AIRFLOW=3.3.1] [MWAA=no] [PARAMETERS="Name=Value …"]
	@$(PYTHON3) -m local.setup airflow
	@$(PYTHON) -m infra.deploy deploy --stack "$(STACK)" --bucket "$(BUCKET)" --airflow "$(AIRFLOW)" \
	  $(if $(DRY_RUN),--dry-run) $(if $(filter no,$(MWAA)),--without-mwaa) $(addprefix --parameter ,$(PARAMETERS))

destroy: ## Delete what deploy made; asks for the stack's name: STACK=… BUCKET=… [WITH_DATA=1]
	@$(PYTHON3) -m local.setup airflow
	@$(PYTHON) -m infra.deploy destroy --stack "$(STACK)" --bucket "$(BUCKET)" $(if $(WITH_DATA),--with-data)

constraints: ## Resolve every version anew, as of the dates in the Makefile and local/mwaa/versions.py
	@$(PYTHON3) -m local.commands.constraints $(AIRFLOW_DATE) $(LOCAL_DATE)
	@$(PYTHON3) -m local.mwaa.lock

clean: ## Remove the local lakes and the environments
	@$(PYTHON3) -m local.commands.clean
