"""Airflow's sensor that waits for files in inbox/."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from b3.airflow import alerts, summaries
from b3.airflow.run_dates import BY_LOGICAL_DATE

if TYPE_CHECKING:

    class SqsSensor:
        """The part of Airflow's SqsSensor that this module uses, for mypy."""

        sqs_queue: str

        def __init__(self, **arguments: Any) -> None: ...

        def execute(self, context: Any) -> Any:
            """Raise TaskDeferred."""

        def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
            """Call a method by its name."""

        def defer(self, *, trigger: Any, method_name: str) -> None:
            """Raise TaskDeferred: the task gives its slot back until the trigger fires."""
else:
    from airflow.providers.amazon.aws.sensors.sqs import SqsSensor

# Messages may get lost: inbox/ is listed this often in any case.
LONGEST_WAIT = dt.timedelta(hours=1)
# Without a queue.
LISTED_EVERY = dt.timedelta(minutes=5)
# SQS gives no more in one answer. The others wake the next run.
_MOST_MESSAGES = 10
# The longest that SQS holds a request until a message comes.
_LONG_POLL_SECONDS = 20


class ArrivalSensor(SqsSensor):
    """Wait for a message about inbox/, LONGEST_WAIT at most; without a queue wait for LISTED_EVERY.

    The task holds no slot while it waits. A run that a person triggers does not wait, and neither does a retry.

    Args:
        sqs_queue: URL of the queue, may be empty. Templated.
        arguments: as of SqsSensor.
    """

    def __init__(self, *, sqs_queue: str, **arguments: Any) -> None:
        super().__init__(
            sqs_queue=sqs_queue,
            deferrable=True,
            max_messages=_MOST_MESSAGES,
            wait_time_seconds=_LONG_POLL_SECONDS,
            poke_interval=1,
            timeout=LONGEST_WAIT.total_seconds(),
            **arguments,
        )

    def execute(self, context: Any) -> None:
        """Defer the task, unless a person triggered the run or a former try failed."""
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        if context["dag_run"].run_type not in BY_LOGICAL_DATE:
            summaries.tell(context["ti"], "triggered by hand: inbox/ is listed at once")
        elif context["ti"].try_number > 1:
            # The former try may have received a message. Airflow fails a deferred task whose trigger fires too soon.
            summaries.tell(context["ti"], "tried again: inbox/ is listed at once, a message may be lost")
        elif self.sqs_queue:
            super().execute(context)
        else:
            self.defer(trigger=TimeDeltaTrigger(LISTED_EVERY), method_name=self.time_is_over.__name__)

    def execute_complete(self, context: Any, event: Any = None) -> None:
        """End the wait; the trigger resumes the task here when it has received and deleted messages."""
        if (event or {}).get("status") != "success":
            self._wait_without_queue(event)
        summaries.tell(context["ti"], f"{len(event['message_batch'])} messages about inbox/")

    def _wait_without_queue(self, found: object) -> None:
        """Tell people that the queue does not answer, and wait as long as for a message."""
        alerts.warn(
            "the queue of inbox/ does not answer",
            f"Expected messages from {self.sqs_queue}, found {found}.\n\n"
            "inbox/ is listed every hour all the same. See the setting B3_ARRIVALS_QUEUE_URL, the rights on the queue, "
            "and the triggerer's log.",
            runbook="a-file-in-inbox",
            cause="the queue of inbox/ does not answer",
        )
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        self.defer(trigger=TimeDeltaTrigger(LONGEST_WAIT), method_name=self.time_is_over.__name__)

    def time_is_over(self, context: Any, event: Any = None) -> None:
        """End the wait; the trigger resumes the task here when the time is over."""
        summaries.tell(context["ti"], "no message: inbox/ is listed in any case")

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Resume the task; a wait without a message is no failure, and neither is a queue that does not answer."""
        timeout, failure = _ends()
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except timeout:
            return self.time_is_over(context)
        except failure as error:
            return self._wait_without_queue(error)


def _ends() -> tuple[type[Exception], type[Exception]]:
    """Return the exceptions of a sensor that waited to its end, and of one whose trigger failed."""
    try:
        from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferralError
    except ImportError:  # Airflow 3.0
        from airflow.exceptions import AirflowSensorTimeout, TaskDeferralError  # type: ignore[no-redef]

    return AirflowSensorTimeout, TaskDeferralError
