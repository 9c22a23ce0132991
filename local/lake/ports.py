"""The ports that a person chooses in the environment."""

from __future__ import annotations

import os


def chosen(variable: str, default: int = 0) -> int:
    """Return the port in an environment variable, `default` where it is not set; 0 is a free one.

    Raises:
        ValueError: it is no port.
    """
    text = os.environ.get(variable) or str(default)
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise ValueError(f"expected {variable} as the number of a port, up to 65535; found {text!r}")
    return int(text)
