"""What a client of the local AWS signs with: any access key id, and the lake's own secret. Standard library only.

The id names the caller. The secret proves that the caller may read the home of the lake: it is made once for each home
and lies there, in the form of AWS's shared credentials file.
"""

from __future__ import annotations

import configparser
import os
import secrets
from pathlib import Path

from local.aws.context import DEFAULT_REGION

ACCESS_KEY_ID = "local"
_SECRET_BYTES = 32


def file_of(home: Path) -> Path:
    """Return the credentials file of the local AWS with the state folder `home`."""
    return home / "credentials"


def make(home: Path, given: str | None = None) -> str:
    """Return the secret of `home`; if there is none, it becomes `given`, or else a random one.

    Only the owner of the home's lock may call this, or who calls before a server starts.
    """
    file = file_of(home)
    if not file.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as opened:
            opened.write(
                f"[default]\naws_access_key_id = {ACCESS_KEY_ID}\n"
                f"aws_secret_access_key = {given or secrets.token_urlsafe(_SECRET_BYTES)}\n"
            )
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(file)
    return secret(home)


def secret(home: Path) -> str:
    """Return the secret of `home`.

    Raises:
        RuntimeError: there is none: no server has run there, or the file is damaged.
    """
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file_of(home).read_text())
        return parser["default"]["aws_secret_access_key"]
    except (OSError, KeyError, configparser.Error) as error:
        raise RuntimeError(
            f"expected the local AWS's key in {file_of(home)}, found {error!r}; "
            "delete a damaged file: the next server makes a new one"
        ) from None


def environment(home: Path, region: str = DEFAULT_REGION) -> dict[str, str]:
    """Return the variables with which a client signs for the local AWS on `home`."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": secret(home),
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        # A person's own profile must never be used, or charged, from here.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
