"""Lambda functions sign with the lake's key, as the local AWS lets in nobody else. Each calls under its own name."""

from __future__ import annotations

from typing import Any


def sign_with(secret: str) -> None:
    """Give functions the secret, and their own names as access key ids. Call once, before requests are answered."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    def credentials(config: dict[str, Any]) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": str(config["FunctionName"]),
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_SESSION_TOKEN": "",
        }

    # The second module imports the name.
    for module in (lambda_runtime, lambda_svc):
        module.execution_credentials = credentials
