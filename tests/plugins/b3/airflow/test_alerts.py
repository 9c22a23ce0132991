import datetime as dt
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import boto3
import pytest
from airflow.providers.amazon.aws.hooks.sns import SnsHook
from botocore.exceptions import ClientError

from b3.airflow import alert_routes, alerts, task_docs
from b3.calendar import publication
from b3.monitoring.alert import Alert, Severity
from b3.monitoring.journal import LEASE, Journal
from tests.places import ROOT


def failed(**fields):
    task = SimpleNamespace(dag_id="b3_daily", task_id="validate.key_is_unique", run_id="manual__1", try_number=2)
    return {"ti": SimpleNamespace(**(vars(task) | fields)), "exception": ValueError("expected 1, found 2")}


class TestDescribe:
    def test_names_the_task_the_run_and_the_error(self):
        subject, message = alerts.describe(failed())

        assert subject == "page: b3_daily validate.key_is_unique failed in manual__1"
        assert message.startswith("ValueError: expected 1, found 2\n")
        assert "run manual__1, try 2" in message

    def test_has_what_was_expected_what_was_found_the_runbook_and_the_task(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/")

        _, message = alerts.describe(failed(map_index=3))

        assert message.splitlines()[-4:] == [
            "Expected: 1",
            "Found: 2",
            "Runbook: docs/runbook.md#a-check-failed",
            "Link: https://airflow.example/dags/b3_daily/runs/manual__1/tasks/validate.key_is_unique/mapped/3",
        ]

    def test_of_an_error_without_that_sentence_has_the_error(self):
        _, message = alerts.describe(failed() | {"exception": OSError("disk full\nmore")})

        assert "\nExpected: validate.key_is_unique to succeed\nFound: OSError: disk full\n" in message

    def test_keeps_to_the_subjects_sns_takes(self):
        subject, _ = alerts.describe(failed(run_id="execução " * 30))

        assert subject.isascii()
        assert len(subject) == 100

    @pytest.mark.parametrize(
        ("run", "day"),
        [
            ({"run_type": "scheduled", "conf": {}}, "2024-03-14"),
            ({"run_type": "backfill", "conf": {"trade_date": "2020-04-30"}}, "2024-03-14"),
            ({"run_type": "manual", "conf": {"trade_date": "2020-04-30"}}, "2020-04-30"),
            ({"run_type": "manual", "conf": {"year": 2020}, "logical_date": None}, "2020"),
            ({"run_type": "manual", "conf": {"year": 1986, "last_year": 1993}, "logical_date": None}, "1986 to 1993"),
            ({"run_type": "manual", "conf": {"year": 1986, "last_year": 1986}, "logical_date": None}, "1986"),
        ],
        ids=["scheduled", "backfill", "for a trade date", "for a year", "for several years", "for one year of several"],
    )
    def test_names_what_the_run_was_for_which_its_id_does_not(self, run, day):
        run = {"logical_date": dt.datetime(2024, 3, 14, tzinfo=dt.UTC), **run}

        subject, _ = alerts.describe(failed() | {"dag_run": SimpleNamespace(**run)})

        assert subject == f"page: b3_daily validate.key_is_unique failed for {day} in manual__1"

    def test_names_only_the_run_where_that_is_all_there_is(self):
        run = SimpleNamespace(run_type="manual", conf=None, logical_date=None)

        assert alerts.describe(failed() | {"dag_run": run})[0].endswith("failed in manual__1")

    def test_says_so_where_there_is_no_reason(self):
        assert alerts.describe(failed() | {"exception": None})[1].startswith("no reason given\n")


@pytest.fixture
def topic(aws_server, lake, monkeypatch):
    """A topic, the queue behind it, and the settings of a task that may publish to it."""
    for name, value in aws_server.environment("sa-east-1").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_server.endpoint)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
    monkeypatch.setenv("B3_LAKE_BUCKET", lake.bucket)
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    arn = sns.create_topic(Name=lake.bucket)["TopicArn"]
    queue = sqs.create_queue(QueueName=lake.bucket)["QueueUrl"]
    address = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=address)
    monkeypatch.setenv("B3_ALERT_TOPIC_ARN", arn)
    return SimpleNamespace(arn=arn, received=lambda: received(sqs, queue))


def received(sqs, queue):
    found = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        found += [json.loads(message["Body"]) for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return found


def subjects(topic):
    return [message["Subject"] for message in topic.received()]


def run_for(day):
    return SimpleNamespace(run_type="manual", conf={"trade_date": day}, logical_date=None)


def failed_for(day, task="scrape", error=None):
    error = error or ConnectionError(f"no answer from https://b3.example/{day}.zip")
    return failed(task_id=task, run_id=f"manual__{day}") | {"exception": error, "dag_run": run_for(day)}


def succeeded(day, dag_id="b3_daily"):
    return {"dag": SimpleNamespace(dag_id=dag_id), "run_id": f"manual__{day}", "dag_run": run_for(day)}


class TestPublish:
    def test_reaches_whoever_subscribed_to_the_topic(self, topic):
        alerts.publish(failed())

        (message,) = topic.received()
        assert (message["Subject"], message["Message"]) == alerts.describe(failed())

    def test_without_a_topic_tells_nobody_and_says_so(self, topic, monkeypatch, caplog):
        monkeypatch.delenv("B3_ALERT_TOPIC_ARN", raising=False)
        caplog.set_level("INFO")

        alerts.publish(failed())

        assert topic.received() == []
        assert "B3_ALERT_TOPIC_ARN is not set" in caplog.text

    def test_that_fails_is_logged_and_tried_again_by_the_next_failure(self, topic, monkeypatch, caplog):
        monkeypatch.setenv("B3_ALERT_TOPIC_ARN", topic.arn + "-gone")
        alerts.publish(failed())
        assert "could not publish this alert" in caplog.text

        monkeypatch.setenv("B3_ALERT_TOPIC_ARN", topic.arn)
        alerts.publish(failed())

        assert len(topic.received()) == 1

    def test_tells_all_the_same_if_the_lake_does_not_say_whether_it_was_told(self, topic, monkeypatch, caplog):
        monkeypatch.setenv("B3_LAKE_BUCKET", "no-such-bucket")

        alerts.publish(failed())

        assert len(topic.received()) == 1
        assert "could not look whether people have been told" in caplog.text

    def test_does_so_without_any_setting_as_well(self, monkeypatch, caplog):
        monkeypatch.delenv("B3_LAKE_BUCKET", raising=False)

        alerts.publish(failed())

        assert "could not publish this alert" in caplog.text


class TestAStorm:
    """One alert for a cause and a day, and one when it has ended."""

    def test_of_failures_at_once_is_one_alert_and_its_end_another(self, topic):
        days = [f"2024-03-{day}" for day in range(11, 17)]

        with ThreadPoolExecutor(6) as workers:
            list(workers.map(alerts.publish, map(failed_for, days)))
        (told,) = topic.received()
        assert told["Subject"].startswith("page: b3_daily scrape failed for 2024-03-1")

        with ThreadPoolExecutor(6) as workers:
            list(workers.map(alerts.recover, map(succeeded, days)))
        alerts.recover(succeeded(days[0]))
        (ended,) = topic.received()
        assert ended["Subject"].startswith("info: recovered: b3_daily scrape failed for 2024-03-1")
        assert "of b3_daily has succeeded" in ended["Message"]

    def test_is_not_over_before_its_last_session_is(self, topic):
        alerts.publish(failed_for("2024-03-14"))
        alerts.publish(failed_for("2024-03-15"))
        topic.received()

        alerts.recover(succeeded("2024-03-15"))
        assert topic.received() == []
        alerts.recover(succeeded("2024-03-14"))
        assert len(topic.received()) == 1

    def test_of_many_tasks_of_one_run_is_one_alert(self, topic):
        for number in range(3):
            alerts.publish(failed_for("2024-03-14", f"validate.check_{number}"))

        assert len(topic.received()) == 1

    def test_of_another_cause_is_another_alert(self, topic):
        alerts.publish(failed_for("2024-03-14"))
        alerts.publish(failed_for("2024-03-14", error=ValueError("expected 1, found 2")))

        assert len(topic.received()) == 2

    def test_goes_on_tomorrow_with_one_more(self, topic, monkeypatch):
        alerts.publish(failed_for("2024-03-14"))
        tomorrow = publication.now() + dt.timedelta(days=1)
        monkeypatch.setattr(publication, "now", lambda: tomorrow)

        alerts.publish(failed_for("2024-03-15"))
        alerts.publish(failed_for("2024-03-18"))

        assert len(topic.received()) == 2

    def test_of_warnings_keeps_no_page_back(self, topic):
        refused = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")
        for task in ("views.x", "upload", "refine"):
            alerts.publish(failed_for("2024-03-14", task, refused))

        assert sorted(subject.partition(" failed")[0] for subject in subjects(topic)) == [
            "page: b3_daily upload", "warn: b3_daily views.x",
        ]  # fmt: skip

    def test_of_a_run_whose_conf_is_no_text_is_told(self, topic):
        run = SimpleNamespace(run_type="manual", conf={"from": 20240314, "to": 20240315}, logical_date=None)

        alerts.publish(failed(dag_id="b3_verify", task_id="compare") | {"dag_run": run})

        assert len(topic.received()) == 1

    def test_waits_for_no_service_longer_than_for_a_lease(self, topic, monkeypatch):
        configs = []
        monkeypatch.setattr(SnsHook, "publish_to_target", lambda hook, **_: configs.append(hook.get_conn().meta.config))

        alerts.publish(failed())

        (config,) = configs
        longest = (config.connect_timeout + config.read_timeout) * config.retries["total_max_attempts"]
        assert longest < LEASE.total_seconds() / 2


class TestRetell:
    """A worker that died between its note and its message."""

    @pytest.fixture
    def died(self, topic, monkeypatch):
        """Fail, and die before people are told."""
        with monkeypatch.context() as broken:
            broken.setattr(SnsHook, "publish_to_target", lambda *given, **named: (_ for _ in ()).throw(SystemExit))
            with pytest.raises(SystemExit):
                alerts.publish(failed_for("2024-03-14"))
        assert topic.received() == []
        began = publication.now()

        def later(**after):
            monkeypatch.setattr(publication, "now", lambda: began + dt.timedelta(**after))

        return later

    def test_is_made_up_for_once_with_what_the_note_has(self, topic, died):
        died(hours=9)
        assert alerts.retell() == 1

        (told,) = topic.received()
        assert told["Subject"] == "page: b3_daily scrape failed for 2024-03-14 in manual__2024-03-14"
        assert "docs/runbook.md#" in told["Message"]
        died(days=1, hours=9)
        assert alerts.retell() == 0
        assert topic.received() == []

    def test_is_left_to_a_worker_that_may_still_tell(self, topic, died):
        died(minutes=1)
        assert alerts.retell() == 0
        assert topic.received() == []

    def test_of_long_ago_is_left_alone(self, topic, died):
        died(days=8)
        assert alerts.retell() == 0

    def test_tells_nobody_of_what_was_told(self, topic):
        alerts.publish(failed_for("2024-03-14"))
        topic.received()
        assert alerts.retell() == 0

    def test_its_end_is_told_as_of_any_other(self, topic, died):
        died(hours=9)
        alerts.retell()
        topic.received()
        alerts.recover(succeeded("2024-03-14"))
        assert subjects(topic) == ["info: recovered: b3_daily scrape failed for 2024-03-14 in manual__2024-03-14"]

    def test_without_a_lake_fails_nothing(self, monkeypatch, caplog):
        monkeypatch.delenv("B3_LAKE_BUCKET", raising=False)
        assert alerts.retell() == 0
        assert "could not look for alerts that nobody was told of" in caplog.text


class TestRecover:
    def test_of_a_run_for_which_nothing_had_failed_is_silent(self, topic):
        alerts.publish(failed_for("2024-03-14"))
        topic.received()

        alerts.recover(succeeded("2024-03-15"))

        assert topic.received() == []

    def test_of_a_dag_without_a_date_comes_with_its_next_run(self, topic):
        alerts.publish(failed(dag_id="b3_doctor", task_id="examine"))

        alerts.recover({"dag": SimpleNamespace(dag_id="b3_doctor"), "run_id": "scheduled__2"})

        assert subjects(topic)[1:] == ["info: recovered: b3_doctor examine failed in manual__1"]

    def test_of_a_comparison_of_some_days_ends_no_other(self, topic):
        alerts.publish(failed(dag_id="b3_verify", task_id="compare"))
        topic.received()
        some_days = SimpleNamespace(run_type="manual", conf={"from": "2024-03-14"}, logical_date=None)

        alerts.recover({"dag": SimpleNamespace(dag_id="b3_verify"), "run_id": "manual__2", "dag_run": some_days})

        assert topic.received() == []

    def test_that_fails_is_logged(self, topic, monkeypatch, caplog):
        monkeypatch.setenv("B3_LAKE_BUCKET", "no-such-bucket")

        alerts.recover(succeeded("2024-03-14"))

        assert "could not look whether alerts of b3_daily have ended" in caplog.text

    def test_lets_the_same_cause_be_told_again_on_the_same_day(self, topic):
        told = []
        for _ in range(2):
            alerts.publish(failed_for("2024-03-14"))
            alerts.recover(succeeded("2024-03-14"))
            told += sorted(subject.partition(":")[0] for subject in subjects(topic))

        assert told == ["info", "page"] * 2

    def test_of_a_worker_that_died_before_it_told_comes_with_the_next_success(self, topic, monkeypatch):
        alerts.publish(failed_for("2024-03-14"))
        topic.received()
        with monkeypatch.context() as patched:
            patched.setattr(alerts, "_publish", lambda _: sys.exit("killed"))
            with pytest.raises(SystemExit):
                alerts.recover(succeeded("2024-03-14"))

        later = publication.now() + dt.timedelta(minutes=6)
        monkeypatch.setattr(publication, "now", lambda: later)
        alerts.recover(succeeded("2024-03-14"))

        assert len(topic.received()) == 1

    def test_of_years_is_of_each_year(self, topic):
        def of(context, **conf):
            return context | {"dag_run": SimpleNamespace(run_type="manual", conf=conf, logical_date=None)}

        alerts.publish(of(failed(dag_id="b3_history"), year=2019, last_year=2020))
        topic.received()
        alerts.recover(of(succeeded("-", "b3_history"), year=2020))
        assert topic.received() == []
        alerts.recover(of(succeeded("-", "b3_history"), year=2019))
        assert len(topic.received()) == 1

    def test_of_a_scheduled_year_is_closed_by_a_run_that_a_person_starts_for_it(self, topic):
        new_year = dt.datetime(2019, 1, 1, 3, tzinfo=dt.UTC)
        scheduled = SimpleNamespace(run_type="scheduled", conf=None, logical_date=new_year)
        by_hand = SimpleNamespace(run_type="manual", conf={"year": 2019}, logical_date=None)

        alerts.publish(failed(dag_id="b3_history") | {"dag_run": scheduled})
        topic.received()
        alerts.recover(succeeded("-", "b3_history") | {"dag_run": by_hand})

        assert len(topic.received()) == 1

    def test_of_a_run_of_b3_visual_is_of_that_run_alone(self, topic):
        run = {"dag_run": SimpleNamespace(run_type="asset_triggered", conf=None, logical_date=None)}
        alerts.publish(failed(dag_id="b3_visual", run_id="asset_triggered__1") | run)
        topic.received()

        for run_id, told in (("asset_triggered__2", 0), ("asset_triggered__1", 1)):
            alerts.recover(succeeded("-", "b3_visual") | run | {"run_id": run_id})
            assert len(topic.received()) == told


class TestNews:
    def test_says_in_its_subject_that_nothing_has_to_be_done(self, topic):
        alerts.inform("b3_daily for 2005-03-14: 3 findings", "the rest")

        (message,) = topic.received()
        assert message["Subject"] == "info: b3_daily for 2005-03-14: 3 findings"
        assert message["Message"] == "the rest"

    def test_is_told_once_a_day_and_again_if_it_changes(self, topic):
        for text in ("3 of one rule", "3 of one rule", "2 of one rule, 1 of another"):
            alerts.inform("b3_daily for 2005-03-14: 3 findings", text)

        assert len(topic.received()) == 2

    def test_that_warns_has_the_runbook(self, topic):
        assert alerts.warn("inbox/X is rejected", "X: expected a ZIP; found text.", runbook="a-file-in-inbox") is True

        (message,) = topic.received()
        assert message["Subject"] == "warn: inbox/X is rejected"
        assert "\nRunbook: docs/runbook.md#a-file-in-inbox" in message["Message"]

    def test_that_another_task_may_be_telling_says_so(self, topic, lake, s3):
        warning = Alert(Severity.WARN, "x", "a file is rejected", "text")
        Journal(s3, lake, publication.now()).claim(warning.key, alerts._today())

        assert alerts.warn("a file is rejected", "text", cause="x") is False

    def test_that_nobody_could_be_told_says_so(self, topic, monkeypatch):
        monkeypatch.setenv("B3_ALERT_TOPIC_ARN", topic.arn + "-gone")

        assert alerts.warn("inbox/X is rejected", "text") is False


def ended(reason):
    return {
        "dag": SimpleNamespace(dag_id="b3_daily", dagrun_timeout=dt.timedelta(hours=40)),
        "run_id": "manual__1",
        "reason": reason,
    }


class TestPublishTimeout:
    def test_tells_which_run_was_ended_and_what_to_do(self, topic):
        alerts.publish_timeout(ended("timed_out"))

        (message,) = topic.received()
        assert message["Subject"] == "page: b3_daily timed out in manual__1"
        assert message["Message"].startswith("Expected the run to end within 1 day, 16:00:00; Airflow ended it")
        assert "DAG b3_daily, run manual__1." in message["Message"]

    def test_names_the_session_and_is_over_once_that_succeeds(self, topic):
        run = SimpleNamespace(run_type="scheduled", conf=None, logical_date=dt.datetime(2024, 3, 14, tzinfo=dt.UTC))

        alerts.publish_timeout(ended("timed_out") | {"dag_run": run})
        alerts.recover(succeeded("2024-03-14"))

        assert subjects(topic) == [
            "page: b3_daily timed out for 2024-03-14 in manual__1",
            "info: recovered: b3_daily timed out for 2024-03-14 in manual__1",
        ]

    def test_is_silent_where_a_task_failed_which_was_told_by_itself(self, topic):
        alerts.publish_timeout(ended("task_failure"))

        assert topic.received() == []


HEADINGS = {
    line.removeprefix("## ").lower().translate({ord(" "): "-", ord("/"): None, ord(","): None})
    for line in (ROOT / "docs" / "runbook.md").read_text().splitlines()
    if line.startswith("## ")
}


class TestRoutes:
    @pytest.mark.parametrize("task", [*task_docs.NOTES, "validate.key_is_unique", "views.stock_ranking"])
    def test_of_each_task_lead_to_a_section_of_the_runbook(self, task):
        assert alert_routes.section_of(task, "ValueError: x") in HEADINGS
        assert alert_routes.severity_of(task) in ("page", "warn")

    @pytest.mark.parametrize(
        ("task", "message", "section"),
        [
            ("scrape", "DeadlineOver: COTAHIST", "scrape-is-waiting"),
            ("upload", "Flood: COTAHIST", "b3-sent-a-correction"),
            ("upload", "OSError: disk full", "a-task-failed"),
            ("validate.key_is_unique", "CheckViolated: expected", "a-check-failed"),
            ("bitcoin.scrape", "Refused: found status 451", "bitcoin"),
        ],
    )
    def test_go_by_the_error_first(self, task, message, section):
        assert alert_routes.section_of(task, message) == section
        assert section in HEADINGS

    def test_page_for_what_readers_lack_and_warn_of_what_can_wait(self):
        assert [alert_routes.severity_of(task) for task in ("scrape", "validate.x", "indexes.scrape", "land")] == [
            "page"
        ] * 4
        can_wait = ("report", "views.x", "sectors.scrape", "examine", "bitcoin.scrape")
        assert {alert_routes.severity_of(task) for task in can_wait} == {"warn"}
