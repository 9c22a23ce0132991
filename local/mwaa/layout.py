"""What a deploy brings to MWAA, laid out as MWAA does, in a folder of its own."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from infra.checkout import ROOT
from infra.deploy import bundle
from infra.deploy.bundle import Bundle
from local.mwaa import rules
from local.mwaa.versions import Version


@dataclass(frozen=True)
class Layout:
    """MWAA's home: dags/ with include/ and constraints inside, plugins/ as plugins.zip unpacks, requirements.txt."""

    home: Path
    constraints: Path

    @property
    def dags(self) -> Path:
        """The DAG folder."""
        return self.home / "dags"

    @property
    def plugins(self) -> Path:
        """The plugins folder."""
        return self.home / "plugins"

    @property
    def requirements(self) -> Path:
        """requirements.txt, its constraints' path as it is here."""
        return self.home / "requirements.txt"


def deployed(version: Version) -> Bundle:
    """What `make deploy` brings to an environment of that version."""
    return bundle.make(ROOT, version.airflow)


def lay_out(brought: Bundle, home: Path) -> Layout:
    """Write what is brought below `home`, which must not have it yet."""
    layout = Layout(home, home / "dags" / brought.constraints)
    for name, body in brought.dags.items():
        path = layout.dags / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    with zipfile.ZipFile(io.BytesIO(brought.plugins)) as archive:
        archive.extractall(layout.plugins)
    layout.requirements.write_text(rules.relocated(brought.requirements.decode(), str(home)))
    return layout
