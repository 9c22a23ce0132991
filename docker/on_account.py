"""Start a component of Airflow on a lake of an AWS account: `on_account.py COMPONENT`.

B3_STACK names the lake's stack, whose outputs become the settings. Credentials come from the container's environment:
a mounted profile, or the role of the instance or of the ECS task.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local.lake import account, home, stack


def main(arguments: list[str]) -> NoReturn:
    """Become the component; end with status 1 if the lake is not there."""
    try:
        lake = account.find(os.environ["B3_STACK"], home.REAL)
    except RuntimeError as error:
        raise SystemExit(f"{' '.join(arguments)}: {error}") from None
    os.environ.update(environment(lake))
    os.execvp("bash", ["bash", "/entrypoint", *arguments])


def environment(lake: account.AccountLake) -> dict[str, str]:
    """Return what Airflow is told of the lake."""
    return {
        **lake.environment,
        **stack.settings(lake.outputs),
        "B3_REGISTER": os.environ.get("B3_REGISTER") or lake.register,
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws", "extra": {"region_name": lake.region}}),
        "AIRFLOW__API__INSTANCE_NAME": f"B3 lake, real data, {lake}",
    }


if __name__ == "__main__":
    main(sys.argv[1:])
