"""From B3 to landing/index/: the portfolios of the indexes, kept as sent once they are checked.

B3 serves one portfolio of an index at a time. The answer names its session, which may be the next one. So a portfolio
lands under the session that it names, and a run uses those that landed under its own trade date, now or before.

Every answer is put into landing/received/ before anybody reads it: B3 does not give it again.
"""

from __future__ import annotations

import datetime as dt
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from b3.errors import NoPortfolio, OtherSession, SourceError
from b3.indexes.answers import Unserved, ask
from b3.lake import layout
from b3.lake.landed import LandedFile, find, keep
from b3.lake.layout import Lake
from b3.site.addresses import INDEX_METHODS

if TYPE_CHECKING:
    from b3.site.hook import B3Hook

log = logging.getLogger(__name__)

# An index may have no preview.
_REQUIRED = ("portfolio_day", "theoretical")


@dataclass(frozen=True)
class LandedPortfolio:
    """One endpoint's portfolio of an index in landing/."""

    index: str
    endpoint: str
    file: LandedFile

    @classmethod
    def of(cls, fields: dict[str, Any]) -> LandedPortfolio:
        """Return the portfolio that `dataclasses.asdict` made these fields of."""
        return cls(fields["index"], fields["endpoint"], LandedFile(**fields["file"]))


@dataclass(frozen=True)
class CapturedPortfolios:
    """What landing/ has of a session's portfolios, and what went wrong while they were captured.

    Attributes:
        landed: the session's portfolios, by index in the order asked for, without indexes that have nothing there.
        errors: a text for each answer that is missing or not what it should be.
    """

    landed: list[LandedPortfolio]
    errors: list[str]

    @classmethod
    def of(cls, fields: dict[str, Any]) -> CapturedPortfolios:
        """Return what `dataclasses.asdict` made these fields of."""
        return cls([LandedPortfolio.of(portfolio) for portfolio in fields["landed"]], list(fields["errors"]))

    def check(self) -> None:
        """Raise SourceError, which lists the errors, if there are any."""
        if self.errors:
            raise _incomplete(self.errors)


@dataclass
class _Captured:
    """What B3 gave of one index.

    Attributes:
        session: the one the portfolios are for, None if that is unknown.
        files: what landed, by endpoint.
        unserved: the endpoints that B3 failed to answer.
        refused: what was wrong with the answers that were not what they should be.
    """

    session: dt.date | None = None
    files: dict[str, LandedFile] = field(default_factory=dict)
    unserved: dict[str, SourceError] = field(default_factory=dict)
    refused: list[SourceError] = field(default_factory=list)


@dataclass(frozen=True)
class _AtOtherSession:
    """An index of which B3 serves another session, and the endpoints that landing/ lacks of the one asked for."""

    index: str
    session: dt.date
    missing: tuple[str, ...]


def capture_portfolios(
    hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, indexes: Sequence[str]
) -> CapturedPortfolios:
    """Bring the portfolios of the indexes to landing/index/, and name those of `trade_date`.

    Every endpoint is asked for all its pages and checked whole, and lands under the session that the index's
    portfolio_day names; an answer that fails its checks is kept in landing/rejected/ instead. What is good lands even
    if something else fails: where one index's portfolio_day fails, its other endpoints land under the session that
    those of the other indexes name; where none does, they stay in landing/received/.

    Where B3 fails to answer, what landed for `trade_date` before is used, and where it serves another session too. A
    preview that B3 does not have is left out.

    Run again, the same bytes leave the objects as they are, other bytes become a new version of them.

    Args:
        hook: where to fetch from.
        s3: a boto3 S3 client.
        lake: the lake.
        trade_date: the session.
        indexes: B3's codes of them.

    Returns:
        What lies in landing/ for that session, and the errors of the answers that are missing or not what they should
        be: what is good can be used, `CapturedPortfolios.check` raises the rest.

    Raises:
        OtherSession: B3 serves other sessions, and no index has portfolios of `trade_date` in landing/.
        SourceError: and its subclasses: there were errors, and no index has portfolios of `trade_date` in landing/;
            one of several errors lists them all.
    """
    landed: list[LandedPortfolio] = []
    errors: list[SourceError] = []
    at_other_session: list[_AtOtherSession] = []
    for index, captured in _capture(hook, s3, lake, trade_date, indexes).items():
        files = _of_session(s3, lake, index, trade_date, captured)
        missing = tuple(endpoint for endpoint in _REQUIRED if endpoint not in files)
        failed = captured.refused + [
            error for endpoint, error in captured.unserved.items() if missing or endpoint not in files
        ]
        for error in captured.unserved.values():
            if error not in failed:
                log.warning("using what has landed of %s for %s: %s", index, trade_date, error)
        errors += failed
        if not missing:
            landed += [LandedPortfolio(index, endpoint, file) for endpoint, file in files.items()]
        elif not failed:
            assert captured.session
            at_other_session.append(_AtOtherSession(index, captured.session, missing))
    said = [_told(error) for error in errors]
    if errors and not landed:
        raise errors[0] if len(errors) == 1 else _incomplete(said)
    if at_other_session and not landed:
        raise _other_session(trade_date, at_other_session)
    if at_other_session:
        log.warning("going on without some indexes: %s", _other_session(trade_date, at_other_session))
    for text in said:
        log.error("going on with what is good: %s", text)
    return CapturedPortfolios(landed, said)


def _capture(hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, indexes: Sequence[str]) -> dict[str, _Captured]:
    """Ask for every endpoint of the indexes, and land the good answers under their session."""
    captures = {index: _Captured() for index in indexes}
    # portfolio_day comes first, of all indexes: the other endpoints name no session.
    for endpoint in INDEX_METHODS:
        for index, captured in captures.items():
            _capture_endpoint(hook, s3, lake, trade_date, index, endpoint, captured)
        named = {captured.session for captured in captures.values() if captured.session}
        if len(named) == 1:
            # An index whose portfolio_day failed takes the session that all others name.
            (session,) = named
            for captured in captures.values():
                captured.session = session
    return captures


def _capture_endpoint(
    hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, index: str, endpoint: str, captured: _Captured
) -> None:
    """Ask for an endpoint of an index, and note the landed file or the error in `captured`."""
    try:
        answer = ask(hook, s3, lake, trade_date, index, endpoint)
    except Unserved as failure:
        captured.unserved[endpoint] = failure.error
    except NoPortfolio as error:
        if endpoint in _REQUIRED:
            captured.refused.append(error)
        else:
            log.info("%s has no %s: %s", index, endpoint, error)
    except SourceError as error:
        captured.refused.append(error)
    else:
        session = answer.session or captured.session
        if session is None:
            received = ", ".join(answer.received)
            log.warning("no portfolio_day tells the session of %s of %s: it stays in %s", endpoint, index, received)
            return
        captured.session = session
        key = layout.landing_index_key(index, endpoint, session)
        captured.files[endpoint] = keep(s3, lake, key, io.BytesIO(answer.body), answer.download)


def _of_session(s3: Any, lake: Lake, index: str, trade_date: dt.date, captured: _Captured) -> dict[str, LandedFile]:
    """Return the landed files of an index for `trade_date`, by endpoint."""
    captured_now = captured.files if captured.session == trade_date else {}
    files = {}
    for endpoint in INDEX_METHODS:
        key = layout.landing_index_key(index, endpoint, trade_date)
        file = captured_now.get(endpoint) or find(s3, lake, key)
        if file is not None:
            files[endpoint] = file
    return files


def _told(error: SourceError) -> str:
    """Return an error and its notes as one text."""
    return " ".join([str(error), *(f"({note})" for note in getattr(error, "__notes__", []))])


def _incomplete(errors: list[str]) -> SourceError:
    """Return the one error of several."""
    found = " ".join(f"[{number}] {text}" for number, text in enumerate(errors, 1))
    return SourceError(
        source="B3's index portfolios",
        expected="every answer there and whole",
        found=f"{len(errors)} that {'is' if len(errors) == 1 else 'are'} not: {found}",
        hint="What is good has landed. Run indexes.scrape again before the next session: B3 serves no past portfolio.",
    )


def _other_session(trade_date: dt.date, at_other_session: list[_AtOtherSession]) -> OtherSession:
    return OtherSession(
        source="B3's index portfolios",
        expected=f"those of {trade_date}",
        found="; ".join(
            f"{of.index} of {of.session}, and no {' and no '.join(of.missing)} of {trade_date} in landing"
            for of in at_other_session
        ),
        hint="B3 serves one portfolio at a time: for a session to come, run the task again on its day; one that has "
        "passed can't be had any more.",
    )
