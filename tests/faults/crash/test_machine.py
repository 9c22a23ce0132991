"""The machine fails a task: no room on its disk, too little memory, or the local AWS is gone."""

import errno
import io
import tempfile
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest

from b3.errors import SourceError
from b3.lake.layout import Lake
from b3.quotes import cotahist, land, raw
from local.aws import launch
from tests.faults.crash.steps import STEPS, state
from tests.faults.fault import Fault, Shown, shows
from tests.faults.quotes import DATE, REJECTED, file_of, rows
from tests.plugins.b3.exchange import Answer, Exchange
from tests.processes import cut_power


class FullDisk(io.BytesIO):
    """A file on a disk that has room for a hundred bytes."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@shows(
    Fault("the disk is full while a file comes", "[Errno 28] No space left on device", "The lake as it was. Make room "
          "in the folder of temporary files, and run the task again."),
)  # fmt: skip
def test_a_full_disk_changes_nothing(
    fault: Shown,
    exchange: Exchange,
    hook_to: Any,
    s3: Any,
    lake: Lake,
    objects: Any,
    monkeypatch: pytest.MonkeyPatch,
    before: Any,
) -> None:
    exchange.will(Answer(body=file_of(rows(PREULT=1051))))
    monkeypatch.setattr(tempfile, "TemporaryFile", FullDisk)

    with pytest.raises(OSError, match="space") as error:
        land.capture_quotes(hook_to(exchange.url), s3, lake, DATE)

    fault.is_seen(error.value)
    fault.is_left(objects(), before)


@shows(
    Fault("the memory does not suffice to read a file", "Unreadable: …found MemoryError. This machine may be to blame: "
          "see its disk and memory, and run the task again.",
          "The bytes are in landing/rejected/; readers keep the former quotes. Run the task on a larger worker."),
)  # fmt: skip
def test_too_little_memory_keeps_the_bytes(
    fault: Shown,
    exchange: Exchange,
    hook_to: Any,
    s3: Any,
    lake: Lake,
    changed: Any,
    monkeypatch: pytest.MonkeyPatch,
    before: Any,
) -> None:
    exchange.will(Answer(body=file_of(rows(PREULT=1051))))

    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(cotahist, "verify", fail)

    with pytest.raises(SourceError) as error:
        land.capture_quotes(hook_to(exchange.url), s3, lake, DATE)

    fault.is_seen(error.value)
    fault.is_left(changed(before), [REJECTED])


def client(server: launch.Server) -> Any:
    return boto3.client(
        "s3", endpoint_url=server.endpoint, region_name="sa-east-1", aws_access_key_id="local",
        aws_secret_access_key=server.secret,
    )  # fmt: skip


@pytest.mark.slow
@shows(
    Fault("the local AWS is killed while `upload` commits", "Could not connect to the endpoint URL", "Readers see the "
          "former partition, once the local AWS runs again. Run the command again: it starts it."),
)  # fmt: skip
def test_the_local_aws_is_killed(fault: Shown, tmp_path: Path) -> None:
    lake, home = Lake("lake"), tmp_path / "home"
    server = launch.start(home)
    s3 = client(server)
    s3.create_bucket(Bucket=lake.bucket, CreateBucketConfiguration={"LocationConstraint": "sa-east-1"})
    s3.put_bucket_versioning(Bucket=lake.bucket, VersioningConfiguration={"Status": "Enabled"})
    STEPS["upload"].prepare(s3, lake)
    before = state(s3, lake.bucket)

    def cut(**_: object) -> None:
        if server.process.poll() is None:
            cut_power(server)

    s3.meta.events.register("before-send.s3.PutObject", cut)

    with pytest.raises(botocore.exceptions.BotoCoreError) as error:
        raw.write_quotes(s3, lake, DATE)

    fault.is_seen(error.value)
    with launch.start(home) as again:
        s3 = client(again)
        fault.is_left(state(s3, lake.bucket), before)
        raw.write_quotes(s3, lake, DATE)
        assert len(s3.list_object_versions(Bucket=lake.bucket, Prefix="raw/")["Versions"]) == 2
