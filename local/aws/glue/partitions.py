"""The Glue catalog's partitions, in SQLite: a lake has tens of thousands, and each must outlive a kill at once."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local.aws.context import Caller
from local.aws.errors import AwsError, entity_not_found, invalid_input
from local.aws.ministack.emulator import Emulator
from local.aws.store import Store

PAGE = 1000
BATCH_LIMITS = {"BatchCreatePartition": 100, "BatchUpdatePartition": 100, "BatchDeletePartition": 25}


@dataclass(frozen=True)
class Partition:
    """One partition: its key values as strings, in the order of the table's keys, and where its objects lie."""

    values: tuple[str, ...]
    location: str
    descriptor: dict[str, Any]
    created: float


class Partitions:
    """Glue's partition calls, for tables that the emulator keeps."""

    def __init__(self, emulator: Emulator, store: Store) -> None:
        self._emulator = emulator
        self._store = store
        _own_the_emulators_partitions(store)

    def handlers(self) -> dict[str, Any]:
        """The calls that this answers, by X-Amz-Target."""
        calls = {
            "CreatePartition": self.create,
            "BatchCreatePartition": self.batch_create,
            "UpdatePartition": self.update,
            "BatchUpdatePartition": self.batch_update,
            "DeletePartition": self.delete,
            "BatchDeletePartition": self.batch_delete,
            "GetPartition": self.get,
            "BatchGetPartition": self.batch_get,
            "GetPartitions": self.get_many,
        }
        return {f"AWSGlue.{name}": call for name, call in calls.items()}

    def table(self, caller: Caller, database: str, name: str) -> dict[str, Any]:
        """The table's definition. Raises AwsError EntityNotFoundException."""
        answer = self._emulator.call(
            caller, "AWSGlue.GetTable", {"DatabaseName": database.lower(), "Name": name.lower()}
        )
        table: dict[str, Any] = answer["Table"]
        return table

    def all(self, caller: Caller, database: str, name: str) -> list[Partition]:
        """Every partition of a table, ordered by its values."""
        return _read(
            self._store.query(
                f"SELECT {_FIELDS} WHERE account = ? AND region = ? AND db = ? AND tbl = ? ORDER BY vals",
                (caller.account, caller.region, database.lower(), name.lower()),
            )
        )

    def between(self, caller: Caller, database: str, name: str, first: str, last: str) -> list[Partition]:
        """Those partitions of a table whose first value is a date from `first` to `last`, or is not written as one.

        Ordered by their values. What it reads does not grow with the table.
        """
        of_table = (caller.account, caller.region, database.lower(), name.lower())
        here = "account = ? AND region = ? AND db = ? AND tbl = ?"
        bounds = (json.dumps([first])[:-1], json.dumps([last])[:-1] + "\x7f")
        rows = self._store.query(
            f"SELECT {_FIELDS} WHERE {here} AND vals BETWEEN ? AND ? AND vals GLOB {_DATED}", (*of_table, *bounds)
        )
        rows += self._store.query(f"SELECT {_FIELDS} WHERE {here} AND vals NOT GLOB {_DATED}", of_table)
        return _read(sorted(rows))

    def some(self, caller: Caller, database: str, name: str, wanted: Iterable[tuple[str, ...]]) -> list[Partition]:
        """Those of a table's partitions that have these values."""
        of_table = (caller.account, caller.region, database.lower(), name.lower())
        rows = [
            row
            for values in wanted
            for row in self._store.query(f"SELECT {_FIELDS} WHERE {_BY_KEY}", (*of_table, json.dumps(list(values))))
        ]
        return _read(rows)

    def add(self, caller: Caller, table: dict[str, Any], inputs: Iterable[dict[str, Any]]) -> list[tuple[str, ...]]:
        """Add partitions in one transaction; returns the values of those that were there already and stay as they are.

        Raises AwsError InvalidInputException if a partition's values do not fit the table's keys.
        """
        prepared = [(self._checked(table, item), item) for item in inputs]
        present = []
        with self._store.transaction() as t:
            for values, item in prepared:
                key = self._key(caller, table, values)
                if t.execute(f"SELECT 1 FROM partitions WHERE {_BY_KEY}", key).fetchone():
                    present.append(values)
                    continue
                self._write(t, key, item, time.time())
        return present

    def replace(self, caller: Caller, table: dict[str, Any], values: tuple[str, ...], item: dict[str, Any]) -> None:
        """Give an existing partition a new definition. Raises AwsError EntityNotFoundException."""
        with self._store.transaction() as t:
            key = self._key(caller, table, values)
            row = t.execute(f"SELECT created FROM partitions WHERE {_BY_KEY}", key).fetchone()
            if row is None:
                raise entity_not_found(f"Partition not found: {list(values)} of {table['Name']}")
            new = self._checked(table, item)
            if new != values:
                t.execute(f"DELETE FROM partitions WHERE {_BY_KEY}", key)
            self._write(t, self._key(caller, table, new), item, row[0])

    def remove(self, caller: Caller, table: dict[str, Any], values: tuple[str, ...]) -> bool:
        """Drop a partition from the catalog; its objects stay. Returns whether it was there."""
        with self._store.transaction() as t:
            key = self._key(caller, table, values)
            return t.execute(f"DELETE FROM partitions WHERE {_BY_KEY}", key).rowcount > 0

    def _checked(self, table: dict[str, Any], item: dict[str, Any]) -> tuple[str, ...]:
        values = tuple(str(v) for v in item.get("Values") or ())
        keys = [key["Name"] for key in table.get("PartitionKeys") or []]
        if len(values) != len(keys):
            raise invalid_input(
                f"The number of partition keys do not match the number of partition values: table {table['Name']} "
                f"has the keys {keys}, the partition the values {list(values)}"
            )
        if any(not value for value in values):
            raise invalid_input(f"Partition value cannot be null or empty: {list(values)}")
        return values

    def _key(self, caller: Caller, table: dict[str, Any], values: Iterable[str]) -> tuple[str, ...]:
        return (caller.account, caller.region, table["DatabaseName"], table["Name"], json.dumps(list(values)))

    def _write(self, t: Any, key: tuple[str, ...], item: dict[str, Any], created: float) -> None:
        storage = dict(item.get("StorageDescriptor") or {})
        location = str(storage.pop("Location", "") or "")
        body = json.dumps({"StorageDescriptor": storage, "Parameters": item.get("Parameters") or {}}, sort_keys=True)
        t.execute("INSERT OR IGNORE INTO descriptors (body) VALUES (?)", (body,))
        (descriptor,) = t.execute("SELECT id FROM descriptors WHERE body = ?", (body,)).fetchone()
        t.execute(
            "INSERT OR REPLACE INTO partitions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*key, location, descriptor, created)
        )

    def _of(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.table(caller, str(data.get("DatabaseName", "")), str(data.get("TableName", "")))
        except AwsError as error:
            if error.code != "EntityNotFoundException":
                raise
            raise entity_not_found(
                f"Table not found: {data.get('DatabaseName')}.{data.get('TableName')}. Create it before its partitions."
            ) from None

    def create(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """CreatePartition."""
        table = self._of(caller, data)
        if self.add(caller, table, [data.get("PartitionInput") or {}]):
            raise AwsError("AlreadyExistsException", "Partition already exists.")
        return {}

    def batch_create(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """BatchCreatePartition."""
        inputs = _bounded(data.get("PartitionInputList") or [], "BatchCreatePartition")
        present = self.add(caller, self._of(caller, data), inputs)
        return {"Errors": [_problem(v, "AlreadyExistsException", "Partition already exists.") for v in present]}

    def update(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """UpdatePartition."""
        values = tuple(str(v) for v in data.get("PartitionValueList") or ())
        self.replace(caller, self._of(caller, data), values, data.get("PartitionInput") or {})
        return {}

    def batch_update(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """BatchUpdatePartition."""
        table = self._of(caller, data)
        errors = []
        for entry in _bounded(data.get("Entries") or [], "BatchUpdatePartition"):
            values = tuple(str(v) for v in entry.get("PartitionValueList") or ())
            try:
                self.replace(caller, table, values, entry.get("PartitionInput") or {})
            except AwsError as error:
                detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
                errors.append({"PartitionValueList": list(values), "ErrorDetail": detail})
        return {"Errors": errors}

    def delete(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """DeletePartition."""
        values = tuple(str(v) for v in data.get("PartitionValues") or ())
        if not self.remove(caller, self._of(caller, data), values):
            raise entity_not_found(f"Partition not found: {list(values)}")
        return {}

    def batch_delete(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """BatchDeletePartition."""
        table = self._of(caller, data)
        errors = []
        for entry in _bounded(data.get("PartitionsToDelete") or [], "BatchDeletePartition"):
            values = tuple(str(v) for v in entry.get("Values") or ())
            if not self.remove(caller, table, values):
                errors.append(_problem(values, "EntityNotFoundException", "Partition not found."))
        return {"Errors": errors}

    def get(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """GetPartition."""
        values = tuple(str(v) for v in data.get("PartitionValues") or ())
        found = self._find(caller, self._of(caller, data), values)
        if found is None:
            raise entity_not_found(f"Cannot find partition: {list(values)}")
        return {"Partition": found}

    def batch_get(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """BatchGetPartition."""
        table = self._of(caller, data)
        found = []
        for entry in data.get("PartitionsToGet") or []:
            partition = self._find(caller, table, tuple(str(v) for v in entry.get("Values") or ()))
            if partition is not None:
                found.append(partition)
        # A partition that is not there is left out of both lists, as AWS does; UnprocessedKeys is for throttling.
        return {"Partitions": found, "UnprocessedKeys": []}

    def _find(self, caller: Caller, table: dict[str, Any], values: tuple[str, ...]) -> dict[str, Any] | None:
        rows = self._store.query(f"SELECT {_FIELDS} WHERE {_BY_KEY}", self._key(caller, table, values))
        return _shape(caller, table, _read(rows)[0], False) if rows else None

    def get_many(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """GetPartitions, with Segment, ExcludeColumnSchema and pages."""
        if data.get("Expression"):
            raise invalid_input("the local AWS server does not filter GetPartitions: ask without Expression")
        table = self._of(caller, data)
        found = self.all(caller, table["DatabaseName"], table["Name"])
        segment = data.get("Segment")
        if segment:
            found = found[int(segment["SegmentNumber"]) :: int(segment["TotalSegments"])]
        start = _offset(data.get("NextToken"))
        size = min(int(data.get("MaxResults") or PAGE), PAGE)
        page = [_shape(caller, table, p, bool(data.get("ExcludeColumnSchema"))) for p in found[start : start + size]]
        answer: dict[str, Any] = {"Partitions": page}
        if start + size < len(found):
            answer["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
        return answer


_FIELDS = "vals, location, body, created FROM partitions JOIN descriptors ON id = descriptor"
# As the index partitions_without_date has it; [[] is a bracket.
_DATED = """'[[]"[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"*'"""
_BY_KEY = "account = ? AND region = ? AND db = ? AND tbl = ? AND vals = ?"


def _read(rows: Iterable[tuple[str, str, str, float]]) -> list[Partition]:
    bodies: dict[str, dict[str, Any]] = {}
    found = []
    for values, location, body, created in rows:
        if body not in bodies:
            bodies[body] = json.loads(body)
        found.append(Partition(tuple(json.loads(values)), location, bodies[body], created))
    return found


def _bounded(items: list[dict[str, Any]], call: str) -> list[dict[str, Any]]:
    limit = BATCH_LIMITS[call]
    if len(items) > limit:
        raise AwsError(
            "ValidationException", f"{call} takes at most {limit} partitions, found {len(items)}: send them in batches"
        )
    return items


def _problem(values: Iterable[str], code: str, message: str) -> dict[str, Any]:
    return {"PartitionValues": list(values), "ErrorDetail": {"ErrorCode": code, "ErrorMessage": message}}


def _offset(token: Any) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(str(token)))
    except ValueError:
        raise invalid_input(f"invalid NextToken: {token}") from None


def _shape(caller: Caller, table: dict[str, Any], partition: Partition, without_columns: bool) -> dict[str, Any]:
    storage = {**partition.descriptor["StorageDescriptor"], "Location": partition.location}
    if without_columns:
        storage.pop("Columns", None)
    return {
        "Values": list(partition.values),
        "DatabaseName": table["DatabaseName"],
        "TableName": table["Name"],
        "CreationTime": partition.created,
        "StorageDescriptor": storage,
        "Parameters": partition.descriptor.get("Parameters", {}),
        "CatalogId": caller.account,
    }


def _own_the_emulators_partitions(store: Store) -> None:
    """Make the emulator's deletion of a table, which CloudFormation does in process, reach the partitions kept here."""
    from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region
    from ministack.services import glue

    class Forwarding(AccountRegionScopedDict):
        __slots__ = ()

        def pop(self, key: str, *default: Any) -> Any:
            database, _, name = key.partition("/")
            with store.transaction() as t:
                t.execute(
                    "DELETE FROM partitions WHERE account = ? AND region = ? AND db = ? AND tbl = ?",
                    (get_account_id(), get_region(), database, name),
                )
            return super().pop(key, *default)

        def __deepcopy__(self, memo: dict[int, Any]) -> AccountRegionScopedDict:
            return AccountRegionScopedDict()

    glue._partitions = Forwarding()
    glue._ALL_STATE["partitions"] = glue._partitions
