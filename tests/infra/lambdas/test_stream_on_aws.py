"""infra/stream.yaml on the local AWS: its functions run, over Firehose, S3, EventBridge and SQS."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from local.aws import calls, launch
from tests.infra import permissions
from tests.infra.lambdas.emulated import BUCKET, STACK, Aws, Site, serving, wait_for
from tests.infra.permissions import Needed

FIRST = dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC)
MINUTES = 30
SYMBOLS = ("BTCBRL", "BTCUSDT")
# Lambda itself calls with the rights of a function.
CALLED_BY_LAMBDA = [
    Needed(
        role, ("logs:CreateLogStream", "logs:PutLogEvents"), "what a function prints",
        "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html",
    )
    for role in ("PollRole", "BackupRole")
] + [
    Needed(
        "BackupRole", ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"), "its queue is read",
        "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html",
    )
]  # fmt: skip


def candle(symbol: str, opened: int) -> list[object]:
    """One minute as the provider writes it; its price follows from the minute."""
    price = f"{opened // 60_000 % 100_000}.{SYMBOLS.index(symbol)}5000000"
    return [opened, price, price, price, price, "0.12340000", opened + 59_999, "1.0", 7, "0.1", "1.0", "0"]


def klines(path: str, body: object) -> tuple[int, object]:
    """Answer as the provider does, with the minute that is not closed yet."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    first, last = int(asked["startTime"]), int(asked["endTime"])
    return 200, [candle(asked["symbol"], opened) for opened in range(first, last + 1, 60_000)]


@pytest.fixture(scope="module")
def provider() -> Iterator[Site]:
    with serving(klines) as site:
        yield site


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("recorded") / "calls.jsonl"


@pytest.fixture(scope="module")
def aws(tmp_path_factory, provider, recording) -> Iterator[Aws]:
    with launch.start(tmp_path_factory.mktemp("aws"), record_calls=recording) as server:
        aws = Aws(server)
        # The tests poll by themselves, with clocks of their own.
        aws.deploy("stream", KlinesUrl=f"{provider.url}/klines", Polls="DISABLED")
        yield aws


def streamed(aws: Aws) -> list[dict[str, str]]:
    return [json.loads(line) for body in aws.objects("stream/").values() for line in body.splitlines()]


@pytest.fixture(scope="module")
def half_an_hour(aws) -> Aws:
    """After a poll for each of thirty minutes."""
    for minute in range(MINUTES):
        now = FIRST + dt.timedelta(minutes=minute + 1)
        answer, failed = aws.invoke("b3-poll", {"time": now.strftime("%Y-%m-%dT%H:%M:%SZ")})
        assert not failed, answer
        assert answer == {"records": 3 * len(SYMBOLS)}
    wait_for(lambda: len(aws.objects("backup/stream/")) >= MINUTES and not aws.left("b3-backup-events"))
    return aws


def test_half_an_hour_of_polls_streams_each_closed_minute(half_an_hour):
    minutes = {(record["symbol"], record["minute"]) for record in streamed(half_an_hour)}
    wanted = [FIRST + dt.timedelta(minutes=number) for number in range(-2, MINUTES)]

    assert minutes == {(symbol, f"{minute:%Y-%m-%dT%H:%M:%SZ}") for symbol in SYMBOLS for minute in wanted}


def test_every_object_has_a_backup_of_the_same_bytes(half_an_hour):
    primary, backup = (half_an_hour.objects(prefix) for prefix in ("stream/", "backup/"))

    assert {key.removeprefix("backup/"): body for key, body in backup.items()} == primary
    assert half_an_hour.messages("b3-lost-backup-events") == []


def test_prices_are_the_providers_text(half_an_hour):
    record = streamed(half_an_hour)[0]

    assert record["open"] in {str(candle(symbol, ms)[1]) for symbol in SYMBOLS for ms in [_opened(record)]}
    assert all(isinstance(value, str) for value in record.values())


def _opened(record: dict[str, str]) -> int:
    return int(dt.datetime.fromisoformat(record["minute"]).timestamp()) * 1000


def test_a_message_that_comes_again_changes_nothing(half_an_hour):
    aws = half_an_hour
    key = sorted(aws.objects("stream/"))[0]
    before = _versions(aws)
    aws.sqs.send_message(QueueUrl=aws.url("b3-backup-events"), MessageBody=json.dumps(event_of(key)))
    wait_for(lambda: not aws.left("b3-backup-events"))

    assert _versions(aws) == before


def test_the_functions_call_what_their_roles_allow_and_nothing_else(half_an_hour, recording, monkeypatch):
    for name, value in half_an_hour.server.environment().items():
        monkeypatch.setenv(name, value)
    allowed = permissions.roles(half_an_hour.server.endpoint, f"{STACK}-stream")

    callers = {"b3-poll": "PollRole", "b3-backup": "BackupRole"}
    assert permissions.compare(calls.read(recording), allowed, callers=callers, needed=CALLED_BY_LAMBDA) == []


def test_a_poison_message_ends_in_the_dead_letters_and_the_others_of_its_batch_do_not(half_an_hour):
    aws, queue = half_an_hour, half_an_hour.url("b3-backup-events")
    before = _versions(aws)
    aws.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "0"})
    poison = ["no event", json.dumps(event_of("stream/bitcoin/gone")), json.dumps(event_of("landing/quotes/x"))]
    good = json.dumps(event_of(sorted(aws.objects("stream/"))[1]))
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate([*poison, good])]
    aws.sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    wait_for(lambda: aws.left("b3-lost-backup-events") == len(poison))

    assert sorted(aws.messages("b3-lost-backup-events")) == sorted(poison)
    assert aws.left("b3-backup-events") == 0
    assert _versions(aws) == before


def test_a_backup_with_other_bytes_is_told_and_left_as_it_is(half_an_hour):
    aws, queue = half_an_hour, half_an_hour.url("b3-backup-events")
    aws.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "0"})
    aws.s3.put_object(Bucket=BUCKET, Key="backup/stream/bitcoin/differs", Body=b"old")
    aws.s3.put_object(Bucket=BUCKET, Key="stream/bitcoin/differs", Body=b"{}")
    wait_for(lambda: any("bitcoin/differs" in body for body in aws.messages("b3-lost-backup-events")))

    assert aws.objects("backup/stream/bitcoin/differs")["backup/stream/bitcoin/differs"] == b"old"
    aws.s3.delete_object(Bucket=BUCKET, Key="stream/bitcoin/differs")


def test_a_provider_that_refuses_fails_the_poll_and_the_next_one_makes_it_good(half_an_hour, provider):
    aws, now = half_an_hour, FIRST + dt.timedelta(hours=3)
    provider.answer = lambda path, body: (
        (451, {"msg": "restricted location"}) if "BTCUSDT" in path else klines(path, body)
    )
    refused, failed = aws.invoke("b3-poll", {"time": now.isoformat()})
    provider.answer = klines
    assert failed
    assert "BTCUSDT: HTTPError: HTTP Error 451" in refused["errorMessage"]
    aws.invoke("b3-poll", {"time": (now + dt.timedelta(minutes=1)).isoformat()})

    last = f"{now - dt.timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    wait_for(lambda: {one["symbol"] for one in streamed(aws) if one["minute"] == last} == set(SYMBOLS))


def test_the_schedule_polls_each_minute_with_its_time(aws):
    rule = aws.events.describe_rule(Name="b3-poll")
    (target,) = aws.events.list_targets_by_rule(Rule="b3-poll")["Targets"]

    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert "Input" not in target, "the function reads the event's own time"
    assert target["Arn"] == aws.functions.get_function(FunctionName="b3-poll")["Configuration"]["FunctionArn"]


def event_of(key: str, bucket: str = BUCKET) -> dict[str, object]:
    """What EventBridge tells of a new object."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"id": f"event of {key}", "source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def _versions(aws: Aws) -> list[tuple[str, str]]:
    pages = aws.s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix="backup/")
    return sorted((one["Key"], one["VersionId"]) for page in pages for one in page.get("Versions", []))
