"""Serve a folder of files, named as B3 names them, unchanged."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl

from local.exchange import proxy_calls
from local.exchange.answers import HTML, JSON, UTF8_HTML, XLSX, ZIP, Answer, not_found
from local.exchange.proxy_calls import BadCall

_FILE_NAME = re.compile(r"[\w-]+(\.[\w-]+)+", re.ASCII)
_HISTORICAL_QUOTES = re.compile(r"COTAHIST_(D\d{8}|M\d{6}|A\d{4})\.ZIP")


class Replay:
    """An exchange that answers with the files of `folder`."""

    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve(strict=True)

    def historical_quotes(self, file_name: str) -> Answer:
        """Return the file of that name, byte for byte, whatever its content; 404 if there is none."""
        if not _HISTORICAL_QUOTES.fullmatch(file_name):
            return not_found()
        return self._file(file_name, ZIP)

    def index_call(self, method: str, parameters: str) -> Answer:
        """Return the file `<method>.<index>.json`; from the second page on, `<method>.<index>.page<N>.json`.

        Without an index in the call, there is none in the name. Language, segment and page size are ignored.
        """
        try:
            asked = proxy_calls.decode(parameters)
        except BadCall:
            return not_found()
        page = asked.get("pageNumber", 1)
        parts = (method, asked.get("index"), None if page == 1 else f"page{page}")
        return self._file(".".join(str(part) for part in (*parts, "json") if part), JSON)

    def sector_classification(self, parameters: str) -> Answer:
        """Return the file `GetDownloadIndustryClassification.xlsx`."""
        return self._file("GetDownloadIndustryClassification.xlsx", XLSX)

    def trading_holidays(self) -> Answer:
        """Return the file `feriados.html`."""
        return self._file("feriados.html", UTF8_HTML)

    def klines(self, query: str) -> Answer:
        """Return the file `klines.<symbol>.<hour>.json`, as `klines.BTCBRL.2026-10-31T13.json`."""
        asked = dict(parse_qsl(query))
        try:
            begin = dt.datetime.fromtimestamp(int(asked["startTime"]) // 1000, dt.UTC)
        except (KeyError, ValueError, OverflowError):
            return not_found()
        return self._file(f"klines.{asked.get('symbol')}.{begin:%Y-%m-%dT%H}.json", JSON)

    def product_candles(self, product: str, query: str) -> Answer:
        """Return the file `candles.<product>.<hour>.json`, as `candles.BTC-USD.2026-10-31T13.json`."""
        begin = dict(parse_qsl(query)).get("start", "")
        return self._file(f"candles.{product}.{begin[:13]}.json", JSON)

    def _file(self, file_name: str, content_type: str) -> Answer:
        if not _FILE_NAME.fullmatch(file_name):
            return not_found()
        path = (self._folder / file_name).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            return not_found()
        file = path.open("rb")
        stat = os.fstat(file.fileno())
        is_page = file.read(64).lstrip().startswith(b"<")
        return Answer(
            HTTPStatus.OK,
            HTML if is_page and content_type != UTF8_HTML else content_type,
            file,
            etag=f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"',
            last_modified=dt.datetime.fromtimestamp(int(stat.st_mtime), dt.UTC),
        )

    def close(self) -> None:
        """Do nothing: this exchange holds no resources."""
