from collections.abc import Iterator

import pytest

from local.aws import launch
from local.lake import provision
from tests.include.sql.lab import Lab, Market, build


@pytest.fixture(scope="session")
def lab(aws_server: launch.Server) -> Iterator[Lab]:
    """A provisioned lake with nothing in it but what tests put there."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in aws_server.environment().items():
            environment.setenv(name, value)
        yield Lab(aws_server.endpoint, provision.provision(aws_server.endpoint, "lake-of-the-sql"))


@pytest.fixture(scope="session")
def market(lab: Lab) -> Market:
    """The lake with its sessions."""
    return build(lab)
