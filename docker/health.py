"""Health check of Airflow's components: `health.py <component>`, by what the API server says of them.

Asking costs a tenth of a second; `airflow jobs check` would start all of Airflow each time.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

API = "http://api-server:8080"
# A DAG has the name of its file.
DAGS = {path.stem for path in Path("/usr/local/airflow/dags").glob("*.py")}
# Names are those of the other services: no proxy knows them.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def main(component: str) -> int:
    """Status 0 if the component is healthy, else 1 and a reason."""
    try:
        health = get("/api/v2/monitor/health")
        name = "metadatabase" if component == "api-server" else component.replace("-", "_")
        status = health[name]["status"]
        if status != "healthy":
            print(f"{component} is {status or 'not there'}")
            return 1
        if component == "dag-processor":
            token = get("/auth/token")["access_token"]
            missing = DAGS - {dag["dag_id"] for dag in get("/api/v2/dags", token)["dags"]}
            if missing:
                print(f"not parsed yet: {', '.join(sorted(missing))}")
                return 1
    except OSError as error:
        print(f"{API} does not answer: {error}")
        return 1
    return 0


def get(path: str, token: str | None = None) -> Any:
    """The JSON at a path of the API server.

    Raises:
        OSError: it does not answer, or with an error.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with _open(urllib.request.Request(API + path, headers=headers), timeout=15) as answer:
        return json.load(answer)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
