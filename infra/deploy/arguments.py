"""What a deploy is asked for, and the names that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from infra import checkout
from infra.checkout import ROOT
from infra.deploy import functions


@dataclass(frozen=True)
class Options:
    """One deployment of the lake.

    Attributes:
        stack: name of the lake's stack; the others are named after it.
        bucket: name of the lake's bucket.
        code_bucket: name of the bucket that MWAA reads; empty for one named after the lake's.
        airflow: version for MWAA; None keeps what runs, or takes the template's default.
        mwaa: whether there is an environment of MWAA.
        queries: whether there are saved queries in Athena.
        functions: whether there are the optional stacks of functions, `yes` or `no` by name; others stay as they are.
        parameters: values for the parameters of the templates, by name.
        root: the checkout.
    """

    stack: str
    bucket: str
    code_bucket: str = ""
    airflow: str | None = None
    mwaa: bool = True
    queries: bool = True
    functions: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    root: Path = ROOT

    @property
    def code(self) -> str:
        """Name of the bucket that MWAA reads."""
        return self.code_bucket or f"{self.bucket}-code"

    @property
    def queries_stack(self) -> str:
        """Name of the stack of saved queries."""
        return f"{self.stack}-queries"

    @property
    def code_stack(self) -> str:
        """Name of the stack of the code's bucket."""
        return f"{self.stack}-code"

    @property
    def mwaa_stack(self) -> str:
        """Name of MWAA's stack."""
        return f"{self.stack}-mwaa"

    def functions_stack(self, name: str) -> str:
        """Return the name of an optional stack of functions: arrivals or stream."""
        return f"{self.stack}-{name}"

    @property
    def stacks(self) -> tuple[str, ...]:
        """Names of all stacks, each before those that it needs."""
        optional = (self.functions_stack(name) for name in functions.NAMES)
        return *optional, self.mwaa_stack, self.queries_stack, self.code_stack, self.stack

    @property
    def sql(self) -> Path:
        """Folder of the SQL files."""
        return checkout.sql(self.root)

    def template(self, name: str) -> Path:
        """Path of a template: lake, mwaa, code, arrivals or stream."""
        return checkout.template(name, self.root)
