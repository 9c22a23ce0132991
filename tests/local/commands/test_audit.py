"""`make audit` asks of every set that is locked, and passes only if each was audited."""

import subprocess
from types import SimpleNamespace

import pytest

from local.commands import audit


@pytest.fixture
def asked(monkeypatch):
    """The sets that pip-audit was run for; a test says with which status."""
    found: dict[str, list[str]] = {}
    statuses: dict[str, int] = {}

    def run(command, **_):
        path = command[command.index("--requirement") + 1]
        found[path] = command
        return SimpleNamespace(returncode=next((s for name, s in statuses.items() if path.endswith(name)), 0))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(audit, "find_uv", lambda: "uv")
    return found, statuses


def test_every_locked_set_is_audited_strictly(asked):
    found, _ = asked

    assert audit.main() == 0
    assert [path.rpartition("/")[2] for path in found] == [
        "constraints-3.0.6.txt", "constraints-3.2.1.txt", "constraints.txt", "requirements.txt",
        "spark-requirements.txt", "requirements.txt",
    ]  # fmt: skip
    for command in found.values():
        # Without these a package that the database does not have passes.
        assert {"--strict", "osv"} <= set(command)


def test_a_set_that_is_not_clean_or_was_not_audited_is_named_and_the_others_are_asked_all_the_same(asked, capsys):
    found, statuses = asked
    statuses["constraints-3.2.1.txt"] = 1

    assert audit.main() == 1
    assert len(found) == 6
    assert "audit: constraints-3.2.1.txt has known vulnerabilities, or could not be audited" in capsys.readouterr().out
