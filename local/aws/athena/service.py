"""Athena's API: query executions, their states and results."""

from __future__ import annotations

import copy
import logging
import re
import threading
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from local.aws.athena import results, statements
from local.aws.athena.engine import Engine, Progress
from local.aws.athena.errors import QueryError, not_supported
from local.aws.athena.stored_rows import PAGE_ROWS, StoredRows
from local.aws.athena.types import Kind
from local.aws.context import Caller
from local.aws.errors import AwsError
from local.aws.glue.partitions import Partitions
from local.aws.ministack.emulator import Emulator, split_uri
from local.aws.store import Store

log = logging.getLogger("local.aws.athena")
AT_ONCE = 4
INTERRUPTED = "INTERNAL_ERROR_QUERY_ENGINE: The local AWS server ended while the query was running. Run it again."
USER_ERRORS = 2
SYSTEM_ERRORS = 1


def bad_request(message: str) -> AwsError:
    """Athena's InvalidRequestException."""
    return AwsError("InvalidRequestException", message)


class Athena:
    """Athena's calls about query executions; workgroups and the rest stay with the emulator."""

    def __init__(self, emulator: Emulator, store: Store, partitions: Partitions, home: Path) -> None:
        self._emulator = emulator
        self._store = store
        self._partitions = partitions
        self._rows = StoredRows(store)
        self._engine = Engine(emulator, partitions, home)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="athena")
        self._running: dict[str, tuple[dict[str, Any], Progress]] = {}
        self._lock = threading.RLock()

    def handlers(self) -> dict[str, Any]:
        """The calls that this answers, by X-Amz-Target."""
        calls = {
            "StartQueryExecution": self.start,
            "GetQueryExecution": self.get,
            "BatchGetQueryExecution": self.batch_get,
            "GetQueryResults": self.get_results,
            "StopQueryExecution": self.stop_one,
            "ListQueryExecutions": self.list_ids,
            "GetQueryRuntimeStatistics": self.statistics,
            "CreatePreparedStatement": self._no_prepared,
            "StartSession": self._no_sessions,
        }
        return {f"AmazonAthena.{name}": call for name, call in calls.items()}

    def recover(self) -> None:
        """Fail the queries that a kill cut off."""
        for owner, identity, record in self._store.every("query"):
            if record["Status"]["State"] in ("QUEUED", "RUNNING"):
                self._finish(record, "FAILED", INTERRUPTED, SYSTEM_ERRORS)
                self._store.put("query", owner, identity, record)

    def stop(self) -> None:
        """Cancel the running queries."""
        with self._lock:
            identities = list(self._running)
        for identity in identities:
            self._cancel(identity)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def start(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """StartQueryExecution."""
        sql = str(data.get("QueryString") or "")
        if not sql.strip():
            raise bad_request("QueryString must not be empty")
        if data.get("ResultReuseConfiguration", {}).get("ResultReuseByAgeConfiguration", {}).get("Enabled"):
            raise bad_request("the local Athena does not reuse results: leave ResultReuseByAgeConfiguration disabled")
        name = str(data.get("WorkGroup") or "primary")
        workgroup = self._workgroup(caller, name)
        token = data.get("ClientRequestToken")
        fingerprint = [sql, name, data.get("QueryExecutionContext") or {}, data.get("ExecutionParameters") or []]
        with self._lock:
            if token:
                known = self._store.get("token", f"{caller.owner(name)}/{token}")
                if known is not None:
                    if known["request"] != fingerprint:
                        raise bad_request(
                            "Idempotent parameters do not match: the ClientRequestToken was used for another query"
                        )
                    return {"QueryExecutionId": known["id"]}
            record, progress = self._new(caller, data, sql, name, workgroup)
            identity = record["QueryExecutionId"]
            self._store.put("query", caller.owner(name), identity, record)
            if token:
                request = {"id": identity, "request": fingerprint}
                self._store.put("token", caller.owner(name), f"{caller.owner(name)}/{token}", request)
            self._running[identity] = (record, progress)
        self._pool.submit(self._run, caller, record, progress)
        return {"QueryExecutionId": identity}

    def get(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """GetQueryExecution."""
        return {"QueryExecution": _shown(self._need(caller, str(data.get("QueryExecutionId", ""))))}

    def batch_get(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """BatchGetQueryExecution."""
        found, missing = [], []
        for identity in data.get("QueryExecutionIds") or []:
            try:
                found.append(_shown(self._need(caller, identity)))
            except AwsError as error:
                missing.append({"QueryExecutionId": identity, "ErrorCode": error.code, "ErrorMessage": error.message})
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    def stop_one(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """StopQueryExecution."""
        identity = str(data.get("QueryExecutionId", ""))
        self._need(caller, identity)
        self._cancel(identity)
        return {}

    def list_ids(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """ListQueryExecutions of one workgroup, newest first."""
        offset, size = int(data.get("NextToken") or 0), min(int(data.get("MaxResults") or 50), 50)
        owner = caller.owner(str(data.get("WorkGroup") or "primary"))
        records = self._store.latest("query", owner, size + 1, offset)
        answer: dict[str, Any] = {"QueryExecutionIds": [record["QueryExecutionId"] for record in records[:size]]}
        if len(records) > size:
            answer["NextToken"] = str(offset + size)
        return answer

    def statistics(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """GetQueryRuntimeStatistics: the timeline and row counts; there are no stages."""
        record = self._need(caller, str(data.get("QueryExecutionId", "")))
        numbers = record["Statistics"]
        timeline = {
            key: numbers.get(key, 0)
            for key in ("QueryQueueTimeInMillis", "EngineExecutionTimeInMillis", "TotalExecutionTimeInMillis")
        }
        rows = {"InputBytes": numbers.get("DataScannedInBytes", 0), "OutputRows": record.get("_rows", 0)}
        return {"QueryRuntimeStatistics": {"Timeline": timeline, "Rows": rows}}

    def get_results(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """GetQueryResults, in pages of at most 1000 rows; a SELECT's first row is its header."""
        identity = str(data.get("QueryExecutionId", ""))
        record = self._need(caller, identity)
        state = record["Status"]["State"]
        if state in ("QUEUED", "RUNNING"):
            raise bad_request(f"Query has not yet finished. Current state: {state}")
        if state != "SUCCEEDED":
            raise bad_request(f"Query did not finish successfully. Final query state: {state}")
        size = min(int(data.get("MaxResults") or PAGE_ROWS), PAGE_ROWS)
        start = int(data.get("NextToken") or 0)
        if record.get("_rows", 0) and not self._rows.has(identity):
            raise bad_request(
                f"the results of {identity} are no longer paged here: "
                f"read {record['ResultConfiguration']['OutputLocation']}"
            )
        rows = self._rows.part(identity, start, size)
        answer: dict[str, Any] = {
            "UpdateCount": 0,
            "ResultSet": {
                "Rows": [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows],
                "ResultSetMetadata": {"ColumnInfo": record.get("_columns", [])},
            },
        }
        if start + size < record.get("_rows", 0):
            answer["NextToken"] = str(start + size)
        return answer

    def _no_prepared(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        raise bad_request(
            "the local Athena has no prepared statements: pass ExecutionParameters, or write the values out"
        )

    def _no_sessions(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        raise bad_request("the local Athena runs SQL only, no notebook sessions")

    def _workgroup(self, caller: Caller, name: str) -> dict[str, Any]:
        workgroup: dict[str, Any] = self._emulator.call(caller, "AmazonAthena.GetWorkGroup", {"WorkGroup": name})[
            "WorkGroup"
        ]
        if workgroup.get("State") == "DISABLED":
            raise bad_request(f"WorkGroup {name} is disabled")
        return workgroup

    def _new(
        self, caller: Caller, data: dict[str, Any], sql: str, name: str, workgroup: dict[str, Any]
    ) -> tuple[dict[str, Any], Progress]:
        configuration = workgroup.get("Configuration") or {}
        own = (data.get("ResultConfiguration") or {}).get("OutputLocation")
        shared = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
        # Athena enforces a workgroup's settings unless told not to.
        enforced = str(configuration.get("EnforceWorkGroupConfiguration", True)).lower() == "true"
        output = shared or own if enforced and shared else own or shared
        if not output:
            raise bad_request(
                "No output location provided. An output location is required either through the Workgroup result "
                "configuration setting or as an API input."
            )
        try:
            bucket, _ = split_uri(output)
        except ValueError as error:
            raise bad_request(f"outputLocation is not a valid S3 path: {error}") from None
        identity = str(uuid.uuid4())
        kind = statements.kind_of(sql)
        extension = "csv" if kind == "DML" else "txt"
        context = {k: v for k, v in (data.get("QueryExecutionContext") or {}).items() if v}
        record = {
            "_owner": caller.owner(name),
            "_parameters": [str(value) for value in data.get("ExecutionParameters") or []],
            "_bucket": bucket,
            "QueryExecutionId": identity,
            "Query": sql,
            "StatementType": kind,
            "ResultConfiguration": {"OutputLocation": f"{output.rstrip('/')}/{identity}.{extension}"},
            "QueryExecutionContext": {"Catalog": "awsdatacatalog", **{k: str(v).lower() for k, v in context.items()}},
            "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
            "Statistics": {},
            "WorkGroup": name,
            "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
        }
        cutoff = configuration.get("BytesScannedCutoffPerQuery")
        return record, Progress(cutoff=int(cutoff) if cutoff else None)

    def _need(self, caller: Caller, identity: str) -> dict[str, Any]:
        with self._lock:
            live = self._running.get(identity)
            record = copy.deepcopy(live[0]) if live else self._store.get("query", identity)
        if record is None or not record["_owner"].startswith(f"{caller.account}/{caller.region}/"):
            raise bad_request(f"QueryExecution {identity} was not found")
        return record

    def _cancel(self, identity: str) -> None:
        with self._lock:
            live = self._running.get(identity)
            if live is None:
                return
            record, progress = live
            if record["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return
            progress.stopping.set()
            self._finish(record, "CANCELLED", "Query cancelled by user", None)
            self._store.put("query", record["_owner"], identity, record)
            progress.interrupt()

    def _finish(self, record: dict[str, Any], state: str, reason: str | None, category: int | None) -> None:
        status = record["Status"]
        status.update(State=state, CompletionDateTime=time.time())
        if reason:
            status["StateChangeReason"] = reason
        if category is not None:
            status["AthenaError"] = {
                "ErrorCategory": category, "ErrorType": 1, "Retryable": category == SYSTEM_ERRORS,
                "ErrorMessage": reason,
            }  # fmt: skip

    def _run(self, caller: Caller, record: dict[str, Any], progress: Progress) -> None:
        identity = record["QueryExecutionId"]
        began = time.time()
        with self._lock:
            if progress.stopping.is_set():
                self._running.pop(identity, None)
                return
            record["Status"]["State"] = "RUNNING"
        state, reason, category = "SUCCEEDED", None, None
        try:
            self._execute(caller, record, progress)
        except QueryError as error:
            state, reason = "FAILED", str(error)
            category = SYSTEM_ERRORS if error.code == "GENERIC_INTERNAL_ERROR" else USER_ERRORS
        except AwsError as error:
            state, reason, category = "FAILED", f"{error.code}: {error.message}", USER_ERRORS
        except Exception as error:
            log.exception("query %s failed", identity)
            state, reason = "FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}"
            category = SYSTEM_ERRORS
        with self._lock:
            ended = time.time()
            submitted = record["Status"]["SubmissionDateTime"]
            record["Statistics"] = {
                "EngineExecutionTimeInMillis": int((ended - began) * 1000),
                "DataScannedInBytes": progress.scanned,
                "TotalExecutionTimeInMillis": int((ended - submitted) * 1000),
                "QueryQueueTimeInMillis": int((began - submitted) * 1000),
                "ServiceProcessingTimeInMillis": 0,
            }
            if record["Status"]["State"] != "CANCELLED":
                self._finish(record, state, reason, category)
            self._store.put("query", record["_owner"], identity, record)
            self._running.pop(identity, None)

    def _execute(self, caller: Caller, record: dict[str, Any], progress: Progress) -> None:
        sql = record["Query"]
        database = record["QueryExecutionContext"].get("Database") or "default"
        output = record["ResultConfiguration"]["OutputLocation"]
        if not self._emulator.bucket_exists(caller, record["_bucket"]):
            raise QueryError(
                "INVALID_OUTPUT_LOCATION", f"Output bucket {record['_bucket']} does not exist. Create it first."
            )
        if not statements.is_query(sql):
            if record["_parameters"]:
                raise not_supported("ExecutionParameters in a statement that is no query")
            lines = statements.Statements(self._engine, self._emulator, self._partitions, caller, database).run(sql)
            progress.check()
            self._emulator.put_object(caller, output, "".join(f"{line}\n" for line in lines).encode(), "text/plain")
            self._keep(
                record,
                [("result", Kind("VARCHAR"))] if record["StatementType"] == "UTILITY" or lines else [],
                ([line] for line in lines),
            )
            return
        if record["_parameters"]:
            sql = _with_parameters(sql, record["_parameters"])
        tree = statements.parse_query(sql)
        with self._engine.select(caller, tree, database, progress) as result:
            header: results.Row = [name for name, _ in result.columns]
            self._keep(record, result.columns, _chain(header, result.rows))
        progress.check()
        body = "".join(results.csv_lines(chunk) for chunk in self._rows.chunks(record["QueryExecutionId"]))
        self._emulator.put_object(caller, output, body.encode(), "application/octet-stream")

    def _keep(self, record: dict[str, Any], columns: Iterable[tuple[str, Kind]], rows: Iterable[results.Row]) -> None:
        record["_rows"] = self._rows.put(record["QueryExecutionId"], rows)
        record["_columns"] = [results.column_info(name, kind) for name, kind in columns]


def _chain(header: results.Row, rows: Iterable[results.Row]) -> Iterable[results.Row]:
    yield header
    yield from rows


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if not key.startswith("_")}


def _with_parameters(sql: str, parameters: list[str]) -> str:
    """Put the parameters, which Athena takes as SQL literals, in the places of the question marks outside of quotes."""
    pieces = re.split(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\?)", sql, flags=re.DOTALL)
    marks = pieces.count("?")
    if marks != len(parameters):
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"line 1:1: Incorrect number of parameters: expected {marks} but found {len(parameters)}",
        )
    given = iter(parameters)
    return "".join(next(given) if piece == "?" else piece for piece in pieces)
