"""JVMs of Spark that stay for the next job run: most of a small run's time goes into a new one.

On AWS each run has a JVM of its own, and so here, unless KEEP is set in the server's environment, where many small runs
are to come. A JVM has one run at a time. It is used again only after a run that ended well, and for one with the same
settings and key. It ends a while after its last run, and with the process that started it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from local.aws.glue import spark
from local.processes.end import kill_group

KEEP = "B3_SPARK_KEEP_JVM"
_IDLE_SECONDS = 60.0
_START_SECONDS = 60.0
# PySpark's gateway writes its port and secret to the file that this variable names.
_INFO = "_PYSPARK_DRIVER_CONN_INFO_PATH"
# Of those that the JVM has from `spark.environment`.
_SCRIPTS_VARIABLES = (
    "JAVA_HOME",
    "PYSPARK_DRIVER_PYTHON",
    "PYSPARK_PYTHON",
    "SPARK_CONF_DIR",
    "SPARK_LOCAL_DIRS",
    "SPARK_LOCAL_IP",
)


class JvmFailed(Exception):
    """A JVM did not start; the message says what it wrote."""


class Jvm:
    """A running JVM, with a folder of its own.

    Attributes:
        variables: what a script's environment needs to use it.
    """

    def __init__(self, spark_env: Path, folder: Path, environ: Mapping[str, str]) -> None:
        """Start it.

        Args:
            spark_env: the environment with PySpark.
            folder: for its settings and scratch files; it is made.
            environ: with the variables of `spark.environment(spark_env, folder, …)`, and the key.

        Raises:
            JvmFailed: it did not start.
        """
        self._folder = folder
        self._log = folder / "jvm.log"
        info = folder / "gateway"
        home = next(spark_env.resolve().glob("lib/python3*/site-packages/pyspark"))
        command = [str(home / "bin" / "spark-submit"), *shlex.split(environ["PYSPARK_SUBMIT_ARGS"])]
        with self._log.open("wb") as log:
            # It ends when its input does: with this process, however that ends.
            self._process = subprocess.Popen(
                command, cwd=folder, env={**environ, _INFO: str(info), "SPARK_HOME": str(home)},
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while not info.exists():
            if not self.is_alive or time.monotonic() > deadline:
                said = self._log.read_text(errors="replace")[-800:]
                self.end()
                raise JvmFailed(f"expected Spark's JVM to start, found: {said}")
            time.sleep(0.02)
        port, secret = _read_info(info.read_bytes())
        self.variables = {name: environ[name] for name in _SCRIPTS_VARIABLES if name in environ}
        self.variables |= {"PYSPARK_GATEWAY_PORT": str(port), "PYSPARK_GATEWAY_SECRET": secret}
        self._told = 0

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def said(self) -> str:
        """Return what it has logged since the last call."""
        with self._log.open("rb") as log:
            log.seek(self._told)
            new = log.read()
        self._told += len(new)
        return new.decode(errors="replace")

    def end(self) -> None:
        """End it, and remove its folder's files."""
        kill_group(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin
        self._process.stdin.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _read_info(written: bytes) -> tuple[int, str]:
    """Return port and secret: a number of four bytes, and a text after its length."""
    port, length = struct.unpack(">ii", written[:8])
    return port, written[8 : 8 + length].decode()


class KeptJvms:
    """The JVMs of a server."""

    def __init__(self, spark_env: Path, scratch: Path, endpoint: str) -> None:
        self._spark_env = spark_env
        self._scratch = scratch
        self._endpoint = endpoint
        self._idle: list[tuple[object, Jvm, threading.Timer]] = []
        self._lock = threading.Lock()
        self._count = 0

    @contextlib.contextmanager
    def lend(self, environ: Mapping[str, str], settings: Mapping[str, str], extra: Sequence[Path]) -> Iterator[Jvm]:
        """Lend a JVM to a run. One that has ended meanwhile is not lent again.

        Args:
            environ: the run's environment without Spark's variables.
            settings: Spark's settings of the run.
            extra: the run's --extra-py-files, for Spark's workers in Python, whom the JVM starts.
        """
        of_aws = {name: value for name, value in environ.items() if name.startswith("AWS_")}
        key = (dict(settings), of_aws, [(path.name, path.read_bytes()) for path in extra])
        jvm = self._take(key) or self._start(environ, settings, extra)
        jvm.said()
        try:
            yield jvm
        except BaseException:
            jvm.end()
            raise
        if jvm.is_alive:
            self._give_back(key, jvm)

    def end(self) -> None:
        """End those that wait."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, jvm, timer in idle:
            timer.cancel()
            jvm.end()

    def _start(self, environ: Mapping[str, str], settings: Mapping[str, str], extra: Sequence[Path]) -> Jvm:
        with self._lock:
            self._count += 1
            folder = self._scratch / f"jvm-{self._count}"
        variables = spark.environment(self._spark_env, folder, self._endpoint, settings)
        # The run's folder is removed with the run.
        kept = [str(shutil.copy(path, folder)) for path in extra]
        return Jvm(self._spark_env, folder, {**environ, **variables, "PYTHONPATH": os.pathsep.join(kept)})

    def _take(self, key: object) -> Jvm | None:
        with self._lock:
            for place, (of, jvm, timer) in enumerate(self._idle):
                if of == key and jvm.is_alive:
                    timer.cancel()
                    del self._idle[place]
                    return jvm
        return None

    def _give_back(self, key: object, jvm: Jvm) -> None:
        timer = threading.Timer(_IDLE_SECONDS, self._let_go, [jvm])
        timer.daemon = True
        with self._lock:
            self._idle.append((key, jvm, timer))
        timer.start()

    def _let_go(self, jvm: Jvm) -> None:
        with self._lock:
            waits = any(entry[1] is jvm for entry in self._idle)
            self._idle = [entry for entry in self._idle if entry[1] is not jvm]
        if waits:
            jvm.end()
