"""What Trino demands of the types in an expression, in the words of its errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from local.aws.athena.errors import QueryError
from local.aws.athena.types import Kind

# The type of an expression that has been rewritten.
KindOf = Callable[[exp.Expression], Kind]


def mismatch(words: str) -> QueryError:
    """Trino's TYPE_MISMATCH."""
    return QueryError("TYPE_MISMATCH", f"line 1:1: {words}")


def parameters(name: str, kinds: Sequence[Kind]) -> QueryError:
    """Return the error of a function that does not take such arguments."""
    given = ", ".join(kind.trino for kind in kinds)
    return mismatch(f"Unexpected parameters ({given}) for function {name}")


def comparable(parts: Sequence[exp.Expression], kind: KindOf, symbol: str) -> None:
    """Raise QueryError unless the parts can be compared with the first."""
    kinds = [kind(part) for part in parts]
    for other in kinds[1:]:
        if "unknown" not in (kinds[0].family, other.family) and kinds[0].family != other.family:
            if symbol in ("IN", "BETWEEN"):
                raise mismatch(f"Cannot check if {kinds[0].trino} is {symbol} {other.trino}")
            raise mismatch(f"Cannot apply operator: {kinds[0].trino} {symbol} {other.trino}")


def one_family(parts: Sequence[exp.Expression], kind: KindOf, words: str) -> None:
    """Raise QueryError with `words` unless the parts unify to one type."""
    known = [found for found in map(kind, parts) if found.family != "unknown"]
    for other in known[1:]:
        if other.family != known[0].family:
            raise mismatch(f"{words}. Cannot unify {known[0].trino} and {other.trino}")


def all_boolean(parts: Sequence[exp.Expression], kind: KindOf, words: str) -> None:
    """Raise QueryError unless each part is boolean."""
    for part in parts:
        found = kind(part)
        if found.family not in ("boolean", "unknown"):
            raise mismatch(f"{words} must evaluate to a boolean (actual: {found.trino})")


def strings(name: str, parts: Sequence[exp.Expression], kind: KindOf) -> None:
    """Raise QueryError unless each part is a varchar."""
    kinds = [kind(part) for part in parts]
    if any(found.family not in ("varchar", "unknown") for found in kinds):
        raise mismatch(f"{name} expression must evaluate to a varchar (actual: {', '.join(k.trino for k in kinds)})")


def dated(name: str, value: exp.Expression, kind: KindOf) -> Kind:
    """Return the type of a date or timestamp; raise QueryError for another type."""
    found = kind(value)
    if found.family not in ("date", "unknown"):
        raise parameters(name, [found])
    return found
