"""Airflow operators that fetch B3's files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from b3 import settings
from b3.airflow import run_dates
from b3.airflow.skipping import skip
from b3.calendar import publication
from b3.quotes import late_files

if TYPE_CHECKING:
    from b3.errors import SourceError

    class BaseOperator:
        """What this module uses of Airflow's class of this name."""

        log: Any

        def __init__(self, **arguments: Any) -> None: ...

        def defer(self, *, trigger: Any, method_name: str) -> None:
            """Raise what gives the slot back until the trigger fires."""
else:
    from airflow.sdk import BaseOperator

ANSWERS = "answers"


class CaptureQuotesOperator(BaseOperator):
    """Bring B3's file of the run's session to landing/; where it is not published yet, wait for it without a slot.

    While it waits the task is deferred, and its XCom `answers` says what B3 answered, and when. Airflow keeps the
    XComs of a task over a deferral, and clears them when the task is tried again: so that they outlive the deadline,
    the task is not tried again then.

    Args:
        deadline_hours: when to stop waiting, see `b3.calendar.publication.deadline`; 0 is not to wait. Templated.
        poll: how long to wait before B3 is asked again.
    """

    template_fields: Sequence[str] = ("deadline_hours",)

    def __init__(
        self,
        *,
        deadline_hours: float | str = publication.DEADLINE_HOURS,
        poll: dt.timedelta = late_files.POLL,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.deadline_hours = deadline_hours
        self.poll = poll

    def execute(self, context: Any) -> dict[str, str]:
        """Ask B3, and return the landed file, see `b3.lake.landed.LandedFile`.

        Raises:
            AirflowFailException: what no other try mends: ClosedDay, B3 held no session on the run's trade date; or
                DeadlineOver, which tells each answer.
            AirflowSkipException: ClosedDay in a scheduled or backfilled run.
            SourceError: and its subclasses: B3's answer is something else than the session's file.
        """
        return self._capture(context)

    def ask_again(self, context: Any, event: Any = None) -> dict[str, str]:
        """What the trigger resumes; as `execute`."""
        return self._capture(context)

    def _capture(self, context: Any) -> dict[str, str]:
        from b3.airflow import aws
        from b3.errors import ClosedDay, SourceError
        from b3.quotes import land
        from b3.site.hook import B3Hook

        trade_date = run_dates.trade_date(context["dag_run"])
        until, at = publication.deadline(trade_date, float(self.deadline_hours)), publication.now()
        # The files of the month and the year come after the daily one: there is no use in them while that is awaited.
        longer = at >= until
        lake = settings.read().lake
        try:
            return asdict(land.capture_quotes(B3Hook(), aws.s3_client(), lake, trade_date, longer=longer))
        except ClosedDay as error:
            # Nobody asked for that day: before 2000, the calendar has days for sessions that were none.
            if context["dag_run"].run_type in run_dates.BY_LOGICAL_DATE:
                raise skip(error, context["ti"]) from error
            raise for_good(error) from error
        except SourceError as error:
            self._wait(error, context["ti"], trade_date, until, at)
            raise

    def _wait(self, error: SourceError, ti: Any, trade_date: dt.date, until: dt.datetime, at: dt.datetime) -> None:
        """Defer the task, or raise what ends the waiting."""
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        kept = ti.xcom_pull(task_ids=ti.task_id, key=ANSWERS) or []
        earlier = [late_files.Answer(dt.datetime.fromisoformat(at), said) for at, said in kept]
        try:
            answers = late_files.record_answer(error, earlier, trade_date, until=until, at=at)
        except late_files.DeadlineOver as over:
            raise for_good(over) from over
        ti.xcom_push(ANSWERS, [[answer.at.isoformat(timespec="seconds"), answer.said] for answer in answers])
        self.log.warning("B3 had no file to give, waiting until %s: %s", until, error)
        self.defer(trigger=TimeDeltaTrigger(self.poll), method_name=self.ask_again.__name__)


def for_good(error: Exception) -> Exception:
    """Return the failure that Airflow does not try the task again for."""
    try:
        from airflow.sdk.exceptions import AirflowFailException
    except ImportError:  # Airflow 3.0
        from airflow.exceptions import AirflowFailException  # type: ignore[no-redef]

    return AirflowFailException(f"{type(error).__name__}: {error}")
