"""Glue job runs: the script from S3, run for real in a process group of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from local.aws.context import JOB, Caller
from local.aws.errors import AwsError, entity_not_found, invalid_input
from local.aws.glue import job_arguments, job_errors, spark
from local.aws.glue.kept_jvms import KEEP, Jvm, JvmFailed, KeptJvms
from local.aws.glue.logs import Logs
from local.aws.ministack.emulator import Emulator, split_uri
from local.aws.store import Store
from local.processes.end import kill_group

log = logging.getLogger("local.aws.glue.jobs")
ACTIVE = ("STARTING", "RUNNING", "STOPPING")
MARKER = "LOCAL_AWS_JOB_RUN_ID"
INTERRUPTED = "The run was cut off: the local AWS server ended while it was running. Start the job again."
STOP_GRACE_SECONDS = 5.0
MINUTE_SECONDS = 60
KEPT_LOG_LINES = 5000


class Jobs:
    """Glue's job run calls."""

    def __init__(
        self, emulator: Emulator, store: Store, logs: Logs, home: Path, endpoint: str, spark_env: Path, secret: str
    ) -> None:
        self._emulator = emulator
        self._store = store
        self._logs = logs
        self._home = home
        self._endpoint = endpoint
        self._spark_env = spark_env.resolve()
        self._secret = secret
        self._active: dict[str, dict[str, Any]] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.RLock()
        self._scratch = home / "jobs"
        self._jvms = KeptJvms(self._spark_env, self._scratch, endpoint)

    def handlers(self) -> dict[str, Any]:
        """The calls that this answers, by X-Amz-Target."""
        calls = {
            "StartJobRun": self.start,
            "GetJobRun": self.get,
            "GetJobRuns": self.get_many,
            "BatchStopJobRun": self.batch_stop,
            "DeleteJob": self.delete_job,
        }
        return {f"AWSGlue.{name}": call for name, call in calls.items()}

    def recover(self) -> None:
        """Fail the runs that a kill cut off, and end what is left of their processes."""
        for owner, identity, run in self._store.every("run"):
            if run["JobRunState"] in ACTIVE:
                _end_leftovers(identity, run.get("_group"))
                now = time.time()
                run.update(JobRunState="FAILED", ErrorMessage=INTERRUPTED, CompletedOn=now, LastModifiedOn=now)
                self._store.put("run", owner, identity, run)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def stop(self) -> None:
        """Stop every running job, process groups included."""
        with self._lock:
            runs = list(self._active.values())
        for run in runs:
            self._ask_to_stop(run, "The local AWS server was stopped while the job was running.")
        deadline = time.monotonic() + STOP_GRACE_SECONDS + 5
        while self._active and time.monotonic() < deadline:
            time.sleep(0.05)
        self._jvms.end()

    def start(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """StartJobRun."""
        name = str(data.get("JobName", ""))
        job = self._job(caller, name)
        arguments = {
            **(job.get("DefaultArguments") or {}),
            **(data.get("Arguments") or {}),
            **(job.get("NonOverridableArguments") or {}),
        }
        job_arguments.check(arguments)
        location = (job.get("Command") or {}).get("ScriptLocation") or ""
        try:
            split_uri(location)
        except ValueError as error:
            raise invalid_input(f"the script of job {name}: {error}") from None
        owner = caller.owner(name)
        now = time.time()
        with self._lock:
            limit = int((job.get("ExecutionProperty") or {}).get("MaxConcurrentRuns") or 1)
            active = sum(run["_owner"] == owner for run in self._active.values())
            if active >= limit:
                raise AwsError(
                    "ConcurrentRunsExceededException",
                    f"Concurrent runs exceeded for {name}: {active} running, {limit} allowed",
                )
            identity = str(data.get("JobRunId") or f"jr_{secrets.token_hex(32)}")
            if data.get("JobRunId") and self._store.get("run", identity) is not None:
                raise invalid_input("JobRunId, which asks for a retry of an earlier run, is not supported locally")
            run: dict[str, Any] = {
                "_owner": owner,
                "_script": location,
                "Id": identity,
                "Attempt": 0,
                "JobName": name,
                "JobMode": job.get("JobMode") or "SCRIPT",
                "StartedOn": now,
                "LastModifiedOn": now,
                "JobRunState": "STARTING",
                "Arguments": arguments,
                "PredecessorRuns": [],
                "ExecutionTime": 0,
                "Timeout": int(data.get("Timeout") or job.get("Timeout") or 2880),
                "LogGroupName": arguments.get("--custom-logGroup-prefix") or "/aws-glue/jobs",
                "GlueVersion": job.get("GlueVersion") or "5.1",
                "WorkerType": data.get("WorkerType") or job.get("WorkerType") or "G.1X",
                "NumberOfWorkers": data.get("NumberOfWorkers") or job.get("NumberOfWorkers") or 2,
            }
            self._active[identity] = run
            self._store.put("run", owner, identity, run)
        threading.Thread(target=self._run, args=(caller.acting_as(JOB), run), name=f"job-{name}", daemon=True).start()
        return {"JobRunId": identity}

    def get(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """GetJobRun."""
        name, identity = str(data.get("JobName", "")), str(data.get("RunId", ""))
        with self._lock:
            run = self._active.get(identity) or self._store.get("run", identity)
            shown = _shown(run) if run else {}
        if run is None or run["_owner"] != caller.owner(name):
            raise entity_not_found(f"Job Run {identity} of job {name} not found")
        return {"JobRun": shown}

    def get_many(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """GetJobRuns, newest first."""
        name = str(data.get("JobName", ""))
        self._job(caller, name)
        offset, size = int(data.get("NextToken") or 0), min(int(data.get("MaxResults") or 200), 200)
        runs = self._store.latest("run", caller.owner(name), size + 1, offset)
        with self._lock:
            shown = [_shown(self._active.get(run["Id"], run)) for run in runs[:size]]
        answer: dict[str, Any] = {"JobRuns": shown}
        if len(runs) > size:
            answer["NextToken"] = str(offset + size)
        return answer

    def batch_stop(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """BatchStopJobRun."""
        name = str(data.get("JobName", ""))
        stopped, errors = [], []
        for identity in data.get("JobRunIds") or []:
            run = self._active.get(identity) or self._store.get("run", identity)
            if run is None or run["_owner"] != caller.owner(name):
                code, message = "EntityNotFoundException", f"Job Run {identity} of job {name} not found"
            elif run["JobRunState"] not in ("STARTING", "RUNNING"):
                code, message = "InvalidInputException", f"the run is {run['JobRunState']} and cannot be stopped"
            else:
                self._ask_to_stop(run, None)
                stopped.append({"JobName": name, "JobRunId": identity})
                continue
            detail = {"ErrorCode": code, "ErrorMessage": message}
            errors.append({"JobName": name, "JobRunId": identity, "ErrorDetail": detail})
        return {"SuccessfulSubmissions": stopped, "Errors": errors}

    def delete_job(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """DeleteJob: the definition and its run history."""
        name = str(data.get("JobName", ""))
        answer = self._emulator.call(caller, "AWSGlue.DeleteJob", data)
        with self._lock:
            if not any(run["_owner"] == caller.owner(name) for run in self._active.values()):
                self._store.forget("run", caller.owner(name))
        return answer

    def _job(self, caller: Caller, name: str) -> dict[str, Any]:
        try:
            job: dict[str, Any] = self._emulator.call(caller, "AWSGlue.GetJob", {"JobName": name})["Job"]
        except AwsError as error:
            if error.code != "EntityNotFoundException":
                raise
            raise entity_not_found(f"Failed to start job run due to missing metadata: job {name} not found") from None
        return job

    def _ask_to_stop(self, run: dict[str, Any], reason: str | None) -> None:
        with self._lock:
            if run["JobRunState"] not in ("STARTING", "RUNNING"):
                return
            run["JobRunState"] = "STOPPING"
            if reason:
                run["ErrorMessage"] = reason
            self._store.put("run", run["_owner"], run["Id"], run)
            process = self._processes.get(run["Id"])
        if process is not None:
            threading.Thread(target=_end_group, args=(process,), daemon=True).start()

    def _run(self, caller: Caller, run: dict[str, Any]) -> None:
        folder = None
        out = err = ""
        try:
            self._scratch.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._scratch))
            state, message, out, err = self._execute(caller, run, folder)
        except Exception as error:
            if not isinstance(error, AwsError | FileNotFoundError | job_errors.LaunchError):
                log.exception("job run %s failed", run["Id"])
            state, message = "FAILED", error.message if isinstance(error, AwsError) else str(error)
            err = message
        for suffix, text in (("output", out), ("error", err)):
            try:
                lines = text.splitlines()[-KEPT_LOG_LINES:]
                self._logs.write(caller, f"{run['LogGroupName']}/{suffix}", run["Id"], lines or ["(nothing)"])
            except Exception:
                log.exception("the log of job run %s could not be written", run["Id"])
        with self._lock:
            now = time.time()
            run.update(
                JobRunState=state, CompletedOn=now, LastModifiedOn=now, ExecutionTime=int(now - run["StartedOn"])
            )
            if message:
                run["ErrorMessage"] = message
            self._store.put("run", run["_owner"], run["Id"], run)
            self._processes.pop(run["Id"], None)
            self._active.pop(run["Id"], None)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _execute(self, caller: Caller, run: dict[str, Any], folder: Path) -> tuple[str, str | None, str, str]:
        """Run the script. Returns the final state, the error message, and what it wrote on its two outputs."""
        script = self._fetch(caller, run["_script"], folder)
        arguments = run["Arguments"]
        python = spark.python_of(self._spark_env)
        if python is None:
            raise job_errors.LaunchError(
                f"expected the Spark environment's Python in {self._spark_env}/bin, found nothing. Run `make setup`."
            )
        extra = [self._fetch(caller, uri, folder) for uri in job_arguments.extra_py_files(arguments)]
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MINISTACK", "S3_", "PYTHON"))},
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_ACCESS_KEY_ID": caller.access_key,
            "AWS_SECRET_ACCESS_KEY": self._secret,
            "AWS_DEFAULT_REGION": caller.region,
            "AWS_REGION": caller.region,
            "PYTHONUNBUFFERED": "1",
            "TZ": "UTC",
        }
        if extra:
            # For ZIPs, and for Spark's workers, who inherit it; a .py lies beside the script, where all of them run.
            environment["PYTHONPATH"] = os.pathsep.join(str(path) for path in extra)
        command = [str(python), str(script), *job_arguments.argv(run["JobName"], run["Id"], arguments)]
        settings = job_arguments.spark_conf(arguments)
        if not os.environ.get(KEEP):
            variables = spark.environment(self._spark_env, folder, self._endpoint, settings)
            return self._run_script(run, folder, command, {**environment, **variables})
        try:
            with self._jvms.lend(environment, settings, extra) as jvm:
                return self._run_script(run, folder, command, {**environment, **jvm.variables}, jvm)
        except JvmFailed as error:
            raise job_errors.LaunchError(str(error)) from None

    def _run_script(
        self, run: dict[str, Any], folder: Path, command: list[str], environment: dict[str, str], jvm: Jvm | None = None
    ) -> tuple[str, str | None, str, str]:
        environment = {**environment, MARKER: run["Id"]}
        out_path, err_path = folder / "stdout", folder / "stderr"
        with out_path.open("wb") as out_file, err_path.open("wb") as err_file:
            with self._lock:
                if run["JobRunState"] != "STARTING":
                    return "STOPPED", run.get("ErrorMessage"), "", ""
                process = subprocess.Popen(
                    command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out_file, stderr=err_file,
                    start_new_session=True,
                )  # fmt: skip
                self._processes[run["Id"]] = process
                run.update(JobRunState="RUNNING", LastModifiedOn=time.time(), _group=process.pid)
                self._store.put("run", run["_owner"], run["Id"], run)
            timed_out = False
            try:
                process.wait(timeout=run["Timeout"] * MINUTE_SECONDS)
            except subprocess.TimeoutExpired:
                timed_out = True
                _end_group(process)
                process.wait()
        # What the script left behind in its group (a JVM, say) does not outlive it.
        kill_group(process.pid, signal.SIGKILL)
        out = out_path.read_text(errors="replace")
        err = err_path.read_text(errors="replace")
        if jvm is not None:
            err += jvm.said()
            if process.returncode != 0:
                # What such a script left in it would be there for the next run.
                jvm.end()
        with self._lock:
            if run["JobRunState"] == "STOPPING":
                return "STOPPED", run.get("ErrorMessage"), out, err
        if timed_out:
            return (
                "TIMEOUT",
                f"The job run timed out: it ran longer than its timeout of {run['Timeout']} minutes",
                out,
                err,
            )
        if process.returncode == 0:
            return "SUCCEEDED", None, out, err
        return "FAILED", job_errors.summary(err, process.returncode), out, err

    def _fetch(self, caller: Caller, uri: str, folder: Path) -> Path:
        item = self._emulator.head(caller, uri)
        if item is None:
            raise job_errors.LaunchError(f"expected the script or library {uri} in S3, found nothing. Upload it first.")
        target = folder / uri.rsplit("/", 1)[-1]
        with self._emulator.open(caller, item) as source:
            target.write_bytes(source.read())
        return target


def _shown(run: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in run.items() if not key.startswith("_")}
    if shown["JobRunState"] in ACTIVE:
        shown["ExecutionTime"] = int(time.time() - shown["StartedOn"])
    return shown


def _end_group(process: subprocess.Popen[bytes]) -> None:
    kill_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_GRACE_SECONDS)
    kill_group(process.pid, signal.SIGKILL)


def _end_leftovers(run: str, group: int | None) -> None:
    """Kill what an earlier server's job run left behind: processes of its group that carry the run's id."""
    if group is None:
        return
    for process in psutil.process_iter():
        # The id in the environment tells our process from another that was given the same number since.
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group and process.environ().get(MARKER) == run:
                process.kill()
