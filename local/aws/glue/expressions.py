"""GetPartitions' Expression: the small SQL that Glue accepts over partition keys."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp

from local.aws.errors import invalid_input

TEXTS = pa.list_(pa.string())
DUCK_TYPES = {
    "string": "VARCHAR", "varchar": "VARCHAR", "char": "VARCHAR", "date": "DATE", "timestamp": "TIMESTAMP",
    "int": "INTEGER", "bigint": "BIGINT", "long": "BIGINT", "smallint": "SMALLINT", "tinyint": "TINYINT",
}  # fmt: skip
ALLOWED = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In,
    exp.Like, exp.Is, exp.Null, exp.Column, exp.Identifier, exp.Literal, exp.Neg, exp.Boolean, exp.Cast, exp.DataType,
)  # fmt: skip


def matching(expression: str, keys: Sequence[tuple[str, str]], rows: Sequence[tuple[str, ...]]) -> list[int]:
    """The indexes of the rows (partition values, in key order) that an expression selects.

    `keys` are (name, Glue type). Raises AwsError InvalidInputException for what Glue's expressions do not have.
    """
    try:
        tree = sqlglot.parse_one(expression, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise invalid_input(f"Unsupported expression '{expression}': {str(error).splitlines()[0]}") from None
    names = {name.lower() for name, _ in keys}
    for node in tree.walk():
        if not isinstance(node, ALLOWED):
            raise invalid_input(f"Unsupported expression '{expression}': {node.sql()} is not allowed there")
        if isinstance(node, exp.Column) and (node.name.lower() not in names or node.table):
            raise invalid_input(f"Unsupported expression '{expression}': {node.sql()} is no partition key")
    if not rows:
        return []
    columns = ", ".join(
        f'TRY_CAST(vals[{i}] AS {_duck_type(glue_type)}) AS "{name}"' for i, (name, glue_type) in enumerate(keys, 1)
    )
    with duckdb.connect() as connection:
        numbered = {"i": pa.array(range(len(rows)), pa.int32()), "vals": pa.array([list(row) for row in rows], TEXTS)}
        connection.register("given", pa.table(numbered))
        try:
            found = connection.execute(
                f"SELECT i FROM (SELECT i, {columns} FROM given) WHERE {tree.sql('duckdb')} ORDER BY i",
            ).fetchall()
        except duckdb.Error as error:
            raise invalid_input(f"Unsupported expression '{expression}': {str(error).splitlines()[0]}") from None
    return [row[0] for row in found]


def _duck_type(glue_type: str) -> str:
    name = glue_type.strip().lower()
    return name.upper() if name.startswith("decimal") else DUCK_TYPES.get(name.split("(")[0], "VARCHAR")
