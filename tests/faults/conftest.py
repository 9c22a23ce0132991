"""B3 and a lake on the local AWS, and a fault that its test has to show."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from b3.lake.layout import Lake
from tests.faults import quotes
from tests.faults.fault import Shown
from tests.plugins.b3.conftest import body, exchange, hook_to, lake, put_landed, s3, table, versions, waits

__all__ = ["body", "exchange", "hook_to", "lake", "put_landed", "s3", "table", "versions", "waits"]

Objects = dict[str, str]


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Shown:
    """The fault that the test shows."""
    return Shown(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Fail a test that ends without having shown its fault."""
    result = yield
    shown = pyfuncitem.funcargs.get("fault")
    if isinstance(shown, Shown):
        shown.check()
    return result


@pytest.fixture
def objects(s3: Any, lake: Lake) -> Callable[[], Objects]:
    """The ETag of every object of the lake, by key; a sha256 in a key is shown as "…"."""

    def look() -> Objects:
        listed = s3.list_objects_v2(Bucket=lake.bucket).get("Contents", [])
        return {re.sub(r"[0-9a-f]{64}", "…", each["Key"]): each["ETag"] for each in listed}

    return look


@pytest.fixture
def changed(objects: Callable[[], Objects]) -> Callable[[Objects], list[str]]:
    """The keys of objects that are new, gone or replaced since `objects` was asked."""

    def look(before: Objects) -> list[str]:
        after = objects()
        return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))

    return look


@pytest.fixture
def before(put_landed: Any, s3: Any, lake: Lake, objects: Callable[[], Objects]) -> Objects:
    """The objects of a lake that has the quotes of a session, landed and in raw, as they are before the fault."""
    quotes.publish(put_landed, s3, lake)
    return objects()
