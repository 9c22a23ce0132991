"""Publish the simulated market as B3 does: daily, monthly and annual files, and B3's answers for missing files."""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import re
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from io import BufferedReader
from pathlib import Path
from typing import ClassVar

from b3.calendar import sessions
from local.exchange import proxy_calls
from local.exchange.answers import UTF8_HTML, XLSX, ZIP, Answer, not_found, page
from local.exchange.files import candle_service, cotahist_file, holiday_page, index_service, sector_workbook
from local.exchange.market import chance, trading_days
from local.exchange.proxy_calls import BadCall

_NAME = re.compile(r"COTAHIST_(?:D(?P<day>\d{8})|M(?P<month>\d{6})|A(?P<year>\d{4}))\.ZIP")
_BYTES_KEPT = 256_000_000


def _period(file_name: str) -> tuple[dt.date, dt.date] | None:
    """Return the first and the last date that a file of that name covers."""
    match = _NAME.fullmatch(file_name)
    if not match:
        return None
    try:
        if match["day"]:
            day = dt.datetime.strptime(match["day"], "%d%m%Y").date()  # noqa: DTZ007
            return day, day
        if match["month"]:
            month, year = int(match["month"][:2]), int(match["month"][2:])
            return dt.date(year, month, 1), dt.date(year, month, calendar.monthrange(year, month)[1])
        return dt.date(int(match["year"]), 1, 1), dt.date(int(match["year"]), 12, 31)
    except ValueError:
        return None


def unpublished(date: dt.date) -> Answer:
    """Return one of B3's three answers for a daily file that does not exist; the date decides which."""
    which = int(chance.below(3, 95, date.toordinal())[0])
    if which == 0:
        return not_found()
    if which == 1:
        return Answer(HTTPStatus.OK, ZIP, b"")
    return page(HTTPStatus.OK, "B3", "Arquivo não disponível. Tente novamente mais tarde.")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Simulation:
    """The exchange of the simulated market on the day that `today` returns; its candles go up to `now`."""

    headers: ClassVar[Mapping[str, str]] = {"X-B3-Source": "simulated"}

    def __init__(self, today: Callable[[], dt.date], now: Callable[[], dt.datetime] = _now) -> None:
        self._today = today
        candles = candle_service.CandleService(now)
        self.klines, self.product_candles = candles.klines, candles.product_candles
        self._folder = tempfile.TemporaryDirectory(prefix="b3-exchange-")
        # In order of the last request; the file with the oldest is first.
        self._files: dict[tuple[str, dt.date], Path] = {}
        self._files_lock = threading.Lock()
        self._building: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def close(self) -> None:
        """Delete the files built so far."""
        self._folder.cleanup()

    def historical_quotes(self, file_name: str) -> Answer:
        """Return the file of that name with the sessions up to today."""
        period = _period(file_name)
        if not period:
            return not_found()
        first, last = period
        days = self._published(first, last)
        if not days:
            return unpublished(first) if first == last else not_found()
        file = self._file(file_name, days)
        return Answer(
            HTTPStatus.OK,
            ZIP,
            file,
            etag=f'"{Path(file.name).stem}"',
            last_modified=dt.datetime.combine(days[-1], dt.time(22, 54), dt.UTC),
        )

    def index_call(self, method: str, parameters: str) -> Answer:
        """Return the answer of the index service today."""
        try:
            return index_service.answer(method, proxy_calls.decode(parameters), self._today())
        except BadCall as error:
            return proxy_calls.refused(error)

    def sector_classification(self, parameters: str) -> Answer:
        """Return the workbook of this month, in Portuguese for any language asked for."""
        try:
            proxy_calls.decode(parameters)
        except BadCall as error:
            return proxy_calls.refused(error)
        return Answer(HTTPStatus.OK, XLSX, sector_workbook.workbook(self._today()))

    def trading_holidays(self) -> Answer:
        """Return the page of this year and the next."""
        return Answer(HTTPStatus.OK, UTF8_HTML, holiday_page.html(self._today()))

    def _published(self, first: dt.date, last: dt.date) -> list[dt.date]:
        last = min(last, self._today())
        if first.year < sessions.FIRST_YEAR or last < first:
            return []
        return trading_days.sessions(first, last)

    def _file(self, file_name: str, days: list[dt.date]) -> BufferedReader:
        key = file_name, days[-1]
        with self._files_lock:
            building = self._building[file_name]
        # One request builds the file. Others for the same file wait; those for other files do not.
        with building:
            with self._files_lock:
                if key in self._files:
                    self._files[key] = self._files.pop(key)
                    return self._files[key].open("rb")
            built = self._build(file_name, days)
            with self._files_lock:
                self._files[key] = built
                self._discard_oldest()
                return built.open("rb")

    def _build(self, file_name: str, days: list[dt.date]) -> Path:
        with tempfile.NamedTemporaryFile(dir=self._folder.name, delete=False) as out:
            cotahist_file.write_archive(out, file_name, days)
        built = Path(out.name)
        with built.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        return built.rename(built.with_name(f"{content}.ZIP"))

    def _discard_oldest(self) -> None:
        while len(self._files) > 1 and sum(path.stat().st_size for path in self._files.values()) > _BYTES_KEPT:
            self._files.pop(next(iter(self._files))).unlink()
