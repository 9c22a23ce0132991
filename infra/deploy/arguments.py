"""What a deploy is asked for, and the names that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from infra import checkout
from infra.checkout import ROOT


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
        parameters: values for the parameters of the templates, by name.
        root: the checkout.
    """

    stack: str
    bucket: str
    code_bucket: str = ""
    airflow: str | None = None
    mwaa: bool = True
    queries: bool = True
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

    @property
    def stacks(self) -> tuple[str, ...]:
        """Names of all stacks, each before those that it needs."""
        return self.mwaa_stack, self.queries_stack, self.code_stack, self.stack

    @property
    def sql(self) -> Path:
        """Folder of the SQL files."""
        return checkout.sql(self.root)

    def template(self, name: str) -> Path:
        """Path of a template: lake, mwaa or code."""
        return checkout.template(name, self.root)
