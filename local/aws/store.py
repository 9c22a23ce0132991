"""The SQLite file that holds what the emulator does not: partitions, crawls, job runs and queries."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS descriptors (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS partitions (
    account TEXT, region TEXT, db TEXT, tbl TEXT, vals TEXT, location TEXT, descriptor INTEGER NOT NULL, created REAL,
    PRIMARY KEY (account, region, db, tbl, vals)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS partitions_without_date ON partitions (account, region, db, tbl)
    WHERE vals NOT GLOB '[[]"[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"*';
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, owner TEXT, id TEXT, body TEXT NOT NULL, UNIQUE (kind, id));
CREATE INDEX IF NOT EXISTS records_by_owner ON records (kind, owner, seq);
CREATE TABLE IF NOT EXISTS crawled (owner TEXT, uri TEXT, etag TEXT, PRIMARY KEY (owner, uri)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS result_rows (query TEXT, row INTEGER, body TEXT, PRIMARY KEY (query, row)) WITHOUT ROWID;
"""


class Store:
    """One connection for all threads; each transaction() is durable when it ends."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it is kept, or none."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """All rows of a read."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def put(self, kind: str, owner: str, identity: str, body: dict[str, Any]) -> None:
        """Insert or replace one record; a record keeps its place in the order of its first insert."""
        with self.transaction() as t:
            t.execute(
                "INSERT INTO records (kind, owner, id, body) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (kind, owner, identity, json.dumps(body)),
            )

    def get(self, kind: str, identity: str) -> dict[str, Any] | None:
        """One record, or None."""
        rows = self.query("SELECT body FROM records WHERE kind = ? AND id = ?", (kind, identity))
        return json.loads(rows[0][0]) if rows else None

    def latest(self, kind: str, owner: str, limit: int, offset: int = 0) -> list[dict[str, Any]]:
        """An owner's records, newest first."""
        rows = self.query(
            "SELECT body FROM records WHERE kind = ? AND owner = ? ORDER BY seq DESC LIMIT ? OFFSET ?",
            (kind, owner, limit, offset),
        )
        return [json.loads(row[0]) for row in rows]

    def every(self, kind: str) -> list[tuple[str, str, dict[str, Any]]]:
        """All records of a kind as (owner, id, body), oldest first."""
        rows = self.query("SELECT owner, id, body FROM records WHERE kind = ? ORDER BY seq", (kind,))
        return [(owner, identity, json.loads(body)) for owner, identity, body in rows]

    def forget(self, kind: str, owner: str) -> None:
        """Drop an owner's records."""
        with self.transaction() as t:
            t.execute("DELETE FROM records WHERE kind = ? AND owner = ?", (kind, owner))
