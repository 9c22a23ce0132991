"""From B3 to landing/index/: the portfolios of the indexes, checked, and kept as sent.

B3 serves one portfolio of an index at a time. The answer names its session, which may be the next one. A portfolio
lands under that session. A run uses the portfolios that landed under its trade date, now or before.

Every answer is put into landing/received/ before it is read: B3 does not serve it again.
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
from b3.lake.commit import folders_below
from b3.lake.landed import LandedFile, find, keep
from b3.lake.layout import Lake
from b3.site.addresses import INDEX_METHODS

if TYPE_CHECKING:
    from b3.site.hook import B3Hook

log = logging.getLogger(__name__)

# An index may have no preview.
REQUIRED = ("portfolio_day", "theoretical")


@dataclass(frozen=True)
class LandedPortfolio:
    """One endpoint's portfolio of an index in landing/."""

    index: str
    endpoint: str
    file: LandedFile

    @classmethod
    def of(cls, fields: dict[str, Any]) -> LandedPortfolio:
        """Return the portfolio with these fields, the result of `dataclasses.asdict`."""
        return cls(fields["index"], fields["endpoint"], LandedFile(**fields["file"]))


@dataclass(frozen=True)
class CapturedPortfolios:
    """A session's portfolios in landing/, and the errors of their capture.

    Attributes:
        landed: the session's portfolios, by index in the order asked for. Indexes without portfolios are left out.
        errors: a text for each answer that is missing or bad.
    """

    landed: list[LandedPortfolio]
    errors: list[str]

    @classmethod
    def of(cls, fields: dict[str, Any]) -> CapturedPortfolios:
        """Return the object with these fields, the result of `dataclasses.asdict`."""
        return cls([LandedPortfolio.of(portfolio) for portfolio in fields["landed"]], list(fields["errors"]))

    def check(self) -> None:
        """Raise a SourceError that lists the errors, if there are any."""
        if self.errors:
            raise _incomplete(self.errors)


@dataclass
class _Captured:
    """B3's answers for one index.

    Attributes:
        session: the session of the portfolios, None if unknown.
        files: the landed files, by endpoint.
        unserved: the errors of endpoints that B3 failed to answer.
        refused: the errors of bad answers.
    """

    session: dt.date | None = None
    files: dict[str, LandedFile] = field(default_factory=dict)
    unserved: dict[str, SourceError] = field(default_factory=dict)
    refused: list[SourceError] = field(default_factory=list)


@dataclass(frozen=True)
class _AtOtherSession:
    """An index for which B3 serves another session, and the endpoints that landing/ lacks for the trade date."""

    index: str
    session: dt.date
    missing: tuple[str, ...]


def capture_portfolios(
    hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, indexes: Sequence[str]
) -> CapturedPortfolios:
    """Bring the portfolios of the indexes to landing/index/, and return those of `trade_date`.

    All pages of an endpoint are fetched and checked together. They land under the session that the index's
    portfolio_day names. An answer that fails its checks is kept in landing/rejected/ instead.

    Good answers land even if others fail. If an index's portfolio_day fails, its other endpoints land under the session
    that the other indexes name. If no index names one, they stay in landing/received/.

    If B3 fails to answer or serves another session, files that landed for `trade_date` before are used. So are those of
    other indexes: a session keeps what was captured for it, whatever is asked for now. A preview that B3 does not have
    is left out. On a rerun, equal bytes leave an object as it is; other bytes become a new version.

    Args:
        hook: the hook to B3.
        s3: a boto3 S3 client.
        lake: the lake.
        trade_date: the session.
        indexes: B3's codes of the indexes.

    Returns:
        The portfolios in landing/ for that session, and the errors of missing or bad answers. The portfolios can be
        used; `CapturedPortfolios.check` raises the errors.

    Raises:
        OtherSession: B3 serves other sessions, and no index has portfolios of `trade_date` in landing/.
        SourceError: or a subclass: there were errors, and no index has portfolios of `trade_date` in landing/. For
            several errors, one SourceError lists them all.
    """
    landed: list[LandedPortfolio] = []
    errors: list[SourceError] = []
    at_other_session: list[_AtOtherSession] = []
    for index, captured in _capture(hook, s3, lake, trade_date, indexes).items():
        files = _of_session(s3, lake, index, trade_date, captured)
        missing = tuple(endpoint for endpoint in REQUIRED if endpoint not in files)
        failed = captured.refused + [
            error for endpoint, error in captured.unserved.items() if missing or endpoint not in files
        ]
        for error in captured.unserved.values():
            if error not in failed:
                log.warning("using the files of %s that landed for %s before: %s", index, trade_date, error)
        errors += failed
        if not missing:
            landed += [LandedPortfolio(index, endpoint, file) for endpoint, file in files.items()]
        elif not failed:
            assert captured.session
            at_other_session.append(_AtOtherSession(index, captured.session, missing))
    landed += _of_other_indexes(s3, lake, trade_date, indexes)
    texts = [_with_notes(error) for error in errors]
    if errors and not landed:
        raise errors[0] if len(errors) == 1 else _incomplete(texts)
    if at_other_session and not landed:
        raise _other_session(trade_date, at_other_session)
    if at_other_session:
        log.warning("going on without some indexes: %s", _other_session(trade_date, at_other_session))
    for text in texts:
        log.error("going on with the good portfolios: %s", text)
    return CapturedPortfolios(landed, texts)


def landed_portfolios(s3: Any, lake: Lake, trade_date: dt.date, indexes: Sequence[str]) -> CapturedPortfolios:
    """Return the portfolios in landing/ for a session, those of other indexes as well; B3 is not asked.

    Raises:
        OtherSession: no index has portfolios of that session in landing/.
    """
    landed = []
    for index in indexes:
        found = _landed_before(s3, lake, trade_date, index)
        if not found:
            log.warning("landing/ lacks portfolios of %s for %s", index, trade_date)
        landed += found
    landed += _of_other_indexes(s3, lake, trade_date, indexes)
    if not landed:
        raise OtherSession(
            source=lake.uri(layout.LANDING_INDEX_PREFIX),
            expected=f"portfolios of {', '.join(indexes)} for {trade_date}",
            found="none",
            hint="B3 serves no past portfolio: that session has none.",
        )
    return CapturedPortfolios(landed, [])


def _capture(hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, indexes: Sequence[str]) -> dict[str, _Captured]:
    """Ask for every endpoint of the indexes, and land the good answers under their session."""
    captures = {index: _Captured() for index in indexes}
    # portfolio_day of all indexes comes first: the other endpoints name no session.
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
    """Ask for an endpoint of an index, and put the landed file or the error into `captured`."""
    try:
        answer = ask(hook, s3, lake, trade_date, index, endpoint)
    except Unserved as failure:
        captured.unserved[endpoint] = failure.error
    except NoPortfolio as error:
        if endpoint in REQUIRED:
            captured.refused.append(error)
        else:
            log.info("%s has no %s: %s", index, endpoint, error)
    except SourceError as error:
        captured.refused.append(error)
    else:
        session = answer.session or captured.session
        if session is None:
            received = ", ".join(answer.received)
            log.warning("no portfolio_day names the session of %s of %s: it stays in %s", endpoint, index, received)
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


def _landed_before(s3: Any, lake: Lake, trade_date: dt.date, index: str) -> list[LandedPortfolio]:
    """Return an index's portfolios in landing/ for a session; nothing if a required one is not there."""
    files = _of_session(s3, lake, index, trade_date, _Captured())
    if not all(endpoint in files for endpoint in REQUIRED):
        return []
    return [LandedPortfolio(index, endpoint, file) for endpoint, file in files.items()]


def _of_other_indexes(s3: Any, lake: Lake, trade_date: dt.date, indexes: Sequence[str]) -> list[LandedPortfolio]:
    """Return the session's portfolios in landing/ of indexes that are not asked for: the setting may have had more."""
    folders = folders_below(s3, lake, layout.LANDING_INDEX_PREFIX)
    there = [folder.removeprefix(layout.LANDING_INDEX_PREFIX).rstrip("/") for folder in folders]
    others = [index for index in there if index not in indexes]
    return [each for index in others for each in _landed_before(s3, lake, trade_date, index)]


def _with_notes(error: SourceError) -> str:
    """Return an error and its notes as one text."""
    return " ".join([str(error), *(f"({note})" for note in getattr(error, "__notes__", []))])


def _incomplete(errors: list[str]) -> SourceError:
    """Return one error that lists several."""
    found = " ".join(f"[{number}] {text}" for number, text in enumerate(errors, 1))
    return SourceError(
        source="B3's index portfolios",
        expected="every answer there and whole",
        found=f"{len(errors)} that {'is' if len(errors) == 1 else 'are'} not: {found}",
        hint="Good answers have landed. Run indexes.scrape again before the next session: B3 serves no past portfolio.",
    )


def _other_session(trade_date: dt.date, at_other_session: list[_AtOtherSession]) -> OtherSession:
    return OtherSession(
        source="B3's index portfolios",
        expected=f"those of {trade_date}",
        found="; ".join(
            f"{of.index} of {of.session}, and no {' and no '.join(of.missing)} of {trade_date} in landing"
            for of in at_other_session
        ),
        hint="B3 serves one portfolio at a time. For a future session, run the task again on its day. That of a past "
        "session can't be fetched any more.",
    )
