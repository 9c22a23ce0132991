"""The rows of finished queries, which GetQueryResults pages through: in the store, a page to a chunk."""

from __future__ import annotations

import json
from collections.abc import Iterable

from local.aws.athena.results import Row
from local.aws.store import Store

PAGE_ROWS = 1000
# Of so many queries rows are kept; the objects in S3 stay.
KEPT_QUERIES = 1000


class StoredRows:
    """Rows by the id of their query."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, query: str, rows: Iterable[Row]) -> int:
        """Store a query's rows, and return how many there are."""
        count = number = 0
        chunk: list[Row] = []
        for row in rows:
            chunk.append(row)
            count += 1
            if len(chunk) == PAGE_ROWS:
                self._write(query, number, chunk)
                number, chunk = number + 1, []
        if chunk:
            self._write(query, number, chunk)
        self._forget_old()
        return count

    def has(self, query: str) -> bool:
        """Return whether a query's rows are still kept."""
        return bool(self._store.query("SELECT 1 FROM result_rows WHERE query = ? LIMIT 1", (query,)))

    def chunks(self, query: str) -> Iterable[list[Row]]:
        """Return a query's rows, chunk by chunk."""
        number = 0
        while found := self._store.query("SELECT body FROM result_rows WHERE query = ? AND row = ?", (query, number)):
            yield json.loads(found[0][0])
            number += 1

    def part(self, query: str, start: int, size: int) -> list[Row]:
        """Return up to `size` of a query's rows, from row `start`."""
        first, last = start // PAGE_ROWS, (start + size - 1) // PAGE_ROWS
        found = self._store.query(
            "SELECT body FROM result_rows WHERE query = ? AND row BETWEEN ? AND ? ORDER BY row", (query, first, last)
        )
        rows = [row for (body,) in found for row in json.loads(body)]
        skip = start - first * PAGE_ROWS
        return rows[skip : skip + size]

    def _write(self, query: str, number: int, chunk: list[Row]) -> None:
        with self._store.transaction() as t:
            t.execute("INSERT OR REPLACE INTO result_rows VALUES (?, ?, ?)", (query, number, json.dumps(chunk)))

    def _forget_old(self) -> None:
        with self._store.transaction() as t:
            t.execute(
                "DELETE FROM result_rows WHERE query IN (SELECT id FROM records WHERE kind = 'query' "
                "AND seq < (SELECT max(seq) FROM records) - ?)",
                (KEPT_QUERIES,),
            )
