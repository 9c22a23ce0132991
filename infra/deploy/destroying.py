"""The way back. Objects go only while the stack that owns their bucket is there: a wrong name deletes nothing."""

from __future__ import annotations

from collections.abc import Callable

from infra.deploy import buckets, stacks, visual_job
from infra.deploy.account import Account
from infra.deploy.arguments import Options
from infra.deploy.errors import DeployError


def check(account: Account, options: Options, *, with_data: bool) -> list[str]:
    """What will be deleted, a line each; nothing is changed.

    Raises:
        DeployError: the bucket is not the stack's, or holds data and that was not to go.
    """
    s3 = account.s3
    lines = [f"- stack {name}" for name in options.stacks if stacks.present(account.cloudformation, name, _silent)]
    if job := _visual_job(account, options):
        lines.append(f"- Glue job {job}")
    if code := _parameter(account, options.code_stack, "CodeBucket"):
        lines.append(f"- s3://{code}, every version of every object")
    lake = _parameter(account, options.stack, "LakeBucket")
    if lake and lake != options.bucket:
        raise DeployError(f"expected stack {options.stack} to be that of bucket {options.bucket}, found that of {lake}")
    if not buckets.exists(s3, options.bucket):
        return lines
    kept = buckets.data(s3, options.bucket, also_remakeable=not lake)
    if kept and not lake:
        raise DeployError(
            f"expected stack {options.stack} over bucket {options.bucket}, found a bucket without it that holds "
            f"{', '.join(kept)}: what no stack owns is not deleted here"
        )
    if kept and not with_data:
        raise DeployError(
            f"expected no data in bucket {options.bucket}, found {', '.join(kept)}: it cannot all be fetched again. "
            "To delete it with every version, say --with-data (make destroy WITH_DATA=1)"
        )
    return [*lines, f"- s3://{options.bucket}, every version of every object"]


def destroy(account: Account, options: Options, say: Callable[[str], None]) -> None:
    """Delete the stacks and the buckets; call `check` before. Cut off, it goes on where it was when called again."""
    if job := _visual_job(account, options):
        account.glue.delete_job(JobName=job)
        say(f"Glue job {job} deleted")
    owned = {
        options.code_stack: _parameter(account, options.code_stack, "CodeBucket"),
        options.stack: _parameter(account, options.stack, "LakeBucket"),
    }
    for name in options.stacks:
        bucket = owned.get(name)
        if bucket and buckets.exists(account.s3, bucket):
            buckets.empty(account.s3, bucket, say)
        if stacks.present(account.cloudformation, name, say):
            say(f"stack {name}:")
            stacks.delete(account.cloudformation, name, say)
    if buckets.exists(account.s3, options.bucket):
        # Retained by its stack, and empty now; S3 refuses to delete one that is not.
        account.s3.delete_bucket(Bucket=options.bucket)
        say(f"bucket {options.bucket} deleted")


def _visual_job(account: Account, options: Options) -> str | None:
    """Return the name of the visual job of the lake's stack; None where there is no such stack or job."""
    database = _parameter(account, options.stack, "Database")
    name = database and visual_job.name_of(database)
    return name if name and visual_job.find(account.glue, name) else None


def _parameter(account: Account, stack: str, parameter: str) -> str | None:
    """The value of a stack's parameter; None if there is no such stack."""
    there = stacks.present(account.cloudformation, stack, _silent)
    return there.parameters.get(parameter) if there else None


def _silent(line: str) -> None:
    pass
