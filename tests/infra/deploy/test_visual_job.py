"""The visual job in a deploy: made, left alone, put back after Glue Studio, and deleted."""

import json
from dataclasses import replace

import pytest

from infra.deploy import destroying, smoke, visual_job
from infra.deploy.visual_job import VisualJob, holds
from infra.visual import nodes

ALONE = {"mwaa": False, "queries": False}


@pytest.fixture
def job(account, options):
    """The job as Glue has it."""
    return lambda: visual_job.find(account.glue, f"{options.stack}-visual")


@pytest.fixture
def script(account, options, job):
    """Key and content of the job's script."""

    def read() -> tuple[str, bytes]:
        key = job()["Command"]["ScriptLocation"].removeprefix(f"s3://{options.bucket}/")
        return key, account.s3.get_object(Bucket=options.bucket, Key=key)["Body"].read()

    return read


def test_is_planned_before_there_is_a_lake(plan, options):
    planned = plan(**ALONE)

    lake = next(place for place, line in enumerate(planned) if line.startswith(f"+ stack {options.stack}"))
    assert planned.index(f"+ Glue job {options.stack}-visual") > lake


def test_is_made_left_alone_put_back_and_deleted(account, checkout, options, deploy, plan, said, job, script):
    deploy(**ALONE)
    wanted = VisualJob(options.bucket, options.stack, "", checkout)
    assert holds(job()["CodeGenConfigurationNodes"], wanted.nodes)
    assert job()["JobMode"] == "VISUAL"
    refine = account.glue.get_job(JobName=f"{options.stack}-refine")["Job"]
    for name in ("Role", "Timeout", "WorkerType", "NumberOfWorkers", "GlueVersion"):
        assert job()[name] == refine[name], name
    assert job()["DefaultArguments"]["--extra-py-files"] == refine["DefaultArguments"]["--extra-py-files"]
    key, body = script()
    assert body == wanted.script
    assert plan(**ALONE) == []

    # Somebody saves the job in Glue Studio: a script of its own, and another node.
    account.s3.put_object(Bucket=options.bucket, Key=key, Body=b"# written by Glue Studio")
    assert plan(**ALONE) == [f"~ s3://{options.bucket}/{key}  {len(body):,} bytes"]
    assert not smoke.test(account, replace(options, mwaa=False), said.append)
    assert any("found another one: deploy again" in line for line in said)
    changed = {**wanted.nodes, "node-1": wanted.nodes["node-4"]}
    definition = {**wanted.definition(refine), "CodeGenConfigurationNodes": changed}
    account.glue.update_job(JobName=wanted.name, JobUpdate=definition)
    assert plan(**ALONE)[0] == f"~ Glue job {wanted.name}"
    deploy(**ALONE)
    assert script() == (key, body)
    assert holds(job()["CodeGenConfigurationNodes"], wanted.nodes)
    assert plan(**ALONE) == []

    # The checkout has other nodes.
    path = nodes.path_of(root=checkout)
    content = json.loads(path.read_text())
    content["node-1"]["S3CatalogSource"]["Name"] = "All raw quotes"
    path.write_text(json.dumps(content))
    deploy(**ALONE)
    assert b"All raw quotes" in script()[1]
    listed = account.s3.list_objects_v2(Bucket=options.bucket, Prefix="code/glue/visual-")["Contents"]
    assert [item["Key"] for item in listed] == [script()[0]]
    assert plan(**ALONE) == []

    assert f"- Glue job {wanted.name}" in destroying.check(account, options, with_data=False)
    destroying.destroy(account, options, said.append)
    assert job() is None


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        ({"a": 1, "added": None}, {"a": 1}, True),
        ({"a": 2}, {"a": 1}, False),
        ({}, {"a": 1}, False),
        ([{"a": 1, "added": 0}], [{"a": 1}], True),
        ([1, 2], [1], False),
        (None, {"a": 1}, False),
        (1, [1], False),
    ],
)
def test_what_glue_adds_is_no_difference(found, wanted, same):
    assert holds(found, wanted) is same
