"""Read COTAHIST files as Arrow tables and batches, and check everything in them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from b3.errors import NoRecords, SourceError, WrongDate
from b3.quotes.cotahist.decode import FieldError, decode, parse_date
from b3.quotes.cotahist.framing import Framing, TrailerForm
from b3.quotes.cotahist.layout import FILE_NAME, GENERATED, NO_DATES, ORIGIN, READ_SCHEMA, SCHEMA
from b3.quotes.cotahist.source import Source, Text, open_text

BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Summary:
    """The summary of a whole, checked COTAHIST file.

    Attributes:
        member: the name of the ZIP's member, None if the source was plain text.
        file_name: the name in the header, such as "COTAHIST.2020".
        origin: the origin in the header, "BOVESPA".
        generated: the date on which B3 generated the file, None if blank in the header.
        records: number of quote records (type 01).
        trailer_records: the trailer's count.
        trailer_form: what the trailer counts: "quotes", the quote records alone, as in B3's files today; or "lines",
            with header and trailer, as up to about the end of 2024.
        records_by_date: number of quote records of each trade date, in order of date.
        financial_volume: exact sum over all records, in the currencies of the records.
    """

    member: str | None
    file_name: str
    origin: str
    generated: dt.date | None
    records: int
    trailer_records: int
    trailer_form: TrailerForm
    records_by_date: dict[dt.date, int]
    financial_volume: Decimal


class Reader:
    """Read one COTAHIST file as Arrow batches, check it on the way, and keep its summary at the end.

        reader = Reader("COTAHIST_D30042020.ZIP", trade_date=dt.date(2020, 4, 30))
        for batch in reader:
            ...
        reader.summary.records

    Memory depends on `batch_rows`, not on the size of the file.

    Args:
        source: path, bytes or seekable binary file of the ZIP or of its text member.
        batch_rows: quote records per batch; only the last batch may have fewer.
        trade_date: the date that every record must have; None takes any.
        dictionaries: yield text as dictionary<int32, string> instead of string.
        unreadable: yield `READ_SCHEMA`, with a column of unreadable fields, instead of `SCHEMA`.
        name: name of the source in messages; by default the path or the file's name.
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_rows: int = BATCH_ROWS,
        trade_date: dt.date | None = None,
        dictionaries: bool = False,
        unreadable: bool = False,
        name: str | None = None,
    ) -> None:
        if batch_rows < 1:
            raise ValueError(f"batch_rows has to be at least 1; it is {batch_rows}")
        self._source = source
        self._batch_rows = batch_rows
        self._trade_date = trade_date
        self._dictionaries = dictionaries
        self._schema = READ_SCHEMA if unreadable else SCHEMA
        self._name = name
        self._summary: Summary | None = None

    @property
    def summary(self) -> Summary:
        """The summary of the file, once its last batch is read.

        Raises:
            RuntimeError: the last batch is not read yet.
        """
        if self._summary is None:
            raise RuntimeError("the summary of a COTAHIST file is known after its last batch; read on to it")
        return self._summary

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the quote records in batches, in file order.

        Raises:
            NotPublished: the source is empty.
            NotB3Data: the source is neither a ZIP nor COTAHIST text.
            Truncated: the ZIP or the text ends too early, or a checksum is wrong.
            BadLayout: a record breaks the layout, or the ZIP does not hold exactly one file.
            WrongDate: a record has another date than `trade_date`.
            NoRecords: `trade_date` is given, and there is no record.
        """
        self._summary = None
        with open_text(self._source, self._name) as text:
            try:
                yield from self._batches(text)
            except SourceError:
                # Damage in transit can look like a broken layout. Read on: the checksum shows which of the two it is.
                text.check_rest()
                raise

    def _batches(self, text: Text) -> Iterator[pa.RecordBatch]:
        framing = Framing(text)
        generated = _generated(framing)
        records_by_date: Counter[dt.date] = Counter()
        volume = Decimal(0)
        for first, records in framing.blocks(self._batch_rows):
            try:
                batch = decode(records)
            except FieldError as error:
                raise framing.bad_record(
                    first + error.row, f"{error.expected} in {error.field.place}", repr(error.found.decode("latin-1"))
                ) from None
            self._check_date(text, first, batch)
            for date in pc.value_counts(batch.column("trade_date")).to_pylist():
                records_by_date[date["values"]] += date["counts"]
            volume += pc.sum(batch.column("financial_volume")).as_py()
            batch = batch.select(self._schema.names)
            yield batch if self._dictionaries else _plain(batch)
        if self._trade_date is not None and not records_by_date:
            raise _no_records(text.source, self._trade_date)
        self._summary = Summary(
            member=text.member,
            file_name=_text(framing.header[FILE_NAME.bytes]),
            origin=_text(framing.header[ORIGIN.bytes]),
            generated=generated,
            records=records_by_date.total(),
            trailer_records=framing.trailer_records,
            trailer_form=framing.trailer_form,
            records_by_date=dict(sorted(records_by_date.items())),
            financial_volume=volume,
        )

    def _check_date(self, text: Text, first: int, batch: pa.RecordBatch) -> None:
        if self._trade_date is None:
            return
        same = pc.equal(batch.column("trade_date"), pa.scalar(self._trade_date, pa.date32()))
        wrong = pc.index(same, False).as_py()
        if wrong >= 0:
            raise WrongDate(
                source=text.source,
                expected=f"every record of trade date {self._trade_date}",
                found=f"{batch.column('trade_date')[wrong]} in record {first + wrong}"
                f" ({batch.column('ticker')[wrong]})",
                hint="Check that the file's name and the date asked for are of the same session.",
            )


def iter_batches(source: Source, batch_rows: int = BATCH_ROWS, *, name: str | None = None) -> Iterator[pa.RecordBatch]:
    """Return the quote records of a COTAHIST file in batches with `SCHEMA`, in file order and limited memory.

    Prices and volumes are as in the file: in the record's currency, for `quote_factor` units, unadjusted.
    `strike_points` has six decimal places. Codes stay text, and unknown codes pass. `trade_count` is as B3 wrote it, in
    five digits, so it is not reliable from 100,000 trades on.

    These values are null: `forward_days` if PRAZOT is blank (000 is 0); `expiry_date` if DATVEN is 99991231, zeros or
    blank; `bdi_code`, `short_name`, `specification`, `currency`, `strike_correction` and `isin` if blank; and PRAZOT,
    TOTNEG, PTOEXE and DISMES if they cannot be read.

    Args:
        source: path, bytes or seekable binary file of the ZIP or of its text member. A file is read from
            its beginning and left open.
        batch_rows: quote records per batch; only the last batch may have fewer.
        name: name of the source in messages; by default the path or the file's name.

    Raises:
        NotPublished, NotB3Data, Truncated, BadLayout: as `Reader`. If only the end of the file is missing, the
            error comes after the last batch before it.
    """
    return iter(Reader(source, batch_rows=batch_rows, name=name))


def read_table(source: Source, *, name: str | None = None) -> pa.Table:
    """Return the quote records of a whole COTAHIST file as one table with `SCHEMA`, in file order.

    See `iter_batches` about the columns. A table takes about 3 MB per 10,000 records: read years in batches.

    Args:
        source: as `iter_batches`.
        name: as `iter_batches`.

    Raises:
        NotPublished, NotB3Data, Truncated, BadLayout: as `Reader`.
    """
    return pa.Table.from_batches(Reader(source, name=name), SCHEMA)


def verify(source: Source, trade_date: dt.date | None, *, name: str | None = None) -> Summary:
    """Read and check a whole COTAHIST file, and return its summary alone.

    Args:
        source: as `iter_batches`.
        trade_date: the date that every record must have; None takes any, for monthly and annual files.
        name: as `iter_batches`.

    Raises:
        NotPublished, NoRecords, NotB3Data, Truncated, BadLayout, WrongDate: as `Reader`.
    """
    reader = Reader(source, trade_date=trade_date, dictionaries=True, name=name)
    for _ in reader:
        pass
    return reader.summary


def _generated(framing: Framing) -> dt.date | None:
    text = framing.header[GENERATED.bytes]
    if text in NO_DATES:
        return None
    try:
        return parse_date(text)
    except ValueError:
        raise framing.bad_record(1, f"a date YYYYMMDD in {GENERATED.place}", repr(text.decode("latin-1"))) from None


def _text(data: bytes) -> str:
    return data.decode("latin-1").rstrip(" ")


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=READ_SCHEMA if len(columns) > len(SCHEMA) else SCHEMA)


def _no_records(source: str, trade_date: dt.date) -> NoRecords:
    return NoRecords(
        source=source,
        expected=f"the quotes of {trade_date}",
        found="a header and a trailer without one record between them",
        hint="B3 may not have finished the file: run the task again later.",
    )
