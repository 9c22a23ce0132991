"""Recorded exchanges against AWS's models: what does not fit, and which of it is known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.model import OperationModel, Shape

from local.aws.exchanges import Exchange
from tests.aws_models.misfits import misfits
from tests.aws_models.reading import Call, call_of

# Errors that every operation of a protocol has, which the models leave out.
_COMMON_ERRORS = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch",
    "Throttling", "ThrottlingException", "ValidationError", "ValidationException", "UnrecognizedClientException",
}  # fmt: skip
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; the answer to HEAD has no body, only a status.
_S3_ERRORS = {
    "304", "400", "403", "404", "412", "BucketAlreadyOwnedByYou", "ConditionalRequestConflict", "InvalidRange",
    "NoSuchBucket", "NoSuchKey", "NoSuchLifecycleConfiguration", "NoSuchUpload", "NotModified", "PreconditionFailed",
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """Something of the local AWS that AWS's model does not allow, by where it is and why it stays."""

    operation: str
    pattern: str
    why: str

    def covers(self, operation: str, sentence: str) -> bool:
        """Return whether a sentence of `compare` about an operation is this."""
        return bool(re.fullmatch(self.operation, operation) and re.search(self.pattern, sentence))


KNOWN: tuple[Difference, ...] = (
    Difference(
        "cloudformation:DescribeStacks", r"Description: expected a size from 1 to \d+, found 0$",
        "Gives a stack or an output that has no description an empty one, where AWS gives none.",
    ),
    Difference(
        "glue:GetJob", r"SecurityConfiguration: expected a size from 1 to \d+, found 0$",
        "Gives a job that has no security configuration an empty one, where AWS gives none.",
    ),
    Difference(
        "glue:GetJob", r"found GetJob\.Job\.Tags$",
        "Gives a job's tags with the job, which AWS gives by GetTags alone.",
    ),
    Difference(
        "glue:GetTables?", r"Owner: expected a size from 1 to \d+, found 0$",
        "Gives a table that has no owner an empty one, where AWS gives none or the caller's.",
    ),
)  # fmt: skip


def name_of(call: Call) -> str:
    """Return an operation with its service, as `glue:GetTable`."""
    return f"{call.service}:{call.operation.name}"


def compare(exchange: Exchange) -> tuple[str, list[str]]:
    """Return the operation of an exchange, and a sentence for each thing that its model does not allow."""
    try:
        call = call_of(exchange)
    except ValueError as error:
        return f"{exchange.service}:{exchange.method} {exchange.path}", [str(error)]
    posted = "x-amz-target" in exchange.headers
    request = misfits(call.request, call.operation.input_shape, "request", texts=not posted)
    return name_of(call), list(dict.fromkeys([*request, *_of_answer(call, exchange)]))


def surprises(exchanges: Iterable[Exchange]) -> list[str]:
    """Return what recorded exchanges have that neither AWS's models nor `KNOWN` allow, a line each."""
    found = []
    for exchange in exchanges:
        operation, sentences = compare(exchange)
        found += [
            f"{operation}: {sentence}"
            for sentence in sentences
            if not any(known.covers(operation, sentence) for known in KNOWN)
        ]
    return sorted(set(found))


def _of_answer(call: Call, exchange: Exchange) -> Iterable[str]:
    if call.answer is None:
        if call.error not in _errors(call.operation):
            yield f"error: expected one that the model has, found {call.error}"
        return
    shape, texts = call.operation.output_shape, "json" not in exchange.answer_headers.get("content-type", "")
    yield from (f"answer: expected a member of the model, found {name}" for name in call.unknown)
    yield from misfits(_modelled(call.answer, shape), shape, "answer", texts=texts)


def _errors(operation: OperationModel) -> set[str]:
    own = {shape.name for shape in operation.error_shapes}
    own |= {shape.metadata.get("error", {}).get("code", shape.name) for shape in operation.error_shapes}
    return own | _COMMON_ERRORS | (_S3_ERRORS if operation.service_model.service_name == "s3" else set())


def _modelled(value: Any, shape: Shape | None) -> Any:
    """Return a value without the members that its shape does not have, which are told of as unknown."""
    if shape is None:
        return {}
    if shape.type_name == "structure" and isinstance(value, dict):
        return {name: _modelled(each, shape.members[name]) for name, each in value.items() if name in shape.members}
    if shape.type_name == "list" and isinstance(value, list):
        return [_modelled(each, shape.member) for each in value]
    return value
