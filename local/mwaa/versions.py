"""The versions of Airflow on MWAA that the repository supports, and what their images carry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.checkout import ROOT

PYTHON = "3.12"
# What our DAGs and requirements.txt meet in the image; pytest is for the tests, pip is what MWAA installs with.
IMAGE = (
    "apache-airflow",
    "apache-airflow-providers-amazon[aiobotocore]",
    "beautifulsoup4",
    "boto3",
    "lxml",
    "pip",
    "pytest",
    "requests",
    "tenacity",
)
# Not in the image, though its constraints pin them.
ABSENT = ("pandas", "pyarrow", "exchange_calendars")


@dataclass(frozen=True)
class Version:
    """A version of Airflow on MWAA.

    Attributes:
        airflow: of apache-airflow.
        date: the day as of which the rest is resolved, shortly after the release.
        pins: versions that the image's own constraints give, by package.
    """

    airflow: str
    date: str
    pins: dict[str, str]

    @property
    def constraints(self) -> Path:
        """The constraints that a deploy for this version puts beside the DAGs."""
        own = ROOT / f"constraints-{self.airflow}.txt"
        return own if self is not NEWEST else ROOT / "constraints.txt"

    @property
    def folder(self) -> Path:
        """Its environment."""
        return ROOT / f".venv-mwaa-{self.airflow}"


def _version(airflow: str, date: str, *, amazon: str, boto3: str, pandas: str) -> Version:
    pins = {"apache-airflow": airflow, "apache-airflow-providers-amazon": amazon, "boto3": boto3, "pandas": pandas}
    return Version(airflow, date, pins)


VERSIONS = (
    _version("3.0.6", "2025-09-15", amazon="9.12.0", boto3="1.39.11", pandas="2.1.4"),
    _version("3.2.1", "2026-05-05", amazon="9.25.0", boto3="1.42.84", pandas="2.3.3"),
    _version("3.3.1", "2026-08-25", amazon="9.34.0", boto3="1.43.56", pandas="3.0.5"),
)
NEWEST = VERSIONS[-1]
