"""The visual job in a deploy: made, left alone, put back after Glue Studio, and deleted."""

import json
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from infra.deploy import destroying, smoke, visual_job
from infra.deploy.visual_job import VisualJob, are_same_nodes, is_as_wanted
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
    assert are_same_nodes(job()["CodeGenConfigurationNodes"], wanted.nodes)
    assert job()["JobMode"] == "VISUAL"
    refine = account.glue.get_job(JobName=f"{options.stack}-refine")["Job"]
    for name in ("Role", "Timeout", "WorkerType", "NumberOfWorkers", "GlueVersion"):
        assert job()[name] == refine[name], name
    assert job()["DefaultArguments"]["--extra-py-files"] == refine["DefaultArguments"]["--extra-py-files"]
    # Spark asks S3 in the lake's region.
    assert job()["DefaultArguments"]["--conf"] == refine["DefaultArguments"]["--conf"]
    key, body = script()
    assert body == wanted.script
    assert plan(**ALONE) == []

    # Somebody saves the job in Glue Studio: a script of its own, and another node.
    account.s3.put_object(Bucket=options.bucket, Key=key, Body=b"# written by Glue Studio")
    assert plan(**ALONE) == [f"~ s3://{options.bucket}/{key}  {len(body):,} bytes"]
    assert not smoke.test(account, replace(options, mwaa=False), said.append)
    assert any("found another one: deploy again" in line for line in said)
    for changed in ({"node-1": wanted.nodes["node-4"]}, {"node-9": wanted.nodes["node-4"]}):
        definition = {**wanted.definition(refine), "CodeGenConfigurationNodes": {**wanted.nodes, **changed}}
        account.glue.update_job(JobName=wanted.name, JobUpdate=definition)
        assert plan(**ALONE)[0] == f"~ Glue job {wanted.name}"
    deploy(**ALONE)
    assert script() == (key, body)
    assert are_same_nodes(job()["CodeGenConfigurationNodes"], wanted.nodes)
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


NODE = {"RenameField": {"Name": "x", "Inputs": ["node-1"], "SqlAliases": [{"From": "node-1"}]}}


def having(**fields: object) -> dict[str, dict[str, object]]:
    """The node with these fields."""
    return {"RenameField": {**NODE["RenameField"], **fields}}


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ({"node-2": NODE}, True),
        ({"node-2": having(Added=None, Options={}, Columns=[], Text="")}, True),
        ({"node-2": having(SqlAliases=[{"From": "node-1", "Added": None}])}, True),
        ({"node-2": having(Added="x")}, False),
        ({"node-2": having(SqlAliases=[{"From": "node-1", "Added": "x"}])}, False),
        ({"node-2": having(SqlAliases=[{"From": "node-1"}, {"From": "node-3"}])}, False),
        ({"node-2": having(Inputs=["node-3"])}, False),
        ({"node-2": having(Inputs=None)}, False),
        ({"node-2": {"Filter": NODE["RenameField"]}}, False),
        ({"node-2": {**NODE, "Filter": {}}}, False),
        ({"node-2": NODE, "node-3": NODE}, False),
        ({"node-2": NODE, "node-3": {}}, False),
        ({}, False),
    ],
)
def test_nodes_are_the_same_if_glue_added_nothing_or_empty_fields(found, same):
    assert are_same_nodes(found, {"node-2": NODE}) is same


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ({"Timeout": 60, "CreatedOn": "today"}, True),
        ({"Timeout": 61}, False),
        ({}, False),
    ],
)
def test_a_job_is_the_same_whatever_glue_adds_beside_its_nodes(found, same):
    of_nodes = {"CodeGenConfigurationNodes": {"node-2": NODE}}

    assert is_as_wanted({**found, **of_nodes}, {"Timeout": 60, **of_nodes}) is same


def test_a_job_without_nodes_is_another_one():
    assert not is_as_wanted({}, {"CodeGenConfigurationNodes": {"node-2": NODE}})


@pytest.fixture
def refusing(account):
    """Glue as it refuses to make a job, which nobody has seen of a job with nodes."""

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "glue:UseGlueStudio"}}, "CreateJob")

    events = account.glue.meta.events
    events.register("before-call.glue.CreateJob", refuse)
    yield
    events.unregister("before-call.glue.CreateJob", refuse)


def test_a_job_that_glue_refuses_keeps_nothing_else_from_being_deployed(account, options, deploy, plan, refusing):
    with pytest.raises(ClientError, match="glue:UseGlueStudio"):
        deploy(**ALONE)

    script_key = next(line for line in plan(**ALONE) if "code/glue/visual-" in line)
    assert plan(**ALONE) == [f"+ Glue job {options.stack}-visual", script_key]
    dags = account.s3.list_objects_v2(Bucket=options.code, Prefix="dags/")["Contents"]
    assert "dags/b3_daily.py" in [item["Key"] for item in dags]
