"""The lake's stack as Airflow is told of it, wherever it is: on the local AWS or on an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from local.lake.home import Home

# Settings of Airflow, and the outputs of infra/lake.yaml that they are.
_SETTINGS = {
    "B3_LAKE_BUCKET": "LakeBucket",
    "B3_GLUE_DATABASE": "GlueDatabase",
    "B3_RAW_CRAWLER": "RawCrawler",
    "B3_REFINED_CRAWLER": "RefinedCrawler",
    "B3_GLUE_JOB": "GlueJob",
    "B3_ATHENA_WORKGROUP": "AthenaWorkgroup",
}
# A stack of an older checkout may lack them; the settings have no value then.
_LATER_SETTINGS = {"B3_ALERT_TOPIC_ARN": "AlertTopicArn", "B3_ARRIVALS_QUEUE_URL": "ArrivalsQueueUrl"}


class Stack(Protocol):
    """A lake's stack, and how the processes of this machine reach it."""

    @property
    def home(self) -> Home:
        """Folder of the Airflow that works on it."""

    @property
    def endpoint(self) -> str | None:
        """URL of the local AWS; None for an account."""

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name."""

    @property
    def region(self) -> str:
        """AWS's region."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which another process's AWS clients reach it."""

    @property
    def register(self) -> str:
        """Setting B3_REGISTER, empty for its default."""


def settings(outputs: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of Airflow that a stack's outputs are.

    Raises:
        KeyError: an output is missing.
    """
    return {
        **{name: outputs[output] for name, output in _SETTINGS.items()},
        **{name: outputs.get(output, "") for name, output in _LATER_SETTINGS.items()},
    }
