# Every command sets up what it needs at its first use. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON3 ?= python3
PYTHON := PYTHONPATH=plugins .venv/bin/python
EXCHANGE ?=
DATE ?=
SQL ?=
FILE ?=
ARGS ?=
TESTS ?= tests

# Resolutions are dated: what a later release breaks must not reach an older set.
AIRFLOW_DATE := 2026-08-25
LOCAL_DATE := 2026-11-20

.PHONY: help setup run query ui airflow test lint constraints clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make the environments (.venv is the editor's)
	@$(PYTHON3) -m local.setup

run: setup ## Run the daily DAG once: [DATE=YYYY-MM-DD] [EXCHANGE=auto|live|simulated|FOLDER]
	@$(PYTHON) -m local.daily --date "$(DATE)" --exchange "$(EXCHANGE)"

query: setup ## Ask the local lake: SQL="SELECT …" or FILE=path.sql [EXCHANGE=simulated]
	@$(PYTHON) -m local.query --sql "$$B3_SQL" --file "$(FILE)" --exchange "$(EXCHANGE)"
query: export B3_SQL = $(SQL)

ui: setup ## Airflow's UI over the same lake, with its scheduler; Ctrl-C ends it: [EXCHANGE=…]
	@exec env PYTHONPATH=plugins .venv/bin/python -m local.ui --exchange "$(EXCHANGE)"

airflow: setup ## A command of Airflow's own on the same lake: ARGS="dags list" [EXCHANGE=…]
	@$(PYTHON) -m local.airflow_command --args "$$B3_ARGS" --exchange "$(EXCHANGE)"
airflow: export B3_ARGS = $(ARGS)

test: setup lint ## Every test: [TESTS=tests/plugins]
	@$(PYTHON) -m pytest $(TESTS)

lint: setup ## Linters, formatting, types, templates
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/cfn-lint infra/*.yaml

constraints: ## Resolve every version anew, as of the dates above
	@$(PYTHON3) -m local.lock $(AIRFLOW_DATE) $(LOCAL_DATE)

clean: ## Remove the local lakes and the environments
	@$(PYTHON3) -m local.clean
