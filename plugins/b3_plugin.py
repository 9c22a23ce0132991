"""The Airflow plugin of the B3 package: the timetable, which Airflow needs before it reads a DAG, and the page B3.

Airflow imports plugin files by their bare name, and only those at the top of the plugins folder (.airflowignore).
Every component loads this file, a task's process as well. Only the API server asks for the page, so only it imports it.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any

from airflow import __version__ as airflow_version
from airflow.plugins_manager import AirflowPlugin
from packaging.version import Version

from b3.calendar.timetable import SessionTimetable

log = logging.getLogger(__name__)

# Airflow 3.0 has no external views. Before 3.1.1 it does not find a login in a browser's cookie, and a frame sends no
# other.
_PAGE_SINCE = Version("3.1.1")


class B3Plugin(AirflowPlugin):
    """Let the scheduler load the timetable of a stored DAG, and the UI show the page B3."""

    name = "b3"
    timetables = [SessionTimetable]  # noqa: RUF012

    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """The application behind the page."""
        return self._page[0]

    @cached_property
    def external_views(self) -> list[Any]:  # type: ignore[override]
        """The link to the page in the navigation."""
        return self._page[1]

    @cached_property
    def _page(self) -> tuple[list[Any], list[Any]]:
        """The application and the link; neither, with a line in the log, where the page cannot be made.

        An exception here would end the API server, and with it the tasks of all DAGs.
        """
        if Version(airflow_version) < _PAGE_SINCE:
            log.warning("the page B3 needs Airflow 3.1.1 or later, and this is %s: it is left out", airflow_version)
            return [], []
        try:
            from b3.airflow import lake_page

            return lake_page.fastapi_apps(), lake_page.external_views()
        except Exception:
            log.exception("the page B3 is left out: are all packages of requirements.txt installed?")
            return [], []
