"""Check that B3's addresses still answer as the parsers expect. B3 moves and changes them without notice.

The check asks each address that the lake uses once, with a pause between two requests. The parser of the runs reads the
answer. A fault that may pass is asked for once more at the end.
"""

from __future__ import annotations

import calendar
import datetime as dt
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from b3.calendar import holidays, publication, sessions
from b3.doctor.diagnosis import NO_ANSWER, WIDTH, Diagnosis, details, shortened, table
from b3.errors import (
    NoPortfolio,
    NotB3Data,
    NotPublished,
    NotServed,
    SourceError,
    TransientError,
    Truncated,
    WrongDate,
)
from b3.indexes import pages, portfolio
from b3.lake import layout
from b3.quotes import cotahist
from b3.sectors import workbook
from b3.site.addresses import HOLIDAYS_PATH, INDEX_METHODS, QUOTES_PATH, index_path, sector_workbook_path
from b3.site.urls import without_secrets

if TYPE_CHECKING:
    import requests

    from b3.site.hook import B3Hook

PAUSE = 0.5
HEADING = ("address", "answer", "as the parser expects it?")

# Logs and alerts put the exception's name before the first line, and the whole must fit into WIDTH.
_DIFFER_WIDTH = WIDTH - len("AirflowFailException: AddressesDiffer: ")
_OUT_OF_REACH_WIDTH = WIDTH - len("OutOfReach: ")
_MOVED = "Open the address in a browser. If B3 moved it, correct b3.site.addresses."
_ADVICE: dict[type[SourceError], str] = {
    NotServed: _MOVED,
    NotPublished: _MOVED,
    TransientError: "B3 is failing: run the doctor again in an hour.",
    Truncated: "Run the doctor again. If the file stays damaged, B3 is to blame: clear scrape once it is whole.",
}
# Faults that may pass: of failing servers, and of B3's firewall, which answers with web pages and cuts answers short.
_MAY_PASS = (TransientError, NotB3Data, Truncated)
_UNREACHABLE = (
    "Run the doctor again in an hour. If it stays so, see whether this network reaches B3: DNS, proxy, firewall, NAT."
)
_UNFORESEEN = "The parser fails in a way that nobody foresaw: keep what the address answers, and report both."


class AddressesDiffer(Exception):
    """At least one address of B3 does not answer as the parsers expect."""


class OutOfReach(Exception):
    """No address of B3 answers."""


@dataclass(frozen=True)
class Probe:
    """One address, and the function that checks it.

    Attributes:
        subject: short name of the address.
        url: the address; for several pages, that of the first.
        kind: a part of the expected Content-Type.
        look: asks the address, reads the answer, and returns a note for the table.
    """

    subject: str
    url: str
    kind: str
    look: Callable[[], str]


def examine(hook: B3Hook, indexes: Sequence[str], now: dt.datetime, *, pause: float = PAUSE) -> list[Diagnosis]:
    """Ask every address that the lake uses, and return one diagnosis each, in the order of a run.

    No answer makes this function raise.

    Args:
        hook: the hook to B3; its number of tries is set to one.
        indexes: B3's codes of the indexes. Without any, the sector workbook is not asked for either.
        now: the present instant: it decides which files must be published.
        pause: seconds between two requests.
    """
    visit = _Visit(hook, pause)
    probes = _probes(visit, indexes, now)
    found = [visit.look_at(probe) for probe in probes]
    if all(each.answer == NO_ANSWER for each in found):
        return found
    return [visit.look_at(probe) if each.may_pass else each for probe, each in zip(probes, found, strict=True)]


def judge(diagnoses: Sequence[Diagnosis]) -> str:
    """Return a sentence if every address is as expected.

    Raises:
        OutOfReach: none answered; the message has the cause of the first.
        AddressesDiffer: some differ; the first line names them, and the table follows.
    """
    differ = [each for each in diagnoses if not each.as_expected]
    if not differ:
        return f"all {len(diagnoses)} addresses answer as expected"
    if all(each.answer == NO_ANSWER for each in diagnoses):
        first = differ[0]
        told = shortened(f"B3 does not answer at all: {first.found}", _OUT_OF_REACH_WIDTH)
        raise OutOfReach(f"{told}\n\nNone of {len(diagnoses)} addresses answered. The first of them:\n{details(first)}")
    told = f"{len(differ)} of {len(diagnoses)} addresses of B3 differ: "
    raise AddressesDiffer(f"{told}{_names(differ, _DIFFER_WIDTH - len(told))}\n\n{table(diagnoses, HEADING)}")


def _names(diagnoses: Sequence[Diagnosis], width: int) -> str:
    """Return the subjects of `diagnoses` that fit into `width`, and how many more there are."""
    names = [each.subject for each in diagnoses]
    for count in range(len(names), 1, -1):
        more = len(names) - count
        text = ", ".join(names[:count]) + (f" and {more} more" if more else "")
        if len(text) <= width:
            return text
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


class _Visit:
    """One examination. It pauses before every request but the first, and keeps the answers to an address."""

    def __init__(self, hook: B3Hook, pause: float) -> None:
        self.hook = hook
        self._pause = pause
        self._asked = False
        self._answers: list[requests.Response] = []
        hook.get_conn().hooks["response"].append(self._note)
        hook.attempts = 1

    def _note(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        self._answers.append(answer)

    def wait(self) -> None:
        """Pause before a request, except before the first."""
        if self._asked:
            time.sleep(self._pause)
        self._asked = True

    def look_at(self, probe: Probe) -> Diagnosis:
        """Return the diagnosis of an address, whatever happens."""
        self._answers.clear()
        self.wait()
        try:
            note = probe.look()
        except Exception as error:
            return self._differs(probe, error)
        moved = next((answer for answer in self._answers if answer.is_permanent_redirect), None)
        if moved is not None:
            return Diagnosis(
                probe.subject,
                self._answer(),
                expected="an answer from the address itself",
                found=f"status {moved.status_code}: moved to {without_secrets(moved.headers.get('Location', ''))}",
                advice="The data is right. Put the new address into b3.site.addresses before the old one ends.",
                url=probe.url,
            )
        return Diagnosis(probe.subject, self._answer(), note, url=probe.url)

    def _differs(self, probe: Probe, error: Exception) -> Diagnosis:
        last = self._answers[-1] if self._answers else None
        if isinstance(error, SourceError):
            expected, found = error.expected, error.found
            advice = _ADVICE.get(type(error), error.hint)
        else:
            expected, found = "an answer that the parser can read", f"{type(error).__name__}: {error}"
            advice = _UNFORESEEN
        if last is None:
            # The text of requests names its objects; the innermost cause is what a person understands.
            cause = _innermost(error)
            found = f"{type(cause).__name__}: {without_secrets(str(cause))}"
            advice = _UNREACHABLE if isinstance(error, TransientError) else advice
        elif last.ok and probe.kind not in (sent_as := last.headers.get("Content-Type", probe.kind)):
            found += f"; sent as {sent_as}"
        if last is not None and last.url != probe.url and any(answer.is_redirect for answer in self._answers):
            found += f"; after a redirect to {without_secrets(last.url)}"
        return Diagnosis(
            probe.subject,
            self._answer(),
            expected=expected,
            found=shortened(found, 400),
            advice=advice,
            url=probe.url,
            may_pass=isinstance(error, _MAY_PASS),
        )

    def _answer(self) -> str:
        """Return the status of the last answer and the size of all."""
        if not self._answers:
            return NO_ANSWER
        sizes = [_size(answer) for answer in self._answers if not answer.is_redirect]
        return f"{self._answers[-1].status_code}, {_in_words(sum(sizes))}"


def _probes(visit: _Visit, indexes: Sequence[str], now: dt.datetime) -> list[Probe]:
    """Return the addresses that the lake uses, in the order of a run."""
    session = publication.last_published(now)
    today = now.astimezone(sessions.SAO_PAULO).date()
    month = session.replace(day=1), session.replace(day=calendar.monthrange(session.year, session.month)[1])
    year = dt.date(session.year, 1, 1), dt.date(session.year, 12, 31)
    probes = [
        _daily_quotes(visit, session),
        _longer_quotes(visit, layout.monthly_quotes_file(session), *month),
        _longer_quotes(visit, layout.annual_quotes_file(session.year), *year),
        *(_portfolio(visit, index, endpoint, today) for index in indexes for endpoint in INDEX_METHODS),
    ]
    return [*probes, *([_workbook(visit)] if indexes else []), _holidays(visit)]


def _daily_quotes(visit: _Visit, session: dt.date) -> Probe:
    name = layout.daily_quotes_file(session)
    url = f"{visit.hook.base_url}{QUOTES_PATH}{name}"

    def look() -> str:
        with tempfile.TemporaryFile() as file:
            visit.hook.download_quotes(name, file)
            summary = cotahist.verify(file, session, name=url)
        return f"{summary.records:,} records of {session}; its trailer counts {summary.trailer_form}"

    return Probe(name, url, "zip", look)


def _longer_quotes(visit: _Visit, name: str, first: dt.date, last: dt.date) -> Probe:
    url = f"{visit.hook.base_url}{QUOTES_PATH}{name}"

    def look() -> str:
        data, whole = visit.hook.begin_quotes(name)
        if whole:
            # A whole file has its trailer and its checksum.
            cotahist.verify(data, None, name=url)
        beginning = cotahist.read_beginning(data, name=url)
        dates = pc.min_max(beginning.quotes.column("trade_date")).as_py()
        if not first <= dates["min"] <= dates["max"] <= last:
            raise WrongDate(
                source=url,
                expected=f"sessions from {first} to {last} alone",
                found=f"{dates['min']} to {dates['max']}",
                hint="B3 serves another file under this name: see whether it changed its names.",
            )
        return f"generated {beginning.generated}; its first {beginning.quotes.num_rows:,} records are right"

    return Probe(name, url, "zip", look)


def _portfolio(visit: _Visit, index: str, endpoint: str, today: dt.date) -> Probe:
    method = INDEX_METHODS[endpoint]
    url = visit.hook.listed_url + index_path(method, index=index)

    def look() -> str:
        try:
            body = _all_pages(visit, method, index)
            rows = portfolio.read_table(body, endpoint=endpoint, index=index, source=url).num_rows
        except NoPortfolio:
            if endpoint == "preview":
                return "no rows: B3 has no preview now"
            raise
        if endpoint != "portfolio_day":
            return f"{rows} rows"
        session = portfolio.header_date(body, source=url)
        _check_present(session, today, url)
        return f"{rows} rows, for the session of {session}"

    return Probe(f"{method} {index}", url, "json", look)


def _all_pages(visit: _Visit, method: str, index: str) -> bytes:
    first, download = visit.hook.download_index(method, index=index)
    count = pages.page_count(first, source=download.url)
    bodies = [first]
    for number in range(2, count + 1):
        visit.wait()
        bodies.append(visit.hook.download_index(method, index=index, page=number)[0])
    return pages.join_pages(bodies)


def _check_present(session: dt.date, today: dt.date, url: str) -> None:
    """Raise WrongDate if a portfolio's session is not near today: B3 serves the present or the next one."""
    first, last = sessions.previous_session(today), sessions.next_session(today)
    if not (first <= session <= last and sessions.is_session(session)):
        raise WrongDate(
            source=url,
            expected=f"header.date of a session from {first} to {last}",
            found=f"{session:%A} {session}",
            hint="If it stays so, the portfolios of these sessions are lost: see what B3's page of the index shows.",
        )


def _workbook(visit: _Visit) -> Probe:
    url = visit.hook.listed_url + sector_workbook_path()

    def look() -> str:
        body, _ = visit.hook.download_sector_workbook()
        return f"{workbook.read_workbook(body, source=url).num_rows} companies"

    return Probe("sector workbook", url, "sheet", look)


def _holidays(visit: _Visit) -> Probe:
    def look() -> str:
        holidays.check(visit.hook)
        return "agrees with the calendar"

    return Probe("page of trading holidays", visit.hook.site_url + HOLIDAYS_PATH, "html", look)


def _innermost(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _size(answer: requests.Response) -> int:
    announced = answer.headers.get("Content-Length", "")
    return int(announced) if announced.isdecimal() else answer.raw.tell()


def _in_words(size: int) -> str:
    """Return a size in bytes as text, in MB, kB or bytes."""
    for unit, bytes_ in (("MB", 1_000_000), ("kB", 1_000)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}" if unit == "MB" else f"{size // bytes_} {unit}"
    return f"{size} bytes"
