"""Refine trade dates: the raw quotes, and the portfolios of the indexes, to what analysts ask.

An AWS Glue 5.1 job (Spark 3.5, Python 3.11) that runs wherever Spark reads `s3://`. It needs no Glue library; boto3
and pyarrow are what Glue brings. `include/glue/refine_job.py` is the script; this package is a ZIP beside it.

    job            from the arguments to the end             arguments   what a run is told
    sessions       quotes and findings of the run's sessions: checked, then committed
    index_stocks   constituents of the indexes               portfolio   their rules
    quotes         columns of quotes                         prices      per unit, change, rounding
    asset_classes  what a quote is a quote of                rules       what a quote should satisfy
    findings       what is odd in a session                  session_files, parquet   the bytes of a session
    raw            what is read                              commit, s3  how an object is replaced

A session gets the same bytes and metadata whatever it is refined with. All sessions pass the checks before the first is
replaced; a run killed half-way leaves whole ones.

Quotes. Every row is published as B3 wrote it, odd ones included. Every raw column is kept but `unreadable`, which is
told in the findings. These are added, which each analyst would otherwise compute anew:

    unit_open … unit_best_ask  price of one unit: price / quote_factor, exact
    asset_class                what the row is a quote of; see asset_classes
    days_to_expiry             calendar days from trade date to expiry, null without one
    previous_session           the session before the trade date
    change_pct                 (close - open) / open × 100, rounded half up. It is the
                               change within this session: the file does not carry the close of the one before.
    finding_count              how many rules the row breaks

What cannot be computed from an odd row is null: a unit price by a factor that is no power of ten, a change from 0.00.

Spark computes what a row tells by itself; what the other rows of its session tell (the class of a round lot, a key
that repeats) pyarrow computes in the same task.

Findings. A row for each rule that a quote breaks, with its line in B3's daily file (the header is line 1),
what was expected and what was found; and one row with rule `correction` where the raw object says which records it
replaced. A session without findings has an object without rows.

Constituents. `refine_index_stocks` makes a row of each constituent of each index, from the portfolio of the day
(endpoint portfolio_day) and its raw quotes: those of its round lot, and sums over round lot, odd lot and auction. They
come after the quotes, which stay committed whatever becomes of them. Where there is no portfolio, only the quotes are
refined.

Commit. A reader must see the old partition or the new one, never half of one. So Spark computes the rows of a session
in one task, pyarrow makes its two files there, and the driver puts each at its fixed key with one PutObject, which S3
makes visible at once or not at all. The findings of a session are put right before its quotes; between the two, a
reader may count others. The files wait on the workers' disks until all sessions are checked.
A trade date's quotes are one object. Its constituents are one for each ticker, whose partitions readers see once the
catalog has them; a correction replaces these one after the other and deletes those that are no longer wanted last.
All rows of a date that were made from the same raw objects have the same `generation`, so a reader knows a date that
is whole: one generation, and as many rows of an index as its `constituent_count`.
Killed anywhere, a run is finished by the next.
What is replaced must be what lay there when the run began, else it fails (`Overtaken`): a run that
was held up cannot put old data over new. A boto3 before 1.35.69 cannot ask S3 for that; the job says so and does
without.

Rerun. Rows are written in a total order, so the same raw bytes give the same refined bytes. Where a target
holds them already, of the same `source`, it is left alone, and a versioned bucket gains no version: it keeps naming
the file and the raw object that it was first made from.

Each object carries the metadata of its raw object (`source`, `source-sha256`, …), `rows` and `content-sha256` (of its
own bytes); quotes and findings also `raw-etag` (of the raw object they were made from), constituents `generation`.

The last line of a failure on stderr is `refine.errors.<Error>: expected …, found …`, and says where and what to do.
"""
