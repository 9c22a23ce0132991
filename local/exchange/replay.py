"""A folder of files, named as B3 names them, served as they are."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar

from .answers import HTML, ZIP, Answer, not_found

_HISTORICAL_QUOTES = re.compile(r"COTAHIST_(D\d{8}|M\d{6}|A\d{4})\.ZIP")


class Replay:
    """The exchange that the files of `folder` are a recording of."""

    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve(strict=True)

    def historical_quotes(self, file_name: str) -> Answer:
        """The file of that name byte for byte, whatever it holds; 404 where there is none."""
        if not _HISTORICAL_QUOTES.fullmatch(file_name):
            return not_found()
        path = (self._folder / file_name).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            return not_found()
        file = path.open("rb")
        stat = os.fstat(file.fileno())
        is_page = file.read(64).lstrip().startswith(b"<")
        return Answer(
            HTTPStatus.OK,
            HTML if is_page else ZIP,
            file,
            etag=f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"',
            last_modified=dt.datetime.fromtimestamp(int(stat.st_mtime), dt.UTC),
        )

    def close(self) -> None:
        """Nothing is held."""
