"""Errors of the job: each says what was expected, what was found, where, and what to do."""

from __future__ import annotations


class RefineError(Exception):
    """The partition cannot be refined; what it held before stays."""


class MissingSource(RefineError):
    """The raw object does not exist."""


class ChangedSource(RefineError):
    """A raw object was replaced while it was being read."""


class SchemaMismatch(RefineError):
    """A raw file does not have the columns and types of RAW_COLUMNS or PORTFOLIO_COLUMNS."""


class EmptySource(RefineError):
    """A raw file has no rows."""


class WrongTradeDate(RefineError):
    """A raw file has rows of another session."""


class BadPortfolio(RefineError):
    """The raw portfolio has rows that break a rule of PORTFOLIO_RULES, or a constituent twice."""


class BadPartition(RefineError):
    """A row's partition key makes no folder: it is null, or has a character that a path may not have."""


class MixedSources(RefineError):
    """The portfolio and the quotes do not come from the same exchange, real or simulated."""


class RowsLost(RefineError):
    """The written files do not hold the rows that were read."""


class Overtaken(RefineError):
    """Another run replaced a target while this one worked."""


class SparkFailed(RefineError):
    """Spark failed; its own words, on one line."""
