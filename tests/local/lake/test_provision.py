"""The lake's stack on the local AWS: made, followed, and mended after a failure."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from infra.checkout import template
from infra.deploy import templates
from local.aws import calls, launch
from local.lake import provision


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The file that calls are recorded in."""
    return tmp_path / "calls.jsonl"


@pytest.fixture
def endpoint(tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An AWS of its own: the stack has a fixed name."""
    with launch.start(tmp_path / "aws", record_calls=recorded) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server.endpoint


def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """Have the stack made from a template in which `old` is `new`."""
    text = template("lake").read_text()
    assert text.count(old) == 1
    (tmp_path / "lake.yaml").write_text(text.replace(old, new))
    monkeypatch.setattr(provision, "template", lambda name: tmp_path / f"{name}.yaml")


def test_a_stack_that_failed_names_the_resource_and_is_made_by_the_next_command(endpoint):
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": "b3"})
    with pytest.raises(RuntimeError, match=r"expected stack b3-lake .* GlueDatabase: .*exists"):
        provision.provision(endpoint, "lake")
    assert provision.outputs(endpoint) is None
    glue.delete_database(Name="b3")

    assert provision.provision(endpoint, "lake")["GlueDatabase"] == "b3"


def test_a_default_that_the_template_changed_reaches_the_lake(endpoint, tmp_path, monkeypatch):
    made = provision.provision(endpoint, "lake")
    (default,) = {templates.parse(template("lake").read_text())["Parameters"]["GlueTimeoutMinutes"]["Default"]}
    changed(tmp_path, monkeypatch, f"Default: {default}\n    MinValue: 5", "Default: 7\n    MinValue: 5")

    assert provision.provision(endpoint, "lake") == made
    assert int(boto3.client("glue").get_job(JobName=made["GlueJob"])["Job"]["Timeout"]) == 7


def test_a_stack_that_is_as_it_should_be_is_not_updated(endpoint, recorded):
    provision.provision(endpoint, "lake")
    provision.provision(endpoint, "lake")

    operations = [call.operation for call in calls.read(recorded)]
    assert "CreateStack" in operations
    assert "UpdateStack" not in operations


def test_a_table_that_was_dropped_is_put_back_with_its_partitions(endpoint, capsys):
    outputs = provision.provision(endpoint, "lake")
    glue, s3 = boto3.client("glue"), boto3.client("s3")
    of_template = glue.get_table(DatabaseName="b3", Name="quotes")["Table"]
    for day in ("2024-03-13", "2024-03-14"):
        s3.put_object(Bucket="lake", Key=f"refined/quotes/trade_date={day}/quotes.parquet", Body=b"PAR1")
    glue.delete_table(DatabaseName="b3", Name="quotes")
    capsys.readouterr()

    assert provision.provision(endpoint, "lake") == outputs

    assert capsys.readouterr().out == "table quotes was missing from the catalog: put back, with its partitions\n"
    same = ("StorageDescriptor", "PartitionKeys", "Parameters", "TableType", "Description")
    found = glue.get_table(DatabaseName="b3", Name="quotes")["Table"]
    assert {name: found[name] for name in same} == {name: of_template[name] for name in same}
    partitions = glue.get_partitions(DatabaseName="b3", TableName="quotes")["Partitions"]
    assert sorted(each["Values"][0] for each in partitions) == ["2024-03-13", "2024-03-14"]
    assert provision.provision(endpoint, "lake") == outputs
    assert capsys.readouterr().out == ""


def test_the_visual_jobs_table_is_put_back_and_its_partitions_are_not_promised(endpoint, capsys):
    provision.provision(endpoint, "lake")
    boto3.client("glue").delete_table(DatabaseName="b3", Name="visual_index_stocks")
    capsys.readouterr()

    provision.provision(endpoint, "lake")

    assert capsys.readouterr().out == (
        "table visual_index_stocks was missing from the catalog: put back, its partitions come with the next run that "
        "writes them\n"
    )
