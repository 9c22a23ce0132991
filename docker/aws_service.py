"""The local AWS as a service: serves, makes the lake from infra/lake.yaml, and is healthy once the lake is there.

Runs from the root of the repository's files, in the environment of the emulator. `--check` is the health check.
"""

from __future__ import annotations

import os
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

HOME = Path("/var/lib/b3")
PORT = 4566
# Of the service in docker-compose.yaml.
NAME = "aws"
PROVISIONED = Path("/tmp/provisioned")
# A volume that Airflow's containers read; their group is this process's.
HANDED_ON = Path("/var/lib/b3-key/credentials")


def main(arguments: list[str]) -> int:
    """Serve until a signal (status 0), or until the server ends (its status)."""
    if arguments == ["--check"]:
        return check()
    # Here, since the check has to be quick, and runs without the emulator's environment.
    from local.aws import credentials, launch
    from local.lake import provision

    # As the first process of a container it would otherwise ignore signals.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    PROVISIONED.unlink(missing_ok=True)
    # All addresses of the container: others must reach it, and the host publishes the port on 127.0.0.1 only.
    with launch.start(HOME, PORT, host="0.0.0.0", allow_hosts=[NAME]) as server:
        os.environ.update(server.environment())
        hand_on(credentials.file_of(HOME), HANDED_ON)
        outputs = provision.provision(server.endpoint, os.environ["B3_LAKE_BUCKET"])
        PROVISIONED.touch()
        print("aws: the stack of the lake is complete", flush=True)
        for name, value in sorted(outputs.items()):
            print(f"aws:   {name} = {value}", flush=True)
        return server.process.wait()


def hand_on(key: Path, to: Path) -> None:
    """Write the credentials file `key` to `to`, for this user and group alone."""
    part = to.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(key.read_text())
    part.chmod(0o640)
    part.replace(to)


def check() -> int:
    """Status 0 if the server answers and the lake has been provisioned, else 1."""
    if not PROVISIONED.exists():
        print("the lake is not provisioned yet")
        return 1
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5).close()
    except urllib.error.HTTPError:
        return 0
    except OSError as error:
        print(f"no answer on port {PORT}: {error}")
        return 1
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
