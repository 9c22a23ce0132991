import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import yaml

from infra.checkout import ROOT
from infra.deploy import bundle, smoke, templates
from infra.deploy.account import Account
from infra.deploy.arguments import Options
from infra.deploy.deploying import OWN, Change, Deployment
from infra.deploy.errors import DeployError
from infra.deploy.templates import parse
from infra.deploy.visual_job import VisualJob
from tests.infra.deploy.conftest import MWAA, copy_of_the_repository, options_of
from tests.infra.deploy.stack_names import stack_names

KEY = "include/sql/validate/quotes/key_is_unique.sql"


def versions(account: Account, bucket: str) -> list[tuple[str, str]]:
    pages = account.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    return [
        (item["Key"], item["VersionId"])
        for page in pages
        for kind in ("Versions", "DeleteMarkers")
        for item in page.get(kind, [])
    ]


def keys(account: Account, bucket: str) -> set[str]:
    pages = account.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {item["Key"] for page in pages for item in page.get("Contents", [])}


def body(account: Account, bucket: str, key: str) -> bytes:
    return account.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def told(account: Account, options, environ) -> dict[str, str]:
    """What MWAA's stack was told."""
    stack = account.cloudformation.describe_stacks(StackName=options.mwaa_stack)["Stacks"][0]
    return {item["ParameterKey"]: item["ParameterValue"] for item in stack["Parameters"]}


@pytest.fixture(scope="class")
def made(account, tmp_path_factory):
    """A lake that was deployed once, for tests that leave it as it is."""
    said: list[str] = []
    options = options_of(copy_of_the_repository(tmp_path_factory.mktemp("made") / "checkout"))

    def deploy(**other: object) -> list[Change]:
        deployment = Deployment(account, replace(options, **other), said.append)
        planned = deployment.plan()
        deployment.apply(planned)
        return [change for _, changes in planned for change in changes]

    deploy()
    return Made(account, options, said, deploy)


@dataclass(frozen=True)
class Made:
    account: Account
    options: Options
    said: list[str]
    deploy: Callable[..., list[Change]]


class TestALakeThatIsMade:
    def test_works(self, made):
        said: list[str] = []
        assert smoke.test(made.account, options_without_mwaa(made.options), said.append), said

    def test_has_its_code_where_mwaa_takes_it_from(self, made):
        checkout = made.options.root
        code = keys(made.account, made.options.code)
        constraints = f"dags/{bundle.make(checkout).constraints}"
        assert {"plugins.zip", "requirements.txt", constraints, "dags/b3_daily.py"} <= code
        assert {key for key in code if key.startswith("dags/include/")} == {
            f"dags/include/{path.relative_to(checkout / 'include')}"
            for path in (checkout / "include").rglob("*")
            if path.is_file()
        }
        archive = zipfile.ZipFile(io.BytesIO(body(made.account, made.options.code, "plugins.zip")))
        assert archive.read("b3/lake/layout.py") == (checkout / "plugins/b3/lake/layout.py").read_bytes()

    def test_has_a_job_that_runs_the_script_of_the_checkout(self, made):
        account, options = made.account, made.options
        location = account.glue.get_job(JobName=f"{options.stack}-refine")["Job"]["Command"]["ScriptLocation"]
        content = body(account, options.bucket, location.removeprefix(f"s3://{options.bucket}/"))
        assert content == (options.root / "include/glue/refine_job.py").read_bytes()

    def test_has_a_query_of_each_file_saved_in_its_workgroup(self, made):
        account, options = made.account, made.options
        found = account.athena.list_named_queries(WorkGroup=options.stack)["NamedQueryIds"]
        saved = [account.athena.get_named_query(NamedQueryId=one)["NamedQuery"] for one in found]
        assert {query["Name"]: query["Description"] for query in saved} == {
            "sessions": "The sessions that the lake has.",
            "latest": "A query of the B3 data lake",
        }
        assert {query["Database"] for query in saved} == {options.stack}

    def test_told_mwaa_the_versions_of_what_was_uploaded(self, made, environ):
        parameters = told(made.account, made.options, environ)
        for name, key in (("RequirementsVersion", "requirements.txt"), ("PluginsVersion", "plugins.zip")):
            assert parameters[name] == made.account.s3.head_object(Bucket=made.options.code, Key=key)["VersionId"]
        assert parameters["AirflowVersion"] == "3.3.1"

    def test_says_in_the_end_where_airflows_ui_is(self, made):
        assert made.said[-1] == f"Airflow's UI: https://ui-of-{made.options.mwaa_stack}"

    def test_keeps_code_in_a_bucket_that_is_versioned_and_that_the_public_cannot_reach(self, made):
        s3, bucket = made.account.s3, made.options.code
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}

    def test_deployed_again_without_a_change_is_left_alone(self, made):
        buckets = (made.options.bucket, made.options.code)
        before = [versions(made.account, bucket) for bucket in buckets]

        assert made.deploy() == []
        assert [versions(made.account, bucket) for bucket in buckets] == before

    def test_deployed_from_the_same_files_elsewhere_with_other_times_is_left_alone(self, made, tmp_path):
        elsewhere = tmp_path / "elsewhere"
        shutil.copytree(made.options.root, elsewhere, symlinks=True)
        for path in elsewhere.rglob("*"):
            if not path.is_symlink():
                os.utime(path, (1_000_000_000, 1_000_000_000))

        assert made.deploy(root=elsewhere) == []

    def test_is_not_deployed_without_the_environment_that_it_has(self, made):
        with pytest.raises(DeployError, match=f"expected no environment.* found stack {made.options.mwaa_stack}"):
            made.deploy(mwaa=False)

    def test_is_not_moved_to_another_bucket(self, made):
        with pytest.raises(DeployError, match=f"expected stack {made.options.stack} to be that of bucket elsewhere"):
            made.deploy(bucket="elsewhere")


class TestFirstDeploy:
    def test_refuses_a_bucket_that_is_not_the_stack_s(self, deploy, account, options):
        account.s3.create_bucket(Bucket=options.bucket)

        with pytest.raises(DeployError, match=f"expected no bucket {options.bucket} yet"):
            deploy()

    def test_says_which_resource_failed_and_is_mended_by_the_next_one(self, deploy, plan, account, options, checkout):
        path = checkout / "infra/lake.yaml"
        good = path.read_text()
        # A database that is there already, as in an account that has another lake.
        account.glue.create_database(DatabaseInput={"Name": options.stack})
        with pytest.raises(DeployError, match=r"GlueDatabase: .*exists"):
            deploy()
        account.glue.delete_database(Name=options.stack)

        assert "(what is left of a failed creation goes first)" in plan()[0]
        deploy()

        assert path.read_text() == good
        assert plan() == []


# In place of a crawler that Glue refuses: a resource of crawls by events that fails with Glue's words in its reason.
REFUSED = "SQS queue of {stack} does not exist or the role provided does not have access to it"
REFUSED_RESOURCE = """
  Refused:
    Type: AWS::Glue::Database
    Condition: CrawlByEvents
    Properties:
      CatalogId: !Ref AWS::AccountId
      DatabaseInput: {{Name: "{name}"}}

Outputs:
"""


class TestCrawlersWhoseQueuesGlueDoesNotSee:
    @pytest.fixture
    def refused(self, account, options, checkout) -> str:
        """Name of a database; while it is there, the lake's stack fails if its crawlers go by events."""
        name = REFUSED.format(stack=options.stack)
        account.glue.create_database(DatabaseInput={"Name": name})
        path = checkout / "infra/lake.yaml"
        path.write_text(path.read_text().replace("\nOutputs:\n", REFUSED_RESOURCE.format(name=name)))
        return name

    @staticmethod
    def crawls_by(account, options) -> str:
        return account.glue.get_crawler(Name=f"{options.stack}-raw")["Crawler"]["RecrawlPolicy"]["RecrawlBehavior"]

    def test_list_until_the_lake_is_made_and_then_go_by_events(self, account, options, refused, said, plan):
        def say(line: str) -> None:
            said.append(line)
            if line.endswith(f"create complete  {options.stack}"):
                account.glue.delete_database(Name=refused)

        deployment = Deployment(account, options, say)
        deployment.apply(deployment.plan())

        assert any("with CrawlBy=LISTING first" in line for line in said)
        assert self.crawls_by(account, options) == "CRAWL_EVENT_MODE"
        assert plan() == []

    def test_go_on_listing_where_glue_does_not_see_them_later_either(self, account, options, refused, deploy, said):
        deploy()

        assert any("The crawlers list, which costs the same: deploy later with" in line for line in said)
        assert self.crawls_by(account, options) == "CRAWL_EVERYTHING"
        script = account.glue.get_job(JobName=f"{options.stack}-refine")["Job"]["Command"]["ScriptLocation"]
        assert account.s3.head_object(Bucket=options.bucket, Key=script.split("/", 3)[3])
        account.glue.delete_database(Name=refused)
        deploy(parameters=options.parameters | {"CrawlBy": "EVENTS"})
        assert self.crawls_by(account, options) == "CRAWL_EVENT_MODE"

    def test_are_not_the_reason_of_other_failures(self, account, options, deploy, said):
        account.glue.create_database(DatabaseInput={"Name": options.stack})

        with pytest.raises(DeployError, match="GlueDatabase"):
            deploy()

        assert not any("LISTING" in line for line in said)


class TestNextDeploy:
    def test_of_one_changed_sql_file_changes_one_object(self, deploy, plan, account, options, checkout):
        deploy()
        with (checkout / KEY).open("a") as file:
            file.write("-- changed\n")

        size = (checkout / KEY).stat().st_size
        assert plan() == [f"~ s3://{options.code}/dags/{KEY}  {size:,} bytes"]
        deploy()
        assert body(account, options.code, f"dags/{KEY}") == (checkout / KEY).read_bytes()
        assert plan() == []

    def test_of_a_changed_analysis_changes_its_saved_query_in_place(self, deploy, account, options, checkout):
        deploy()
        before = account.athena.list_named_queries(WorkGroup=options.stack)["NamedQueryIds"]
        (checkout / "include/sql/analysis/sessions.sql").write_text("SELECT 2\n")

        changes = deploy()

        assert [str(change).splitlines()[0] for change in changes] == [
            f"~ stack {options.queries_stack}",
            f"~ s3://{options.code}/dags/include/sql/analysis/sessions.sql  9 bytes",
        ]
        assert changes[0].details == ("~ AnalysisSessions (AWS::Athena::NamedQuery)",)
        after = account.athena.list_named_queries(WorkGroup=options.stack)["NamedQueryIds"]
        assert sorted(after) == sorted(before)
        saved = [account.athena.get_named_query(NamedQueryId=one)["NamedQuery"] for one in after]
        assert "SELECT 2\n" in {query["QueryString"] for query in saved}

    def test_deletes_what_is_gone(self, deploy, account, options, checkout):
        deploy()
        (checkout / KEY).unlink()
        (checkout / "include/sql/views/latest.sql").unlink()

        deploy()

        left = keys(account, options.code)
        assert not {f"dags/{KEY}", "dags/include/sql/views/latest.sql"} & left
        assert len(account.athena.list_named_queries(WorkGroup=options.stack)["NamedQueryIds"]) == 1

    @pytest.mark.parametrize("file", ["refine_job.py", "refine/rules.py"])
    def test_of_changed_glue_code_has_it_there_before_the_job_names_it(self, deploy, account, options, checkout, file):
        deploy()
        old = bundle.make(checkout).glue
        (checkout / "include/glue" / file).write_text("print('another')\n")
        new = bundle.make(checkout).glue
        (added,), (gone,) = set(new.objects) - set(old.objects), set(old.objects) - set(new.objects)

        order = [str(change).splitlines()[0].partition("  ")[0] for change in deploy()]

        assert order[:2] == [f"+ s3://{options.bucket}/{added}", f"~ stack {options.stack}"]
        assert order[-1] == f"- s3://{options.bucket}/{gone}"
        visual = VisualJob(options.bucket, options.stack, new.package_key, checkout)
        assert keys(account, options.bucket) == set(new.objects) | set(visual.objects)

    def test_of_changed_plugins_tells_mwaa_before_the_dags_come(self, deploy, account, options, checkout, environ):
        deploy()
        before = told(account, options, environ)
        (checkout / "plugins/b3/lake/layout.py").write_text("# another\n")
        (checkout / "dags/b3_daily.py").write_text("# another\n")

        changes = deploy()

        assert [str(change).split("  ")[0].splitlines()[0] for change in changes] == [
            f"~ s3://{options.code}/plugins.zip",
            f"~ stack {options.mwaa_stack}",
            f"~ s3://{options.code}/dags/b3_daily.py",
        ]
        after = told(account, options, environ)
        assert after["PluginsVersion"] == account.s3.head_object(Bucket=options.code, Key="plugins.zip")["VersionId"]
        assert after["PluginsVersion"] != before["PluginsVersion"]
        assert after["RequirementsVersion"] == before["RequirementsVersion"]

    def test_of_another_airflow_brings_its_constraints_and_stays_with_it(self, deploy, account, options, environ):
        deploy()

        deploy(airflow="3.2.1")

        constraints = f"dags/{bundle.make(options.root, '3.2.1').constraints}"
        assert told(account, options, environ)["AirflowVersion"] == "3.2.1"
        assert b"apache-airflow==3.2.1\n" in body(account, options.code, constraints)
        assert deploy() == []

    def test_of_changed_constraints_tells_mwaa_and_leaves_it_the_former_ones_until_then(
        self, deploy, account, options, checkout, environ
    ):
        deploy()
        before, former = told(account, options, environ), bundle.make(checkout).constraints
        with (checkout / "constraints.txt").open("a") as file:
            file.write("another==1.0\n")

        changes = deploy()

        constraints = bundle.make(checkout).constraints
        assert [str(change).split("  ")[0].splitlines()[0] for change in changes] == [
            f"+ s3://{options.code}/dags/{constraints}",
            f"~ s3://{options.code}/requirements.txt",
            f"~ stack {options.mwaa_stack}",
            f"- s3://{options.code}/dags/{former}",
        ]
        assert told(account, options, environ)["RequirementsVersion"] != before["RequirementsVersion"]
        assert deploy() == []

    def test_puts_right_what_was_changed_by_hand(self, deploy, account, options):
        deploy()
        good = body(account, options.code, "requirements.txt")
        account.s3.put_object(Bucket=options.code, Key="requirements.txt", Body=bytes(len(good)))

        deploy()

        assert body(account, options.code, "requirements.txt") == good

    def test_keeps_a_parameter_that_an_earlier_one_gave(self, deploy, account, options):
        deploy(parameters=options.parameters | {"GlueTimeoutMinutes": "45"})

        assert deploy(parameters={}) == []
        assert int(account.glue.get_job(JobName=f"{options.stack}-refine")["Job"]["Timeout"]) == 45

    def test_refuses_a_parameter_that_no_template_has(self, deploy, options):
        with pytest.raises(DeployError, match="expected a parameter of the templates, found Databse"):
            deploy(parameters={"Databse": "b3"})

    def test_refuses_a_parameter_that_it_sets_itself(self, deploy):
        with pytest.raises(DeployError, match="expected no value for parameter LakeBucket"):
            deploy(parameters={"LakeBucket": "b"})

    def test_refuses_a_version_of_airflow_that_would_come_without_its_constraints(self, deploy):
        with pytest.raises(DeployError, match=r"parameter AirflowVersion, .* name the version as AIRFLOW="):
            deploy(parameters={"AirflowVersion": "3.0.6"})


class TestDryRun:
    def test_changes_nothing(self, plan, account, options, said):
        lines = plan()

        assert [line.split("\n")[0] for line in lines[:2]] == [
            f"+ stack {options.code_stack}",
            f"+ stack {options.stack}",
        ]
        assert f"+ stack {options.mwaa_stack}" in "\n".join(lines)
        assert "RequirementsVersion: <new version>" in "\n".join(lines)
        assert all(line.startswith("+ ") for line in lines)
        assert not [name for name in stack_names(account) if name.startswith(f"{options.stack}-")]
        assert options.bucket not in {bucket["Name"] for bucket in account.s3.list_buckets()["Buckets"]}


class TestATemplateThatIsTooLargeForARequest:
    def test_goes_through_the_code_bucket_and_is_then_as_the_checkout_has_it(
        self, deploy, plan, account, options, monkeypatch
    ):
        monkeypatch.setattr(templates, "INLINE_LIMIT", 10_000)
        deploy()

        (key,) = [key for key in keys(account, options.code) if key.startswith(f"templates/{options.stack}-")]
        sent = body(account, options.code, key)
        assert templates.parse(sent.decode()) == templates.read(options.template("lake"))[0]
        assert plan() == []

    def test_and_for_an_object_is_refused_before_anything_is_changed(self, plan, monkeypatch):
        monkeypatch.setattr(templates, "INLINE_LIMIT", 1_000)
        monkeypatch.setattr(templates, "OBJECT_LIMIT", 10_000)

        with pytest.raises(DeployError, match=r"at most 10,000 bytes, .* from S3, found [\d,]+: split it"):
            plan()


class Cut(BaseException):
    """A deploy that ends here."""


class TestInterrupted:
    @pytest.mark.parametrize(
        "after",
        [
            "create complete  RawQuotes",
            "+ s3://bucket-of-lake",
            "+ Glue job",
            "plugins.zip",
            "create complete  Told",
            "key_is_unique",
        ],
        ids=[
            "within the lake's stack",
            "after the script",
            "before the visual job's script",
            "before MWAA",
            "after MWAA",
            "within the DAG folder",
        ],
    )
    def test_anywhere_is_completed_by_the_next_one(self, account, options, deploy, plan, after):
        def cut(line: str) -> None:
            if after in line:
                raise Cut

        deployment = Deployment(account, options, cut)
        with pytest.raises(Cut):
            deployment.apply(deployment.plan())

        left = plan()
        deploy()

        assert left
        assert plan() == []
        assert smoke.test(account, options_without_mwaa(options), lambda line: None)

    def test_by_a_kill_is_completed_by_the_next_one(self, account, options, deploy, plan, environ):
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, options.stack, options.bucket, str(options.root)],
            cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        for line in process.stdout:
            if "requirements.txt" in line:
                process.send_signal(signal.SIGKILL)
                break
        process.wait()

        assert process.returncode == -signal.SIGKILL
        assert plan()
        deploy()
        assert plan() == []


RUN = """
import pathlib, sys
from infra.deploy.account import Account
from infra.deploy.deploying import Deployment
from infra.deploy.arguments import Options
stack, bucket, root = sys.argv[1:]
options = Options(stack=stack, bucket=bucket, parameters={"Database": stack}, root=pathlib.Path(root))
deployment = Deployment(Account(), options, lambda line: print(line, flush=True))
deployment.apply(deployment.plan())
"""


def options_without_mwaa(options):
    """For the smoke test: the stand-in of MWAA's template makes no environment."""
    return replace(options, mwaa=False)


class TestSmokeTest:
    @pytest.mark.parametrize("key", ["script_key", "package_key"])
    def test_fails_where_the_glue_code_is_gone(self, deploy, account, options, said, key):
        deploy()
        account.s3.delete_object(Bucket=options.bucket, Key=getattr(bundle.make(options.root).glue, key))

        assert not smoke.test(account, options_without_mwaa(options), said.append)
        assert "expected the code of job" in said[-1]

    def test_fails_where_a_table_is_gone(self, deploy, account, options, said):
        deploy()
        account.glue.delete_table(DatabaseName=options.stack, Name="quotes")
        said.clear()

        assert not smoke.test(account, options_without_mwaa(options), said.append)
        assert [line.split()[0] for line in said] == ["ok", "fails", "ok", "ok", "ok"]

    def test_fails_where_athena_does(self, deploy, account, options, said):
        deploy()
        account.athena.update_work_group(WorkGroup=options.stack, State="DISABLED")
        said.clear()

        assert not smoke.test(account, options_without_mwaa(options), said.append)
        assert "fails" in said[0]


def test_the_stand_in_for_mwaa_has_the_real_template_s_parameters_and_outputs():
    template = parse((ROOT / "infra" / "mwaa.yaml").read_text())
    stand_in = yaml.load(MWAA.replace("!Sub", ""), yaml.SafeLoader)
    real = set(template["Parameters"])

    assert set(stand_in["Parameters"]) <= real
    assert set(stand_in["Outputs"]) == set(template["Outputs"])
    assert OWN - {"LakeBucket", "RefineScriptKey", "RefinePackageKey", "CodeKey"} <= real


def test_the_bucket_s_own_hash_is_what_s3_answers(account, options):
    """Else every deploy would upload everything."""
    account.s3.create_bucket(Bucket=options.bucket)
    answer = account.s3.put_object(Bucket=options.bucket, Key="k", Body=b"some")

    assert answer["ETag"].strip('"') == hashlib.md5(b"some", usedforsecurity=False).hexdigest()
