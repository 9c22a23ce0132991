"""The tests see none of the settings, accounts and proxies of whoever runs them, and Airflow gets a home of its own."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from local.aws import credentials, launch, service_models
from local.aws.glue import kept_jvms
from tests.places import PLUGINS

_airflow_home = tempfile.TemporaryDirectory(prefix="airflow-")

for name in list(os.environ):
    if name.startswith(("AIRFLOW", "AWS_", "B3_")) and name != "B3_REAL_FILES":
        del os.environ[name]
os.environ["AIRFLOW_HOME"] = _airflow_home.name
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(PLUGINS)
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

service_models.read_once()

_start = launch.start


def _start_with_one_key(home: Path, *arguments: Any, **options: Any) -> launch.Server:
    # boto3's default session keeps the first key that it finds, and one process here uses several servers.
    credentials.make(home, "the-key-of-the-tests")
    return _start(home, *arguments, **options)


launch.start = _start_with_one_key

# What takes long begins first, so that in the end no worker waits for another.
LONG = (
    "tests/e2e", "tests/include/glue", "tests/infra/deploy", "tests/plugins/b3/verify", "tests/local/exchange/market",
)  # fmt: skip

# A test waits half of its time, so two cores take four workers. One worker takes 2 GB with its servers.
MOST_WORKERS, WORKER_BYTES = 4, 2 * 10**9


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers of `make test`: fewer than most where memory is short, but two."""
    return max(2, min(MOST_WORKERS, psutil.virtual_memory().available // WORKER_BYTES))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    # What is read and made for thousands of tests stays: to look for garbage in it takes a third of the time.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((n for n, name in enumerate(LONG) if name in item.path.as_posix()), len(LONG)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let each test, and the fixtures that it is the first to use, sign with the key of its environment.

    The many runs of tests/e2e share Spark's JVMs; elsewhere each job run has its own, as on AWS.
    """
    boto3.DEFAULT_SESSION = None
    if "tests/e2e" not in item.path.as_posix():
        os.environ.pop(kept_jvms.KEEP, None)


@pytest.fixture(scope="session")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.Server]:
    """A local AWS with nothing in it; tests take buckets of their own."""
    with launch.start(tmp_path_factory.mktemp("aws")) as server:
        yield server
