import os
import pty
import subprocess
import sys

import pytest

from infra.checkout import ROOT
from infra.deploy import destroying
from infra.deploy.__main__ import main
from infra.deploy.errors import DeployError
from tests.infra.deploy.stack_names import stack_names


def stacks_of(account, options) -> list[str]:
    return sorted(stack_names(account) & set(options.stacks))


def buckets_of(account, options) -> set[str]:
    return {bucket["Name"] for bucket in account.s3.list_buckets()["Buckets"]} & {options.bucket, options.code}


@pytest.fixture
def destroy(account, options, said):
    """Check, then destroy."""

    def run(*, with_data: bool = False) -> list[str]:
        lines = destroying.check(account, options, with_data=with_data)
        destroying.destroy(account, options, said.append)
        return lines

    return run


class TestDestroy:
    def test_of_a_lake_without_data_leaves_nothing(self, deploy, destroy, account, options):
        deploy()
        account.s3.put_object(Bucket=options.bucket, Key="athena/result.csv", Body=b"1")

        destroy()

        assert stacks_of(account, options) == []
        assert buckets_of(account, options) == set()
        assert destroying.check(account, options, with_data=False) == []

    def test_refuses_a_lake_with_data(self, deploy, destroy, account, options):
        deploy()
        for prefix in ("landing", "raw", "refined", "reports"):
            item = {"Bucket": options.bucket, "Key": f"{prefix}/quotes/file"}
            version = account.s3.put_object(**item, Body=b"1")["VersionId"]

            with pytest.raises(DeployError, match=f"expected no data in bucket {options.bucket}, found {prefix}/"):
                destroy()
            assert len(stacks_of(account, options)) == 4
            assert account.s3.head_object(**item)
            account.s3.delete_object(**item, VersionId=version)

    def test_refuses_data_that_was_deleted_and_of_which_versions_are_kept(self, deploy, destroy, account, options):
        deploy()
        account.s3.put_object(Bucket=options.bucket, Key="landing/file", Body=b"1")
        account.s3.delete_object(Bucket=options.bucket, Key="landing/file")

        with pytest.raises(DeployError, match="found landing/"):
            destroy()

    def test_with_data_deletes_every_version(self, deploy, destroy, account, options):
        deploy()
        for content in (b"1", b"2"):
            account.s3.put_object(Bucket=options.bucket, Key="landing/file", Body=content)
        account.s3.delete_object(Bucket=options.bucket, Key="landing/file")

        destroy(with_data=True)

        assert stacks_of(account, options) == []
        assert buckets_of(account, options) == set()

    def test_goes_on_where_it_was_cut_off(self, deploy, destroy, account, options):
        deploy()
        account.cloudformation.delete_stack(StackName=options.mwaa_stack)
        account.cloudformation.delete_stack(StackName=options.queries_stack)
        for item in account.s3.list_object_versions(Bucket=options.bucket)["Versions"]:
            account.s3.delete_object(Bucket=options.bucket, Key=item["Key"], VersionId=item["VersionId"])
        account.cloudformation.delete_stack(StackName=options.stack)

        destroy()

        assert stacks_of(account, options) == []
        assert buckets_of(account, options) == set()

    def test_refuses_a_bucket_that_no_stack_owns(self, destroy, account, options):
        account.s3.create_bucket(Bucket=options.bucket)
        account.s3.put_object(Bucket=options.bucket, Key="athena/somebody.csv", Body=b"1")

        with pytest.raises(DeployError, match="what no stack owns is not deleted here"):
            destroy(with_data=True)

    def test_refuses_a_bucket_of_another_stack(self, deploy, account, options):
        from dataclasses import replace

        deploy()

        with pytest.raises(DeployError, match="to be that of bucket other"):
            destroying.check(account, replace(options, bucket="other"), with_data=True)

    def test_then_it_can_be_deployed_again(self, deploy, destroy, plan):
        deploy()
        destroy()

        deploy()

        assert plan() == []


class TestConsent:
    @pytest.fixture
    def command(self, options) -> list[str]:
        return ["destroy", "--stack", options.stack, "--bucket", options.bucket]

    def test_is_asked_for_where_nobody_can_type_and_another_name_is_none(
        self, deploy, account, options, command, capsys
    ):
        deploy()

        assert main(command) == 1
        assert f"say --yes-really={options.stack}" in capsys.readouterr().err
        assert main([*command, "--yes-really", "lake"]) == 1
        assert "nothing was deleted" in capsys.readouterr().err
        assert len(stacks_of(account, options)) == 4

    def test_by_the_stack_s_name_is_given(self, deploy, account, options, command):
        deploy()

        assert main([*command, "--yes-really", options.stack]) == 0
        assert stacks_of(account, options) == []

    def test_is_typed_at_a_terminal(self, deploy, account, options, environ):
        deploy()
        arguments = ["destroy", "--stack", options.stack, "--bucket", options.bucket]

        for typed, status in (("yes", 1), ("", 1), (options.stack, 0)):
            keyboard, terminal = pty.openpty()
            process = subprocess.Popen(
                [sys.executable, "-m", "infra.deploy", *arguments],
                cwd=ROOT, env=environ, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            os.write(keyboard, typed.encode() + b"\n")
            output, _ = process.communicate(timeout=120)
            os.close(keyboard)
            os.close(terminal)

            assert process.returncode == status, output
            assert (stacks_of(account, options) == []) == (status == 0)
