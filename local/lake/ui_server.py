"""Airflow's API server with the UI, which answers to the names of this machine alone.

Usage: `python -m local.lake.ui_server`; AIRFLOW__API__HOST and AIRFLOW__API__PORT say where it listens.

The UI has no login, so `/auth/token` gives an administrator's token to whoever asks. A web page whose name resolves to
127.0.0.1 could ask as well, if the server did not look at Host.
"""

from __future__ import annotations

from typing import Any

NAMES = ("localhost", "127.0.0.1")


def guarded(app: Any) -> Any:
    """Return an ASGI application that passes requests for NAMES on to `app`, and answers others with status 400."""
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    return TrustedHostMiddleware(app, allowed_hosts=NAMES, www_redirect=False)


def main() -> None:
    """Serve until a signal."""
    import uvicorn
    from airflow.api_fastapi.main import app
    from airflow.providers.common.compat.sdk import conf

    host, port = conf.get("api", "host"), conf.getint("api", "port")
    # Airflow logs requests by itself, as in `airflow api-server`.
    uvicorn.run(guarded(app), host=host, port=port, access_log=False, log_config=None)


if __name__ == "__main__":
    main()
