"""A local lake for each module of tests, and a gate before it that can hold a request."""

from collections.abc import Iterator

import pytest

from tests.include.glue.gate import Gate
from tests.include.glue.lake import Lake, local_lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with local_lake(tmp_path_factory.mktemp("lake")) as lake:
        yield lake


@pytest.fixture(scope="module")
def gate(lake: Lake) -> Iterator[Gate]:
    with Gate(lake.endpoint).serving() as gate:
        yield gate
