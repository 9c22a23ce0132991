"""Airflow operators that fetch B3's files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from b3 import settings
from b3.airflow import lineage, run_dates, run_source, summaries
from b3.airflow.failing import for_good, without_retry
from b3.airflow.skipping import skip
from b3.calendar import publication
from b3.quotes import late_files

if TYPE_CHECKING:
    from b3.errors import SourceError

    class BaseOperator:
        """The part of Airflow's BaseOperator that this module uses, for mypy."""

        log: Any

        def __init__(self, **arguments: Any) -> None: ...

        def defer(self, *, trigger: Any, method_name: str) -> None:
            """Raise TaskDeferred: the task gives its slot back until the trigger fires."""
else:
    from airflow.sdk import BaseOperator

ANSWERS = "answers"


class CaptureQuotesOperator(BaseOperator):
    """Bring B3's file of the run's session to landing/. If it is not published yet, defer and ask again.

    The task holds no slot while it is deferred. Its XCom `answers` lists B3's answers and their times. Airflow keeps
    XComs over a deferral, but clears them at a retry. So the task fails without a retry at the deadline.

    Args:
        deadline_hours: when to stop waiting, see `b3.calendar.publication.deadline`; 0 for no waiting. Templated.
        poll: how long to wait before the next request.
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
            AirflowFailException: a retry does not help. ClosedDay: the trade date is no session. DeadlineOver: B3 did
                not publish; the message lists each answer.
            AirflowSkipException: ClosedDay in a scheduled or backfilled run.
            SourceError: or a subclass: B3's answer is not the session's file.
        """
        return self._capture(context)

    def ask_again(self, context: Any, event: Any = None) -> dict[str, str]:
        """Do as `execute`; the trigger resumes the task here."""
        return self._capture(context)

    def _capture(self, context: Any) -> dict[str, str]:
        from b3.airflow import aws
        from b3.errors import ClosedDay, SourceError
        from b3.quotes import land
        from b3.site.hook import B3Hook

        trade_date = run_dates.trade_date(context["dag_run"])
        until, at = publication.deadline(trade_date, float(self.deadline_hours)), publication.now()
        # B3 publishes the files of the month and the year after the daily one: they are no use before the deadline.
        use_longer = at >= until
        lake = settings.read().lake
        from_landing = run_source.from_landing(context["dag_run"])
        try:
            if from_landing:
                landed = land.landed_quotes(aws.s3_client(), lake, trade_date)
            else:
                landed = land.capture_quotes(B3Hook(), aws.s3_client(), lake, trade_date, use_longer=use_longer)
        except ClosedDay as error:
            # Before 2000 the calendar has days without a session: it scheduled this run, no person did.
            if context["dag_run"].run_type in run_dates.BY_LOGICAL_DATE:
                raise skip(error, context["ti"]) from error
            raise for_good(error) from error
        except SourceError as error:
            if from_landing:
                raise for_good(error) from error
            self._defer_or_fail(error, context["ti"], trade_date, until, at)
            raise
        lineage.record(context["ti"], written=[landed.uri])
        summaries.tell(context["ti"], summaries.of_files([landed.uri]))
        return asdict(landed)

    def _defer_or_fail(
        self, error: SourceError, ti: Any, trade_date: dt.date, until: dt.datetime, at: dt.datetime
    ) -> None:
        """Defer the task; raise if waiting is over or would not help."""
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        kept = ti.xcom_pull(task_ids=ti.task_id, key=ANSWERS) or []
        earlier = [late_files.Answer(dt.datetime.fromisoformat(at), said) for at, said in kept]
        with without_retry(late_files.DeadlineOver):
            answers = late_files.record_answer(error, earlier, trade_date, until=until, at=at)
        ti.xcom_push(ANSWERS, [[answer.at.isoformat(timespec="seconds"), answer.said] for answer in answers])
        self.log.warning("B3 has no file yet; waiting until %s: %s", until, error)
        self.defer(trigger=TimeDeltaTrigger(self.poll), method_name=self.ask_again.__name__)
