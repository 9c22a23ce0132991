# Every command sets up what it needs at its first use. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
# A command starts many processes of Python, and each would compile this project anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON3 ?= python3
PYTHON := PYTHONPATH=plugins .venv/bin/python
TESTS ?= tests
WORKERS ?= auto

# What a person types reaches the shell through the environment alone: nothing in it ends a string, or is run.
GIVEN := DATE HOURS FROM TO EXCHANGE ACCEPT SQL FILE FORMAT OUT TICKER INDEX ARGS TESTS WORKERS VERSIONS MEASURE \
  LAKE REPOSITORY TAG STACK BUCKET DRY_RUN AIRFLOW MWAA PARAMETERS WITH_DATA
GIVEN += ARRIVALS STREAM
unexport $(GIVEN)
$(foreach name,$(GIVEN),$(eval export GIVEN_$(name) = $$(value $(name))))

# Resolutions are dated: what a later release breaks must not reach an older set.
AIRFLOW_DATE := 2026-08-25
LOCAL_DATE := 2026-11-20

.PHONY: help setup run inbox visual bitcoin history rebuild verify status reset diff report report-bitcoin query connect notebook ui airflow test test-dags test-compose test-mwaa cost bench lint deploy package images smoke destroy \
  doctor structure columns audit constraints clean test-faults faults pictures test-readme

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make the environments (.venv is the editor's)
	@$(PYTHON3) -m local.setup

run: setup ## Run the daily DAG once: [DATE=YYYY-MM-DD] [EXCHANGE=auto|live|simulated|FOLDER] [ACCEPT=flood,loss] [LAKE=aws STACK=…]
	@$(PYTHON) -m local.commands.run --date "$$GIVEN_DATE" --exchange "$$GIVEN_EXCHANGE" --accept "$$GIVEN_ACCEPT" \
	  --lake "$$GIVEN_LAKE" --stack "$$GIVEN_STACK"

inbox: setup ## A COTAHIST file of a day, month or year into the lake's inbox/, and the runs that it starts: FILE=path [EXCHANGE=simulated]
	@$(PYTHON) -m local.commands.inbox --file="$$GIVEN_FILE" --exchange="$$GIVEN_EXCHANGE"

visual: setup ## The visual Glue job for a session of the lake, and the check of its sums: [DATE=YYYY-MM-DD] [EXCHANGE=simulated]
	@$(PYTHON) -m local.commands.visual --date "$$GIVEN_DATE" --exchange "$$GIVEN_EXCHANGE"

bitcoin: setup ## Bitcoin's minutes of a day in UTC: [DATE=YYYY-MM-DD] [HOURS=24] [EXCHANGE=auto|live|simulated]
	@$(PYTHON) -m local.commands.bitcoin --date "$$GIVEN_DATE" --hours "$$GIVEN_HOURS" --exchange "$$GIVEN_EXCHANGE"

history: setup ## Whole years from B3's annual files: FROM=2020 [TO=2024] [EXCHANGE=…] [ACCEPT=flood,loss]
	@$(PYTHON) -m local.commands.history --from "$$GIVEN_FROM" --to "$$GIVEN_TO" --exchange "$$GIVEN_EXCHANGE" --accept "$$GIVEN_ACCEPT"

rebuild: setup ## Raw and refined tables anew from landing/, without asking B3: FROM=2020-04-30 [TO=…], days or years [EXCHANGE=simulated] [ACCEPT=…]
	@$(PYTHON) -m local.commands.rebuild --from "$$GIVEN_FROM" --to "$$GIVEN_TO" --exchange "$$GIVEN_EXCHANGE" --accept "$$GIVEN_ACCEPT"

status: setup ## The local lakes: what runs on them, on which ports, and which sessions they hold
	@$(PYTHON) -m local.commands.status

reset: setup ## Remove one local lake with all its data; the environments stay: [EXCHANGE=simulated]
	@$(PYTHON) -m local.commands.reset --exchange "$$GIVEN_EXCHANGE"

verify: setup ## The whole lake against landing/, status 0 if nothing differs: [FROM=YYYY-MM-DD] [TO=…] [EXCHANGE=simulated]
	@$(PYTHON) -m local.commands.verify --from "$$GIVEN_FROM" --to "$$GIVEN_TO" --exchange "$$GIVEN_EXCHANGE"

diff: setup ## What B3 corrected in a session: DATE=YYYY-MM-DD [FROM=1] [TO=2] [EXCHANGE=simulated]
	@$(PYTHON) -m local.commands.diff --date "$$GIVEN_DATE" --from "$$GIVEN_FROM" --to "$$GIVEN_TO" --exchange "$$GIVEN_EXCHANGE"

report: setup ## The page on a session, as a file for the browser: [DATE=YYYY-MM-DD] [EXCHANGE=simulated]
	@$(PYTHON) -m local.commands.report --date "$$GIVEN_DATE" --exchange "$$GIVEN_EXCHANGE"

report-bitcoin: setup ## The page on a day of Bitcoin, as a file for the browser: [DATE=YYYY-MM-DD] [EXCHANGE=simulated]
	@$(PYTHON) -m local.commands.report_bitcoin --date "$$GIVEN_DATE" --exchange "$$GIVEN_EXCHANGE"

query: setup ## Ask the local lake: SQL="SELECT …" or FILE=path.sql [DATE=…] [TICKER=…] [INDEX=…] [FORMAT=table|csv|json|parquet] [OUT=path] [EXCHANGE=simulated]
	@$(PYTHON) -m local.commands.query --sql="$$GIVEN_SQL" --file="$$GIVEN_FILE" --date="$$GIVEN_DATE" \
	  --ticker="$$GIVEN_TICKER" --of-index="$$GIVEN_INDEX" --format="$$GIVEN_FORMAT" --out="$$GIVEN_OUT" --exchange="$$GIVEN_EXCHANGE"

connect: setup ## How pandas, DuckDB and others reach the local lake; eval "$$(make -s connect)" sets a shell: [EXCHANGE=simulated]
	@exec env PYTHONPATH=plugins .venv/bin/python -m local.commands.connect --exchange="$$GIVEN_EXCHANGE"

notebook: setup ## notebooks/market.ipynb over the local lake, in JupyterLab on 127.0.0.1; Ctrl-C ends it: [EXCHANGE=simulated]
	@$(PYTHON3) -m local.setup notebook
	@exec env PYTHONPATH=plugins .venv/bin/python -m local.commands.notebook --exchange="$$GIVEN_EXCHANGE"

ui: setup ## Airflow's UI over the same lake, with its scheduler; Ctrl-C ends it: [EXCHANGE=…] [LAKE=aws STACK=…]
	@exec env PYTHONPATH=plugins .venv/bin/python -m local.commands.ui --exchange "$$GIVEN_EXCHANGE" \
	  --lake "$$GIVEN_LAKE" --stack "$$GIVEN_STACK"

airflow: setup ## A command of Airflow's own on the same lake: ARGS="dags list" [EXCHANGE=…]
	@$(PYTHON) -m local.commands.airflow --args "$$GIVEN_ARGS" --exchange "$$GIVEN_EXCHANGE"

# It sets up by itself, once it has said what set-up needs.
doctor: ## What this machine lacks, and whether B3's addresses are as the parsers expect: [EXCHANGE=…]
	@PYTHONPATH=plugins $(PYTHON3) -m local.commands.doctor --exchange "$$GIVEN_EXCHANGE"

test: lint ## Linters, then every test but those of test-compose and test-mwaa, and the slow faults: [TESTS=tests/plugins] [WORKERS=auto]
	@$(PYTHON3) -m local.setup notebook
	@$(PYTHON) -m pytest --numprocesses "$$GIVEN_WORKERS" --dist loadfile --no-loadscope-reorder -m "not slow" $$GIVEN_TESTS

test-dags: setup ## Whether the DAGs import and are wired as they should be, and nothing else
	@$(PYTHON) -m pytest tests/dags

test-faults: setup ## Every fault of docs/faults.md, and files damaged at random: some minutes
	@$(PYTHON) -m pytest --numprocesses 2 --dist loadfile tests/faults

test-compose: ## docker compose up for real, a run over REST, down; skipped with a reason where no engine can start
	@$(PYTHON3) -m local.setup airflow aws
	@TEST_COMPOSE=1 $(PYTHON) -m pytest -s tests/compose

test-mwaa: ## The DAGs under each Airflow that MWAA has, laid out as there: [VERSIONS="3.0.6 3.2.1 3.3.1"]
	@$(PYTHON3) -m local.mwaa.check $$GIVEN_VERSIONS

cost: setup ## What it costs on AWS, into docs/cost.md: [MEASURE=YYYY-MM-DD]
	@[ -z "$$GIVEN_MEASURE" ] || $(PYTHON) -m local.cost.measure "$$GIVEN_MEASURE"
	@$(PYTHON) -m local.cost.report

pictures: setup ## The pictures of docs/images anew: Airflow's pages and the report, from a simulated lake; needs chromium
	@PICTURES_FOLDER=docs/images $(PYTHON) -m pytest tests/e2e/test_pictures.py

test-readme: setup ## The README's commands in a fresh clone with an empty home, and their output
	@$(PYTHON) -m pytest tests/e2e/test_readme.py

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

structure: ## Draw what imports what, from the code, into docs/architecture.md; and the visual job's nodes into docs/visual.md
	@$(PYTHON3) -m local.commands.structure
	@$(PYTHON3) -m infra.visual.picture

columns: setup ## Write the columns of infra/lake.yaml, in both languages, into docs/tables.md
	@$(PYTHON) -m local.commands.columns

faults: setup ## Write docs/faults.md from the tests in tests/faults
	@$(PYTHON) -m tests.faults.document

deploy: ## Make an AWS account what the checkout says: STACK=… BUCKET=… [DRY_RUN=1] [AIRFLOW=3.3.1] [MWAA=no] [ARRIVALS=yes|no] [STREAM=yes|no] [PARAMETERS="Name=Value …"]
	@$(PYTHON3) -m local.setup airflow
	@for parameter in $$GIVEN_PARAMETERS; do set -- "$$@" --parameter "$$parameter"; done; \
	  if [ "$$GIVEN_MWAA" = no ]; then set -- "$$@" --without-mwaa; fi; \
	  $(PYTHON) -m infra.deploy deploy --stack "$$GIVEN_STACK" --bucket "$$GIVEN_BUCKET" --airflow "$$GIVEN_AIRFLOW" \
	    --arrivals="$$GIVEN_ARRIVALS" --stream="$$GIVEN_STREAM" $${GIVEN_DRY_RUN:+--dry-run} "$$@"

package: ## What MWAA's bucket holds, as files in dist/ for `aws s3 sync`: [AIRFLOW=3.3.1]
	@$(PYTHON3) -m local.setup airflow
	@$(PYTHON) -m infra.deploy.package --airflow "$$GIVEN_AIRFLOW"

images: ## Build the containers' images and push them, each with an SBOM: REPOSITORY=….dkr.ecr….amazonaws.com/b3-lake [TAG=…]
	@$(PYTHON3) -m infra.deploy.images --repository "$$GIVEN_REPOSITORY" --tag "$$GIVEN_TAG"

smoke: ## Whether a lake on AWS works, without a change to it: STACK=… BUCKET=… [MWAA=no]
	@$(PYTHON3) -m local.setup airflow
	@if [ "$$GIVEN_MWAA" = no ]; then set -- --without-mwaa; fi; \
	  $(PYTHON) -m infra.deploy smoke --stack "$$GIVEN_STACK" --bucket "$$GIVEN_BUCKET" "$$@"

destroy: ## Delete what deploy made; asks for the stack's name: STACK=… BUCKET=… [WITH_DATA=1]
	@$(PYTHON3) -m local.setup airflow
	@$(PYTHON) -m infra.deploy destroy --stack "$$GIVEN_STACK" --bucket "$$GIVEN_BUCKET" $${GIVEN_WITH_DATA:+--with-data}

audit: ## Known vulnerabilities of the locked versions, from the OSV database (needs the internet)
	@$(PYTHON3) -m local.commands.audit

constraints: ## Resolve every version anew, as of the dates in the Makefile and local/mwaa/versions.py
	@$(PYTHON3) -m local.commands.constraints $(AIRFLOW_DATE) $(LOCAL_DATE)
	@$(PYTHON3) -m local.mwaa.lock

clean: ## Remove the local lakes and the environments
	@$(PYTHON3) -m local.commands.clean
