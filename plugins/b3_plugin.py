"""The Airflow plugin of the B3 package: it registers the timetable, which Airflow needs before it reads a DAG.

Airflow imports plugin files by their bare name, and only those at the top of the plugins folder (.airflowignore).
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from b3.calendar.timetable import SessionTimetable


class B3Plugin(AirflowPlugin):
    """Let the scheduler load the timetable of a stored DAG."""

    name = "b3"
    timetables = [SessionTimetable]  # noqa: RUF012
