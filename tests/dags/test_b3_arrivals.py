import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

import airflow
import boto3
import pytest
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, TaskDeferred

from b3.airflow import alerts, arrival_sensor, run_starter
from b3.airflow.tasks import arrivals
from b3.arrivals import runs
from b3.calendar.sessions import sessions
from tests.dags.test_b3_daily import DAGS, parse
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record

DAYS = [dt.date(2020, 4, 29), dt.date(2020, 4, 30)]

MONTH = build_zip(build_file([record(DATPRE=day) for day in DAYS]))
SCHEDULED, BY_HAND = SimpleNamespace(run_type="scheduled"), SimpleNamespace(run_type="manual", conf={})
# infra/lambdas/wake.py gives no conf.
BY_FUNCTION = SimpleNamespace(run_type="manual", conf=None)
WITHOUT_SCHEDULER = SimpleNamespace(run_type="manual", conf={"at_once": True})
QUEUE = "https://sqs.sa-east-1.amazonaws.com/123456789012/b3-arrival-events"


def quotes_of(day: dt.date) -> bytes:
    """A file of one record."""
    return build_zip(build_file([record(DATPRE=day)]))


@pytest.fixture(scope="module")
def dag() -> DAG:
    return parse(DAGS).dags["b3_arrivals"]


class Task:
    """A task instance as the callables have it; it keeps what is pushed."""

    dag_id = "b3_arrivals"
    run_id = "scheduled__1"

    def __init__(
        self, pulled: dict[str, Any] | None = None, try_number: int = 1, started: tuple[str, ...] = ()
    ) -> None:
        self.try_number = try_number
        self.pushed: dict[str, Any] = {}
        self.pulled = pulled or {}
        self.started = started
        self.states: dict[str, str] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids: str, key: str) -> Any:
        return self.pulled.get(key)

    def get_task_states(self, *, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, dict[str, str]]:
        """Return the states of the tasks `start`, as Airflow gives them."""
        assert (dag_id, run_ids) == (self.dag_id, [self.run_id])
        if task_ids != ["start"]:
            (name,) = task_ids
            return {self.run_id: {name: self.states.get(name, "success")}}
        return {self.run_id: {f"start_{number}": state for number, state in enumerate(self.started)}}


class TestItsRuns:
    def test_are_without_end_so_that_one_always_waits(self, dag):
        assert dag.timetable.__class__.__name__ == "ContinuousTimetable"

    def test_are_started_from_outside_where_none_is_to_wait(self, monkeypatch):
        monkeypatch.setenv("B3_ARRIVALS_WAIT", "no")

        dag = parse(DAGS / "b3_arrivals.py").dags["b3_arrivals"]

        assert (dag.timetable.__class__.__name__, dag.max_active_runs) == ("NullTimetable", 1)

    def test_list_the_inbox_also_if_waiting_failed_and_empty_it_whatever_came_of_the_runs(self, dag):
        rules = {task.task_id: str(getattr(task.trigger_rule, "value", task.trigger_rule)) for task in dag.tasks}

        assert rules == {
            "wait": "all_success",
            "land": "all_done",
            "start": "all_success",
            "empty_inbox": "all_done",
        }
        assert [task.task_id for task in dag.topological_sort()] == ["wait", "land", "start", "empty_inbox"]

    def test_start_other_runs_in_order_and_each_once(self, dag):
        start = dag.get_task("start")

        assert start.max_active_tis_per_dag == 1
        assert start.partial_kwargs["skip_when_already_exists"] is True

    def test_go_on_whether_a_started_run_succeeds_or_fails_and_alert_in_one_place(self, dag):
        given = dag.get_task("start").partial_kwargs

        states = {name: given[name] for name in ("allowed_states", "failed_states")}
        start = TriggerDagRunOperator(task_id="start", trigger_dag_id="b3_daily", **states)
        assert (start.allowed_states, start.failed_states) == (["success", "failed"], [])
        start.execute_complete({}, ("", {"run_ids": ["x"], "x": "failed"}))
        assert not given["on_failure_callback"]

    def test_last_longer_than_the_runs_that_they_wait_for(self, dag):
        daily = parse(DAGS).dags["b3_daily"].dagrun_timeout

        assert dag.get_task("start").partial_kwargs["execution_timeout"] > daily
        # The sessions of a month, at an hour each.
        assert dag.dagrun_timeout > 23 * dt.timedelta(hours=1)

    @pytest.mark.parametrize(
        ("run", "version", "waits", "deferrable"),
        [
            (SCHEDULED, "3.3.1", True, True),
            (SCHEDULED, "3.2.1", True, False),
            (SCHEDULED, "3.0.6", True, False),
            (BY_HAND, "3.3.1", True, True),
            (BY_FUNCTION, "3.3.1", True, True),
            (WITHOUT_SCHEDULER, "3.3.1", False, False),
        ],
    )
    def test_start_the_next_run_when_the_former_has_ended(self, monkeypatch, run, version, waits, deferrable):
        monkeypatch.setattr(airflow, "__version__", version)

        assert run_starter.waiting(run) == {"wait_for_completion": waits, "deferrable": deferrable}

    def test_start_dags_that_are_there(self, dag):
        assert {"b3_daily", "b3_history"} <= parse(DAGS).dags.keys()
        assert runs._FROM_LANDING == {"source": "landing"}


class TestWaiting:
    @pytest.fixture
    def wait(self, dag):
        """The sensor with a queue, and a function that gives its context."""
        sensor = arrival_sensor.ArrivalSensor(task_id="wait", sqs_queue=QUEUE)
        return sensor, lambda kind: {"dag_run": SimpleNamespace(run_type=kind), "ti": Task()}

    def test_gives_its_slot_back_until_a_message_comes_or_an_hour_is_over(self, wait):
        sensor, context = wait

        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context("scheduled"))

        _, arguments = deferred.value.trigger.serialize()
        assert (arguments["sqs_queue"], arguments["max_messages"], arguments["wait_time_seconds"]) == (QUEUE, 10, 20)
        assert deferred.value.timeout == dt.timedelta(hours=1)

    def test_without_a_queue_takes_five_minutes(self, wait):
        sensor, context = wait
        sensor.sqs_queue = ""

        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context("scheduled"))

        remaining = deferred.value.trigger.moment - dt.datetime.now(dt.UTC)
        assert dt.timedelta(minutes=4) < remaining <= dt.timedelta(minutes=5)
        sensor.time_is_over(context("scheduled"), deferred.value.trigger.moment)

    def test_is_left_out_if_a_person_triggered_the_run(self, wait):
        sensor, context = wait
        given = context("manual")

        sensor.execute(given)

        assert given["ti"].pushed["summary"] == "triggered by hand: inbox/ is listed at once"

    def test_is_left_out_by_a_retry_since_the_failed_try_may_have_taken_the_message(self, wait):
        sensor, context = wait
        given = context("scheduled") | {"ti": Task(try_number=2)}

        sensor.execute(given)

        assert given["ti"].pushed["summary"] == "tried again: inbox/ is listed at once, a message may be lost"

    def test_says_how_many_messages_came_and_keeps_none_of_them(self, wait):
        sensor, context = wait
        given = context("scheduled")

        sensor.execute_complete(given, {"status": "success", "message_batch": [{"Body": "x"}] * 3})

        assert given["ti"].pushed == {"summary": "3 messages about inbox/"}

    def test_that_ends_without_a_message_is_no_failure(self, wait, monkeypatch):
        sensor, context = wait
        given = context("scheduled")

        def over(*_: Any) -> None:
            raise AirflowSensorTimeout("an hour is over")

        monkeypatch.setattr(arrival_sensor.SqsSensor, "resume_execution", over)
        sensor.resume_execution("execute_complete", {}, given)

        assert given["ti"].pushed["summary"] == "no message: inbox/ is listed in any case"

    @pytest.mark.parametrize(
        ("method", "arguments", "found"),
        [
            ("execute_complete", {"event": {"status": "error"}}, "found {'status': 'error'}"),
            ("__fail__", {"error": "no such queue"}, "found no such queue"),
        ],
    )
    def test_for_a_queue_that_does_not_answer_tells_once_and_lasts_an_hour(
        self, wait, monkeypatch, method, arguments, found
    ):
        sensor, context = wait
        told = []
        monkeypatch.setattr(alerts, "warn", lambda *said, **_: told.append(said))

        with pytest.raises(TaskDeferred) as deferred:
            sensor.resume_execution(method, arguments, context("scheduled"))

        ((subject, message),) = told
        assert subject == "the queue of inbox/ does not answer"
        assert f"Expected messages from {QUEUE}, {found}" in message
        remaining = deferred.value.trigger.moment - dt.datetime.now(dt.UTC)
        assert dt.timedelta(minutes=59) < remaining <= dt.timedelta(hours=1)
        assert deferred.value.method_name == "time_is_over"


class TestTheTasks:
    @pytest.fixture
    def told(self, aws_server, lake, monkeypatch):
        """The settings of a lake, and the alerts that people get."""
        for name, value in aws_server.environment("sa-east-1").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws_server.endpoint)
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
        monkeypatch.setenv(
            "AIRFLOW_CONN_B3_DEFAULT", json.dumps({"conn_type": "http", "extra": {"source": "simulated"}})
        )
        monkeypatch.setenv("B3_LAKE_BUCKET", lake.bucket)
        sns, sqs = boto3.client("sns"), boto3.client("sqs")
        topic = sns.create_topic(Name=lake.bucket)["TopicArn"]
        queue = sqs.create_queue(QueueName=lake.bucket)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        monkeypatch.setenv("B3_ALERT_TOPIC_ARN", topic)

        def received() -> list[dict[str, str]]:
            found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
            return [json.loads(message["Body"]) for message in found]

        return received

    @pytest.fixture
    def inbox(self, s3, lake):
        """Put files into inbox/ and list it."""

        def keys(**files: bytes) -> list[str]:
            for name, sent in files.items():
                s3.put_object(Bucket=lake.bucket, Key=f"inbox/{name}.ZIP", Body=sent)
            listed = s3.list_objects_v2(Bucket=lake.bucket, Prefix="inbox/")
            return [entry["Key"] for entry in listed.get("Contents", [])]

        return keys

    def test_start_a_run_for_each_session_and_then_empty_the_inbox(self, dag, told, inbox, s3, lake):
        inbox(COTAHIST_M042020=MONTH)
        land = Task()

        wanted = dag.get_task("land").python_callable(ti=land, dag_run=SCHEDULED)

        assert [each["conf"] for each in wanted] == [
            {"trade_date": str(day), "source": "landing"} for day in DAYS
        ]  # fmt: skip
        assert all(each["wait_for_completion"] for each in wanted)
        assert inbox() == ["inbox/COTAHIST_M042020.ZIP"]
        dag.get_task("empty_inbox").python_callable(ti=Task(land.pushed))
        assert inbox() == []
        assert told() == []
        landed = s3.head_object(Bucket=lake.bucket, Key="landing/quotes/COTAHIST_M042020.ZIP")
        assert landed["Metadata"]["source"] == "simulated"

    def test_killed_before_the_inbox_is_empty_give_the_same_runs_again(self, dag, told, inbox):
        inbox(COTAHIST_M042020=MONTH)

        first, again = (dag.get_task("land").python_callable(ti=Task(), dag_run=SCHEDULED) for _ in range(2))

        assert again == first

    def test_reject_what_is_no_file_of_quotes_tell_people_once_and_take_the_others(self, dag, told, inbox):
        inbox(COTAHIST_D29042020=b"<html>", COTAHIST_M042020=MONTH)

        wanted = dag.get_task("land").python_callable(ti=Task(), dag_run=SCHEDULED)

        assert len(wanted) == 2
        assert inbox() == ["inbox/COTAHIST_M042020.ZIP"]
        (alert,) = told()
        assert alert["Subject"] == "warn: inbox/COTAHIST_D29042020.ZIP is rejected"
        assert alert["Message"].startswith("NotB3Data: s3://")
        assert "Its bytes are in s3://" in alert["Message"]

    def test_take_the_other_files_though_one_fails_and_fail_at_the_end(self, dag, told, inbox, s3, lake):
        """The object of the 29th was put into landing/ by hand, and says nothing of its origin."""
        s3.put_object(Bucket=lake.bucket, Key="landing/quotes/COTAHIST_D29042020.ZIP", Body=b"by hand")
        inbox(COTAHIST_D29042020=quotes_of(DAYS[0]), COTAHIST_M042020=MONTH)
        land = Task()

        wanted = dag.get_task("land").python_callable(ti=land, dag_run=SCHEDULED)

        assert [each["conf"]["trade_date"] for each in wanted] == [str(day) for day in DAYS]
        with pytest.raises(AirflowFailException, match=r"inbox/COTAHIST_D29042020.ZIP: SourceError: .* without source"):
            dag.get_task("empty_inbox").python_callable(ti=Task(land.pushed))
        assert inbox() == ["inbox/COTAHIST_D29042020.ZIP"]

    def test_start_runs_in_order_of_trade_date_whatever_came_first(self, dag, told, inbox):
        files = {f"b{day:%d}": quotes_of(day) for day in reversed(DAYS)}
        inbox(a30=files["b30"], b29=files["b29"])

        wanted = dag.get_task("land").python_callable(ti=Task(), dag_run=SCHEDULED)

        assert [each["conf"]["trade_date"] for each in wanted] == [str(day) for day in DAYS]

    def test_take_fifty_files_that_come_at_once_in_order_of_trade_date(self, dag, told, inbox, s3, lake):
        days = sessions(dt.date(2020, 1, 2), dt.date(2020, 3, 31))[:50]
        inbox(**{f"f{number:02}": quotes_of(day) for number, day in enumerate(reversed(days))})
        land = Task()

        wanted = dag.get_task("land").python_callable(ti=land, dag_run=SCHEDULED)

        assert [each["conf"]["trade_date"] for each in wanted] == [str(day) for day in days]
        assert len({each["trigger_run_id"] for each in wanted}) == 50
        listed = s3.list_objects_v2(Bucket=lake.bucket, Prefix="landing/quotes/")["Contents"]
        assert len(listed) == 50
        dag.get_task("empty_inbox").python_callable(ti=Task(land.pushed))
        assert inbox() == []
        assert told() == []

    def test_keep_the_files_if_a_run_could_not_be_started_and_fail_once_for_all(self, dag, told, inbox):
        inbox(COTAHIST_M042020=MONTH)
        land = Task()
        dag.get_task("land").python_callable(ti=land, dag_run=SCHEDULED)

        with pytest.raises(AirflowFailException, match="2 runs could not be started"):
            dag.get_task("empty_inbox").python_callable(ti=Task(land.pushed, started=("skipped", "failed", "failed")))

        assert inbox() == ["inbox/COTAHIST_M042020.ZIP"]

    @pytest.mark.parametrize("name", ["wait", "land"])
    def test_do_not_end_green_if_a_task_failed_and_tell_nobody_twice(self, dag, told, name):
        task = Task({})
        task.states = {name: "failed"}

        with pytest.raises(AirflowFailException, match=f"found that {name} failed") as error:
            dag.get_task("empty_inbox").python_callable(ti=task)

        ti = SimpleNamespace(dag_id="b3_arrivals", task_id="empty_inbox", run_id="scheduled__1", try_number=1)
        alerts.publish({"ti": ti, "exception": error.value})
        assert told() == []

    def test_tell_of_many_rejected_files_in_one_alert(self, dag, told, inbox):
        inbox(a=b"<html>1", b=b"<html>2", c=b"<html>3")

        assert dag.get_task("land").python_callable(ti=Task(), dag_run=SCHEDULED) == []

        (alert,) = told()
        assert alert["Subject"] == "warn: inbox/a.ZIP and 2 more are rejected"
        assert all(f"inbox/{name}.ZIP. Its bytes are in s3://" in alert["Message"] for name in "abc")
        assert inbox() == []

    def test_tell_of_a_file_whose_name_has_a_newline(self, dag, told, inbox):
        inbox(**{"a\nb": b"<html>"})

        dag.get_task("land").python_callable(ti=Task(), dag_run=SCHEDULED)

        assert [alert["Subject"] for alert in told()] == ["warn: inbox/a?b.ZIP is rejected"]

    def test_keep_a_rejected_file_of_which_nobody_could_be_told(self, dag, told, inbox, monkeypatch):
        monkeypatch.setenv("B3_ALERT_TOPIC_ARN", "arn:aws:sns:sa-east-1:123456789012:none")
        inbox(a=b"<html>")

        dag.get_task("land").python_callable(ti=Task(), dag_run=SCHEDULED)

        assert inbox() == ["inbox/a.ZIP"]

    def test_start_no_more_runs_than_airflow_maps_and_leave_the_rest_to_the_next_run(
        self, dag, told, inbox, monkeypatch
    ):
        monkeypatch.setattr(arrivals, "MOST_RUNS", 2)
        inbox(COTAHIST_M042020=MONTH, COTAHIST_A2020=build_zip(build_file([record()])))
        land = Task()

        wanted = dag.get_task("land").python_callable(ti=land, dag_run=SCHEDULED)

        assert len(wanted) <= 2
        assert len(land.pushed[arrivals.LANDED]) == 1

    def test_with_an_empty_inbox_start_nothing(self, dag, told):
        land = Task()

        assert dag.get_task("land").python_callable(ti=land, dag_run=SCHEDULED) == []
        dag.get_task("empty_inbox").python_callable(ti=Task(land.pushed))
