import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.checkout import ROOT
from infra.deploy.account import Account
from infra.deploy.arguments import Options
from infra.deploy.deploying import Change, Deployment
from local.aws import launch

# The local AWS has no MWAA. In its place, what MWAA would be told; the parameters are those of the real template.
MWAA = """
Parameters:
  LakeStack: {Type: String}
  CodeBucket: {Type: String}
  RequirementsVersion: {Type: String}
  PluginsVersion: {Type: String}
  AirflowVersion: {Type: String, Default: 3.3.1}
  ZoneA: {Type: String, Default: ""}
  ZoneB: {Type: String, Default: ""}
Resources:
  Told:
    Type: AWS::SSM::Parameter
    Properties:
      Name: !Sub /told/${AWS::StackName}
      Type: String
      Value: !Sub "${AirflowVersion} ${CodeBucket} ${RequirementsVersion} ${PluginsVersion}"
Outputs:
  WebserverUrl: {Value: !Sub "https://ui-of-${AWS::StackName}"}
"""
QUERIES = {
    "analysis/sessions.sql": "-- The sessions that\n-- the lake has.\nSELECT DISTINCT trade_date FROM quotes\n",
    "views/latest.sql": 'CREATE OR REPLACE VIEW latest AS SELECT max(trade_date) AS day FROM "quotes$partitions"\n',
}
_numbers = itertools.count(1)


def copy_of_the_repository(target: Path) -> Path:
    """What a deploy reads, with saved queries of the tests' own and a stand-in for MWAA's template."""
    for name in ("dags", "plugins", "include", "infra"):
        leave = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, target / name, symlinks=True, ignore=leave)
    for path in (*ROOT.glob("constraints*.txt"), ROOT / "requirements.txt"):
        shutil.copy(path, target)
    (target / "infra" / "mwaa.yaml").write_text(MWAA)
    for folder in ("analysis", "views"):
        shutil.rmtree(target / "include" / "sql" / folder, ignore_errors=True)
    for name, sql in QUERIES.items():
        path = target / "include" / "sql" / name
        path.parent.mkdir()
        path.write_text(sql)
    return target


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_of_the_repository(tmp_path / "checkout")


@pytest.fixture(scope="class")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.Server]:
    """A local AWS for each class. It saves all its stacks at each call, so it gets slower with every lake."""
    with launch.start(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture(scope="class")
def environ(aws_server: launch.Server) -> Iterator[dict[str, str]]:
    """The environment in which boto3 talks to the local AWS, set for this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws_server.environment().items():
            patch.setenv(name, value)
        yield dict(os.environ)


@pytest.fixture(scope="class")
def account(environ) -> Account:
    return Account()


def options_of(checkout: Path) -> Options:
    """Return the options of a deploy to a lake that there is not yet."""
    name = f"lake{next(_numbers)}"
    return Options(stack=name, bucket=f"bucket-of-{name}", parameters={"Database": name}, root=checkout)


@pytest.fixture
def options(checkout: Path) -> Options:
    """A lake of its own for every test."""
    return options_of(checkout)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def deploy(account: Account, options: Options, said: list[str]) -> Callable[..., list[Change]]:
    """Deploy the checkout as it is now; gives the changes that were planned and made."""

    def run(**other: object) -> list[Change]:
        deployment = Deployment(account, replace(options, **other), said.append)
        planned = deployment.plan()
        deployment.apply(planned)
        return [change for _, changes in planned for change in changes]

    return run


@pytest.fixture
def plan(account: Account, options: Options, said: list[str]) -> Callable[..., list[str]]:
    """The plan, as text by change."""

    def run(**other: object) -> list[str]:
        deployment = Deployment(account, replace(options, **other), said.append)
        return [str(change) for _, changes in deployment.plan() for change in changes]

    return run
