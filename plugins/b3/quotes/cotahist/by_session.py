"""Split a monthly or annual COTAHIST file by trade date."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from b3.quotes.cotahist.layout import READ_SCHEMA
from b3.quotes.cotahist.reader import Reader, Summary
from b3.quotes.cotahist.source import Source

_SPILLED = pa.ipc.IpcWriteOptions(compression="lz4")


class Sessions:
    """The sessions of a whole, checked COTAHIST file.

    Attributes:
        summary: summary of the file.
    """

    def __init__(self, summary: Summary, folder: Path, wanted: dt.date | None) -> None:
        self.summary = summary
        self._folder = folder
        self._wanted = wanted

    def dates(self) -> list[dt.date]:
        """Return the trade dates that have a table, in order."""
        return [date for date in self.summary.records_by_date if self._wanted in (None, date)]

    def table(self, date: dt.date) -> pa.Table:
        """Return the quote records of a session, with `READ_SCHEMA`, in file order."""
        with pa.ipc.open_stream(pa.OSFile(str(self._folder / date.isoformat()))) as stream:
            return stream.read_all()


@contextmanager
def by_session(source: Source, *, only: dt.date | None = None, name: str | None = None) -> Iterator[Sessions]:
    """Yield the sessions of a COTAHIST file, for the time of the `with` block.

    B3's annual files are not always sorted by trade date. So the records go to temporary files, one per session. Memory
    holds a batch and the largest session. The whole file is checked first.

    Args:
        source: path, bytes or seekable binary file of the ZIP or of its text member.
        only: the session to keep; None keeps all.
        name: name of the source in messages; by default the path or the file's name.

    Raises:
        NotPublished, NotB3Data, Truncated, BadLayout: as `Reader`.
    """
    with tempfile.TemporaryDirectory(prefix="cotahist-") as folder:
        reader = Reader(source, unreadable=True, name=name)
        with ExitStack() as files:
            writers: dict[dt.date, pa.RecordBatchWriter] = {}
            for batch in reader:
                for date, records in _split(batch):
                    if only not in (None, date):
                        continue
                    if date not in writers:
                        sink = files.enter_context(pa.OSFile(str(Path(folder, date.isoformat())), "wb"))
                        writers[date] = files.enter_context(pa.ipc.new_stream(sink, READ_SCHEMA, options=_SPILLED))
                    writers[date].write_batch(records)
        yield Sessions(reader.summary, Path(folder), only)


def _split(batch: pa.RecordBatch) -> Iterator[tuple[dt.date, pa.RecordBatch]]:
    """Yield each trade date and its records, in the order of the batch."""
    dates = batch.column("trade_date")
    if len(pc.unique(dates)) > 1:
        batch = batch.take(pc.sort_indices(dates))  # stable
    counts = sorted((count["values"], count["counts"]) for count in pc.value_counts(dates).to_pylist())
    start = 0
    for date, count in counts:
        yield date, batch.slice(start, count)
        start += count
