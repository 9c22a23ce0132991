"""The notes on each task that Airflow's UI shows: what it does, what its failure means, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from airflow.sdk import DAG

from b3.airflow.queries import claim


class Note(NamedTuple):
    """What a person needs to know of a task, in sentences.

    Attributes:
        does: what the task does.
        failure: what its failure means.
        todo: what to do then.
        ignore: when a failure can be ignored.
    """

    does: str
    failure: str
    todo: str
    ignore: str

    def markdown(self) -> str:
        """Return the note as Airflow shows it."""
        return (
            f"{self.does}\n\n**If it fails:** {self.failure}\n\n**What to do:** {self.todo}\n\n"
            f"**It can be ignored:** {self.ignore}\n"
        )


_CLEAR = "Clear the task, with what comes after it."
_ASK_AGAIN = "Read the message: it says what B3 sent. Clear the task once B3 sends what is expected."

_READ_JOB_LOG = (
    "Read the log group `/aws-glue/jobs/<job>/output` of the job run in the message, then `…/error`; on a local "
    "lake the job's log. Then clear the task."
)
NOTES = {
    "scrape": Note(
        "Downloads B3's COTAHIST file, checks every record, and keeps the bytes in `landing/quotes/`. "
        "If B3 has not published, it waits without a slot.",
        "B3 sent no file, or another one. Readers see what they saw before.",
        _ASK_AGAIN,
        "never: the quotes of the run are missing.",
    ),
    "upload": Note(
        "Writes the records of the landed file as typed Parquet to `raw/quotes/`.",
        "The file would lose many records, or most rows break one rule, or its bytes are damaged. Nothing of it was "
        "written.",
        "Compare the versions of the file, on a local lake with `make diff`. If B3 is right, trigger the DAG again "
        "with `accept_loss` or `accept_flood`. If the bytes are damaged, clear `scrape`.",
        "never: readers do not see the new file.",
    ),
    "indexes.scrape": Note(
        "Downloads the portfolios of `B3_INDEXES` and keeps them in `landing/index/`. It is skipped if B3 serves "
        "another session, and says which.",
        "B3 sent no portfolio, or something else.",
        f"{_ASK_AGAIN} B3 serves a portfolio on its day only.",
        "for a past session, whose portfolios B3 no longer serves.",
    ),
    "indexes.upload": Note(
        "Writes the portfolios that landed to `raw/index_portfolio/`.",
        "A landed file is damaged or of another date.",
        "Clear `indexes.scrape` on the same day.",
        "if only quotes are needed.",
    ),
    "indexes.complete": Note(
        "Fails if the portfolio of an index is missing while others landed.",
        "B3 sent some portfolios and not others. Those that landed are published.",
        "Clear `indexes.scrape` on the same day.",
        "if the index in the message is not needed.",
    ),
    "sectors.scrape": Note(
        "Downloads the sector classification if it changed, and keeps it in `landing/sectors/`.",
        "B3 sent no workbook, or another one.",
        _ASK_AGAIN,
        "for a day or two: the former classification stays in use.",
    ),
    "sectors.upload": Note(
        "Writes the sector classification to `raw/sectors/`.",
        "The landed workbook cannot be read.",
        "Clear `sectors.scrape`.",
        "for a day or two: the former classification stays in use.",
    ),
    "bitcoin.scrape": Note(
        "Downloads the one-minute candles of the run's hours, and those of earlier hours of the last day that lack "
        "minutes. It keeps the bytes in `landing/bitcoin/`.",
        "The provider sent no candles, or something else. If it refuses this client (451, 418, 403), no retry follows.",
        "Read the message. Clear the task, or let the next run ask for the hour again. After a refusal see "
        "`B3_BTC_PROVIDER`.",
        "for a few hours: a run of the next four days fills the gap.",
    ),
    "bitcoin.upload": Note(
        "Writes the landed candles as typed Parquet to `raw_bitcoin/`, one object per hour and market.",
        "A landed file is damaged. Readers see the former minutes.",
        "Delete the object that the message names, and clear `bitcoin.scrape`.",
        "never: the hour is missing.",
    ),
    "bitcoin.refine": Note(
        "Merges the hours of a day into one object per market in `refined_bitcoin/`, registers the partitions, and "
        "tells which minutes are missing.",
        "An object in `raw_bitcoin/` is none of this DAG. Readers see the former minutes.",
        "Do what the message says, then clear the task.",
        "if the next run is green: it writes the same day.",
    ),
    "bitcoin.compare_stream": Note(
        "Compares the optional stream of Bitcoin, if the lake has one, with the candles of the hour before.",
        "A minute was polled with other amounts than the candle has. `btc_minutes` is right.",
        "See docs/stream.md, and whether the provider changes its candles late.",
        "always, where nobody reads the stream.",
    ),
    "bitcoin.complete": Note(
        "Fails if the candles of some hours did not land while others did.",
        "The provider answered for some hours or markets and not for others. Those that landed are published.",
        "See the message. The next run asks for the hours again.",
        "if the next run is green.",
    ),
    "calendar_agrees": Note(
        "Compares B3's page of trading holidays with the calendar that runs use. It is skipped if B3 does not answer.",
        "B3 announces other closed days than the calendar has. The data of this run is right.",
        "Do what the message says, before the day that it names.",
        "until that day.",
    ),
    "crawl_raw": Note(
        "Runs the Glue crawler that registers the new raw partitions; skipped if `B3_REGISTER` is `tasks`.",
        "Glue did not run the crawler. The task waits for the crawl of another run, and was tried ten times.",
        _CLEAR,
        "never: tables do not show the session.",
    ),
    "refine": Note(
        "Runs the Glue Spark job: refined quotes, findings, and constituents of the indexes.",
        "The job failed. Readers see the former partition.",
        _READ_JOB_LOG,
        "never.",
    ),
    "transform": Note(
        "Runs the visual Glue job, which sums the quotes of the indexes' constituents by its nodes.",
        "The job failed. No other table is concerned.",
        _READ_JOB_LOG,
        "yes: only the table `visual_index_stocks` lacks the session.",
    ),
    "crawl_refined": Note(
        "Runs the Glue crawler that registers the new refined partitions. If `B3_REGISTER` is `tasks`, it registers "
        "them itself, and skips the crawl.",
        "Glue did not run the crawler. The task waits for the crawl of another run, and was tried ten times.",
        _CLEAR,
        "never: tables do not show the session.",
    ),
    "report": Note(
        "Writes the page on the session to `reports/`, also if a check failed: it then says so.",
        "A query or the picture of a chart failed. Tables are not concerned.",
        _CLEAR,
        "yes: only the page is missing.",
    ),
    "summary": Note(
        "Lists the findings, records the run in `run_metrics`, and makes the run fail if a task before it failed.",
        "The findings could not be read, or the row could not be written. If it says upstream_failed, look for the "
        "task that failed.",
        _CLEAR,
        "if only this task failed.",
    ),
    "examine": Note(
        "Asks each of B3's addresses, and compares the answers with what the parsers expect.",
        "An address moved, or its answer changed. The lake is not concerned yet.",
        "Do what the table in the log advises, before the next session.",
        "at a single timeout; the next run tells.",
    ),
    "wait": Note(
        "Waits for a message that something came to `inbox/`, an hour at most and without a slot. Without a queue it "
        "waits for five minutes.",
        "Airflow could not run it. A queue that does not answer is no failure: there is an alert, and `inbox/` is "
        "listed every hour.",
        "See the task's log. After an alert see the setting `B3_ARRIVALS_QUEUE_URL`, and the rights on the queue.",
        "for a while: `inbox/` is listed all the same.",
    ),
    "land": Note(
        "Lists `inbox/`, checks every record of each file, and brings it to `landing/quotes/`. What is no COTAHIST "
        "file goes to `landing/rejected/`, with the reason beside it; one alert names all of them.",
        "S3 failed for all of `inbox/`, where the files still are. One file that fails stops no other: `empty_inbox` "
        "then fails.",
        _CLEAR,
        "if the next run is green: it takes the same files.",
    ),
    "start": Note(
        "Starts the runs of `b3_daily` or `b3_history` that bring a landed file to the tables, and waits until each "
        "has ended, well or not. It is skipped if the run was there before.",
        "Airflow could not start the run. The file is still in `inbox/`.",
        "See whether the DAG in the message imports. Then clear the task, or let the next run do it.",
        "if the next run is green: it starts the same runs.",
    ),
    "empty_inbox": Note(
        "Removes the files from `inbox/` that have landed and whose runs are started. It fails for what did not land "
        "or start.",
        "A file could not be landed, or a run could not be started, or S3 failed. The files are still in `inbox/`.",
        "Do what the message says of each file. The next run takes them again, within the hour.",
        "if the next run is green: it takes the same files.",
    ),
    "session_is_there": Note(
        "Looks whether the session before today is in the lake, and whether its checks have passed.",
        "It is not. Readers lack the session, or must not trust it.",
        "Look at the run of `b3_daily` for the session in the message, or trigger it. Then clear this task.",
        "never.",
    ),
    "compare": Note(
        "Compares the whole lake with what landed.",
        "The lake differs from what landed. Each line of the message is one difference.",
        "Do what each line says, then clear the task.",
        "if another DAG wrote at the same time; run it again.",
    ),
}
_READY = Note(
    "Starts the checks of a data set once its rows are written and its tables registered. It does nothing else.",
    "It cannot fail; it is skipped with what it waits for.",
    "Look at the task before it.",
    "yes.",
)
_REGISTERED = Note(
    "Ends once the partitions are in the catalog: a crawler or the tasks registered them. It does nothing else.",
    "It cannot fail; it waits for the task before it.",
    "Look at the task before it.",
    "yes.",
)
_CHECK_FAILURE = "This does not hold of the tables that readers see. The message has the figures."
_CHECK_TODO = "Treat the session as suspect. Do what the message says, then clear the check."


def note_on(task_id: str, query: str = "") -> Note:
    """Return the note on a task.

    Args:
        task_id: its id.
        query: of a check or a view its SQL, whose first comment says what it does.

    Raises:
        KeyError: there is none for this task.
    """
    if task_id.startswith("validate."):
        return Note(f"Checks: {claim(query)}", _CHECK_FAILURE, _CHECK_TODO, "never without reading its message.")
    if task_id.startswith("views."):
        return Note(
            f"Replaces the view: {claim(query)}", "Athena refused the view. The former one stays.", _CLEAR,
            "yes, if the view was there before.",
        )  # fmt: skip
    if task_id.endswith("_registered"):
        return _REGISTERED
    return _READY if task_id.endswith("_ready") else NOTES[task_id]


def describe(dag: DAG) -> None:
    """Give each task of a DAG its note."""
    for task in dag.tasks:
        file = getattr(task, "query", None)
        query = Path(dag.template_searchpath[0], file).read_text() if file else ""  # type: ignore[index]
        # A mapped task is given its note where it is made.
        if not task.is_mapped:
            task.doc_md = note_on(task.task_id, query).markdown()  # type: ignore[misc]
