"""Let S3's refusals say which object they are about: botocore names the operation alone."""

from __future__ import annotations

from typing import Any

_OBJECT = "b3_object"


def naming_objects(s3: Any) -> Any:
    """Return a boto3 S3 client after making its errors name bucket and key, or bucket and prefix.

    The errors stay those of botocore, with their codes: only their message grows.
    """
    # Under ids of their own, so that a client that comes here twice is changed once.
    s3.meta.events.register("before-parameter-build.s3", _note, unique_id="b3-note-object")
    s3.meta.events.register("after-call.s3", _name, unique_id="b3-name-object")
    return s3


def _note(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    key = params.get("Key") or params.get("Prefix") or ""
    context[_OBJECT] = f"s3://{params['Bucket']}/{key}" if "Bucket" in params else ""


def _name(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if "Error" in parsed and context.get(_OBJECT):
        said = parsed["Error"].get("Message") or parsed["Error"].get("Code", "")
        parsed["Error"]["Message"] = f"{said} ({context[_OBJECT]})"
