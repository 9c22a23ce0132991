from collections.abc import Iterator

import pytest

from local.aws import launch
from local.lake import provision
from tests.include.sql.lab import Lab, Market, build


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A provisioned lake with nothing in it but what tests put there; lakes of one AWS would share their database."""
    with launch.start(tmp_path_factory.mktemp("aws")) as server, pytest.MonkeyPatch.context() as environment:
        for name, value in server.environment().items():
            environment.setenv(name, value)
        yield Lab(server.endpoint, provision.provision(server.endpoint, "lake-of-the-sql"))


@pytest.fixture(scope="session")
def market(lab: Lab) -> Market:
    """The lake with its sessions."""
    return build(lab)
