"""Which B3 a run asks: the real one, a folder of its files, or the simulated exchange."""

from __future__ import annotations

import datetime as dt
import http.client
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from b3 import settings
from b3.calendar import publication
from b3.site.addresses import INDEX_METHODS, QUOTES_HOST
from local.exchange import launch
from local.lake import home, ports

_DAILY_FILE = re.compile(r"COTAHIST_D(\d{2})(\d{2})(\d{4})\.ZIP")
_QUOTES_FILE = re.compile(r"COTAHIST_(?:D\d{8}|M\d{6}|A\d{4})\.ZIP")
# A portfolio names its session with two digits of the year, which are read as of this century.
_INDEXES_SINCE = dt.date(2000, 1, 1)
_PORTFOLIO = re.compile(rf"{INDEX_METHODS['portfolio_day']}\.([A-Z0-9]+)\.json")


@dataclass(frozen=True)
class Source:
    """Where B3's files come from.

    Attributes:
        kind: live, replay or simulated.
        folder: of a replay.
        b3_out_of_reach: why B3 itself was not chosen, where it would have been.
        today: the day that a simulated exchange takes for today, if not today's; it serves one day's portfolios.
    """

    kind: str
    folder: Path | None = None
    b3_out_of_reach: str | None = field(default=None, compare=False)
    today: dt.date | None = None

    @property
    def label(self) -> str:
        """What objects made from its files say as their source."""
        return "b3" if self.kind == "live" else self.kind

    @property
    def data(self) -> str:
        """Which lake the data belongs in: REAL or SIMULATED."""
        return home.SIMULATED if self.kind == "simulated" else home.REAL

    @property
    def indexes(self) -> str:
        """Setting B3_INDEXES: the caller's own, else IBOV, or what a folder or a simulated day has portfolios of."""
        if os.environ.get("B3_INDEXES"):
            return os.environ["B3_INDEXES"]
        if self.today and self.today < _INDEXES_SINCE:
            return settings.NO_INDEX
        if self.folder is None:
            return "IBOV"
        found = [_PORTFOLIO.fullmatch(path.name) for path in self.folder.iterdir()]
        return ",".join(sorted(name[1] for name in found if name)) or settings.NO_INDEX

    def __str__(self) -> str:
        """In words."""
        if self.folder:
            return f"replay of the files in {self.folder}"
        return {"live": f"B3 itself, {QUOTES_HOST}", "simulated": "SIMULATED exchange, no real prices"}[self.kind]


def choose(exchange: str) -> Source:
    """The source that `EXCHANGE=` names: auto (also if empty), live, simulated, or a folder.

    Raises:
        ValueError: it is none of them.
    """
    if exchange in ("", "auto"):
        reason = why_out_of_reach()
        return Source("simulated", b3_out_of_reach=reason) if reason else Source("live")
    if exchange in ("live", "simulated"):
        return Source(exchange)
    folder = Path(exchange).expanduser().resolve()
    if not folder.is_dir():
        raise ValueError(f"expected EXCHANGE=auto, live, simulated or a folder of B3's files, found {exchange!r}")
    return Source("replay", folder)


def choose_for_account(exchange: str) -> Source:
    """Return the source that `EXCHANGE=` names, for a lake on AWS, where nothing stands in for B3 unasked.

    Raises:
        ValueError: as of `choose`, or B3 does not answer.
    """
    chosen = choose(exchange)
    if chosen.b3_out_of_reach:
        raise ValueError(
            f"expected B3 to answer, found {chosen.b3_out_of_reach}: try later, or replay its files with "
            "EXCHANGE=FOLDER"
        )
    return chosen


def check_files(chosen: Source) -> None:
    """Raise ValueError if a folder has no file of quotes at all, so that no run starts on it in vain."""
    if chosen.folder and not any(_QUOTES_FILE.fullmatch(path.name) for path in chosen.folder.iterdir()):
        raise ValueError(
            "expected EXCHANGE= as a folder with files of quotes, as COTAHIST_D14032024.ZIP or COTAHIST_A2024.ZIP; "
            f"found none in {chosen.folder}"
        )


class NoLake(RuntimeError):
    """No lake was made yet."""


def asked_lake(exchange: str) -> home.Home:
    """Return the lake that `EXCHANGE=` names; if it is empty, the lake that was used last.

    Raises:
        NoLake: none was used yet.
        ValueError: `exchange` is none of those that `choose` takes.
    """
    found = home.find(choose(exchange).data) if exchange else home.last_used()
    if found is None:
        raise NoLake("there is no lake yet: `make run` makes one")
    return found


def announce(chosen: Source, what: str) -> None:
    """Say what is about to run and on whose data, loudly where that is not B3's though it was asked for."""
    if chosen.b3_out_of_reach:
        print(f"!! B3 does not answer from here ({chosen.b3_out_of_reach}).")
        print("!! Running on the SIMULATED exchange: invented companies and prices.")
    print(f"{what}, source: {chosen}", flush=True)


def why_out_of_reach() -> str | None:
    """Why B3's server does not answer from here; None if it does."""
    try:
        context = ssl.create_default_context(cafile=os.environ.get("B3_CA_BUNDLE") or None)
        with urllib.request.urlopen(QUOTES_HOST, timeout=5, context=context):
            return None
    except urllib.error.HTTPError:
        return None
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__


def last_session(source: Source, now: dt.datetime) -> dt.date:
    """The newest session that `source` should have, at the instant `now`.

    Raises:
        ValueError: a folder without a daily file.
    """
    if source.folder:
        names = [_DAILY_FILE.fullmatch(path.name) for path in source.folder.iterdir()]
        dates = [dt.date(int(name[3]), int(name[2]), int(name[1])) for name in names if name]
        if not dates:
            raise ValueError(f"expected files named COTAHIST_D<ddmmyyyy>.ZIP in {source.folder}, found none")
        return max(dates)
    return publication.last_published(now)


@contextmanager
def serve(source: Source) -> Iterator[str]:
    """The URL to ask for the time of the context; empty for B3 itself."""
    if source.kind == "live":
        yield ""
        return
    port = ports.chosen("B3_EXCHANGE_PORT")
    with launch.start(folder=source.folder, port=port, today=source.today) as server:
        yield server.endpoint
