"""Where the state of the local lakes lies: one home for real data and one for simulated, which never meet."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from infra.checkout import ROOT

REAL = "real"
SIMULATED = "simulated"
# Below a home: who uses its AWS holds a shared lock on the one, its AWS itself an exclusive lock on the other.
USERS, OWNER = "aws.users", "aws.owner"


@dataclass(frozen=True)
class Home:
    """The folder of one lake: its AWS, its Airflow and that one's database."""

    data: str
    folder: Path

    @property
    def bucket(self) -> str:
        """Name of the lake's bucket."""
        return f"b3-lake-{self.data}"

    @property
    def aws(self) -> Path:
        """State of the AWS emulator."""
        return self.folder / "aws"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.folder / "airflow"

    @property
    def ui_database(self) -> Path:
        """Data directory of the PostgreSQL that the UI's scheduler works on."""
        return self.folder / "postgres-ui"

    @property
    def run_database(self) -> Path:
        """Data directory of the PostgreSQL of single runs, which a scheduler must not see, or it would join in."""
        return self.folder / "postgres-run"

    @property
    def ui_url(self) -> Path:
        """Note of the UI's address; it is there while the UI runs."""
        return self.folder / "ui.url"

    @property
    def logs(self) -> Path:
        """Logs of the servers and of the last run."""
        return self.folder / "logs"


def base() -> Path:
    """B3_LOCAL_HOME, by default `.local/` in the checkout."""
    return Path(os.environ.get("B3_LOCAL_HOME") or ROOT / ".local").resolve()


def find(data: str) -> Home:
    """The home of REAL or SIMULATED data; its folder is made where it is missing."""
    return _made(Home(data, base() / data))


def of_stack(data: str, name: str) -> Home:
    """The home of the Airflow that works on a stack of an AWS account; its folder is made where it is missing."""
    return _made(Home(data, of_stacks() / name))


def of_stacks() -> Path:
    """The folder of the homes of stacks on AWS."""
    return base() / "on-aws"


def _made(home: Home) -> Home:
    for folder in (home.folder, home.logs, home.airflow):
        folder.mkdir(parents=True, exist_ok=True)
    # Logs lie below it. PostgreSQL does not run as root: for root it is another user, who has to get through.
    home.folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    for folder in (home.logs, home.airflow):
        folder.chmod(0o700)
    return home


def remember(home: Home) -> None:
    """Note which lake was used last: it is the one that queries ask."""
    (base() / "last").write_text(home.data)


def last_used() -> Home | None:
    """The lake that was used last, or None where there is none yet."""
    note = base() / "last"
    return find(note.read_text()) if note.exists() else None
