"""Athena operators of the DAGs: a check that fails with its own sentence, and links that lead somewhere."""

from __future__ import annotations

import os
import re
import textwrap
from typing import Any

from airflow.providers.amazon.aws.hooks.athena import AthenaHook
from airflow.providers.amazon.aws.operators.athena import AthenaOperator

from b3.airflow import lineage, summaries
from b3.airflow.failing import for_good

# What Athena says if a check casts its sentence to an integer, which is how a check fails.
_VIOLATED = re.compile(r"Cannot cast '(?P<sentence>.*)' to (?:INT|INTEGER)\b", re.DOTALL | re.IGNORECASE)
_WIDTH = 100


class CheckViolated(Exception):
    """What a check expects does not hold."""


def is_local() -> bool:
    """Return whether AWS is a stand-in, to which no page of the AWS console leads."""
    return bool(os.environ.get("AWS_ENDPOINT_URL"))


def console_links(operator: type) -> tuple[Any, ...]:
    """Return an operator's links to the AWS console; none if AWS is a stand-in."""
    return () if is_local() else operator.operator_extra_links  # type: ignore[attr-defined]


class _StatementOperator(AthenaOperator):
    """Run a statement of include/sql in Athena; what it reads has the name under which others wrote it."""

    operator_extra_links = console_links(AthenaOperator)

    def get_openlineage_dataset(self, database: str, table: str) -> Any:
        """Return a table as OpenLineage's data set: its folder, with its columns. A view has its name in Athena."""
        return lineage.of_table(self.hook, self.catalog, database, table)


class QueryOperator(_StatementOperator):
    """Run a statement of include/sql in Athena."""

    def execute(self, context: Any) -> str | None:
        """Run the statement, and tell its comment."""
        query_id = super().execute(context)
        summaries.tell(context["ti"], f"done: {claim(self.query)}")
        return query_id


class CheckOperator(_StatementOperator):
    """Run a check of include/sql/validate. A violated check fails with its sentence, and is not tried again."""

    def execute(self, context: Any) -> str | None:
        """Run the check, and tell what holds.

        Raises:
            AirflowFailException: CheckViolated, with the check's sentence.
            AirflowException: Athena failed for another reason.
        """
        try:
            query_id = super().execute(context)
        except Exception:
            sentence = self._sentence()
            if sentence is None:
                raise
        else:
            summaries.tell(context["ti"], f"holds: {claim(self.query)}")
            return query_id
        for line in textwrap.wrap(sentence, _WIDTH):
            self.log.error(line)
        raise for_good(CheckViolated(sentence))

    def _sentence(self) -> str | None:
        """Return what the check said; None if Athena failed for another reason."""
        query_id = self.query_execution_id
        hook: AthenaHook = self.hook
        reason = hook.get_state_change_reason(query_id) if query_id else None
        found = _VIOLATED.search(reason or "")
        return found["sentence"].replace("''", "'") if found else None


def claim(sql: str) -> str:
    """Return the comment at the top of a statement, as one line."""
    lines = re.match(r"(?:--[^\n]*\n)*", sql)
    assert lines
    return " ".join(line.removeprefix("--").strip() for line in lines[0].splitlines())
