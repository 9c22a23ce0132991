"""The optional stacks of functions: asked for once, deployed from then on, and deleted where a deploy says no."""

import io
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest

from infra.checkout import ROOT
from infra.deploy import destroying, functions, smoke
from infra.deploy.errors import DeployError
from tests.infra.deploy.stack_names import stack_names

IMPORT = "import infra.lambdas.backup, infra.lambdas.poll, infra.lambdas.start_job as job, infra.lambdas.wake\n"
# A resource that CloudFormation fails to make: the lake has a database of this name.
REFUSED = """
Resources:
  Refused:
    Type: AWS::Glue::Database
    Properties:
      CatalogId: !Ref AWS::AccountId
      DatabaseInput: {Name: !Ref Database}
"""
ASK = "import datetime as dt; print(job.previous_session(dt.date(2026, 2, 18)))"


class TestThePackage:
    def test_holds_all_that_its_functions_import(self, tmp_path):
        zipfile.ZipFile(io.BytesIO(functions.package(ROOT))).extractall(tmp_path)
        # -I: nothing of the checkout, nor of its environment, is found beside it.
        command = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{IMPORT}{ASK}",
        ]

        ran = subprocess.run(command, capture_output=True, text=True, check=False)

        assert (ran.stdout, ran.stderr) == ("2026-02-13\n", "")

    def test_has_another_key_once_a_handler_changes(self, checkout):
        (before,) = functions.objects(functions.package(checkout))
        (checkout / "infra/lambdas/poll.py").write_text("# another\n")
        (after,) = functions.objects(functions.package(checkout))

        assert before != after


class TestTheChoice:
    def test_is_kept_until_another_is_made(self):
        assert functions.wanted({}, []) == ()
        assert functions.wanted({"stream": "yes"}, []) == ("stream",)
        assert functions.wanted({}, ["stream"]) == ("stream",)
        assert functions.wanted({"stream": "no", "arrivals": "yes"}, ["stream"]) == ("arrivals",)
        assert functions.refused({"stream": "no", "arrivals": "no"}, ["stream"]) == ("stream",)


class TestADeploy:
    def test_makes_updates_and_deletes_the_stacks_that_are_asked_for(self, deploy, plan, account, options, said):
        """In one test, since a lake takes seconds to make."""
        deploy()
        assert functions_stacks(account, options) == set()

        deploy(functions={"arrivals": "yes", "stream": "yes"})
        assert functions_stacks(account, options) == {options.functions_stack(name) for name in functions.NAMES}
        assert smoke.test(account, replace(options, mwaa=False), said.append), said
        assert plan() == []
        with_code = code(account, options)

        (options.root / "infra/lambdas/poll.py").write_text("def handler(event, context):\n    return 'another'\n")
        signs = {change.split("\n")[0] for change in plan()}
        stacks = {f"~ stack {options.functions_stack(name)}" for name in functions.NAMES}
        assert stacks < signs and len(signs) == 4, signs
        deploy(functions={"arrivals": "no"})
        answer = account.functions.invoke(FunctionName=f"{options.stack}-poll", Payload=b"{}")
        assert answer["Payload"].read() == b'"another"'
        assert functions_stacks(account, options) == {options.functions_stack("stream")}
        assert len(code(account, options)) == 1 and not code(account, options) & with_code

        destroying.destroy(account, options, said.append)
        assert functions_stacks(account, options) == set()

    def test_whose_first_one_failed_starts_the_job_where_there_is_no_mwaa(self, deploy, account, options, checkout):
        path = checkout / "infra" / "arrivals.yaml"
        good = path.read_text()
        path.write_text(good.replace("\nResources:\n", REFUSED, 1))
        with pytest.raises(DeployError, match="Refused"):
            deploy(mwaa=False, functions={"arrivals": "yes"})
        path.write_text(good)

        deploy(mwaa=False, functions={"arrivals": "yes"})

        (stack,) = account.cloudformation.describe_stacks(StackName=options.functions_stack("arrivals"))["Stacks"]
        assert {"ParameterKey": "Starts", "ParameterValue": "job"} in stack["Parameters"]


def functions_stacks(account, options) -> set[str]:
    return stack_names(account) & {options.functions_stack(name) for name in functions.NAMES}


def code(account, options) -> set[str]:
    found = account.s3.list_objects_v2(Bucket=options.bucket, Prefix=functions.CODE)
    return {item["Key"] for item in found.get("Contents", [])}
