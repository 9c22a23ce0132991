"""CloudFormation stacks: what is wanted against what is there. Planning reads nothing; the rest talks to AWS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy import templates
from infra.deploy.errors import DeployError

# A stack that never came to be: it has to go before it can be made.
FAILED_TO_CREATE = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
HEALTHY = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
# Sections that matter by themselves; a changed default of a parameter does not reach a stack that has a value of it.
_SECTIONS = ("Conditions", "Mappings", "Rules", "Outputs", "Transform")
# The local AWS is quick, an account takes minutes.
_FIRST_POLL_SECONDS = 0.1
_LONGEST_POLL_SECONDS = 10


@dataclass(frozen=True)
class Wanted:
    """A stack as it shall be. A parameter that is not given keeps its value, or has the template's default."""

    name: str
    template: dict[str, Any]
    parameters: dict[str, str]
    # Also in the template's own words, which is what a person sees in the console.
    text: str


@dataclass(frozen=True)
class Present:
    """A stack as it is."""

    name: str
    status: str
    template: dict[str, Any]
    parameters: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether it was once made to its end."""
        return self.status not in FAILED_TO_CREATE


@dataclass(frozen=True)
class StackChange:
    """`+` a stack, `~` it, or `-` it, with a line for every resource and parameter that differs."""

    sign: str
    name: str
    wanted: Wanted | None
    details: tuple[str, ...]
    replaces_failed: bool = False

    def __str__(self) -> str:
        why = "  (what is left of a failed creation goes first)" if self.replaces_failed else ""
        return "\n".join([f"{self.sign} stack {self.name}{why}", *(f"    {line}" for line in self.details)])


def plan(wanted: Wanted, there: Present | None) -> StackChange | None:
    """What makes the stack that is `there` the one that is `wanted`; None if nothing does.

    Raises:
        DeployError: the stack is in a state that no deploy mends.
    """
    if there is None or not there.whole:
        details = (*_parameters(wanted.parameters, {}), *_resources(wanted.template, {}))
        return StackChange("+", wanted.name, wanted, details, replaces_failed=there is not None)
    if there.status not in HEALTHY:
        raise DeployError(
            f"expected stack {wanted.name} in a state that can be updated, found {there.status}: its events say why; "
            f"after `aws cloudformation continue-update-rollback --stack-name {wanted.name}`, or its deletion where "
            "that was begun, try again"
        )
    details = (
        *_parameters(wanted.parameters, there.parameters),
        *_resources(wanted.template, there.template),
        *_sections(wanted.template, there.template),
    )
    return StackChange("~", wanted.name, wanted, details) if details else None


def _parameters(wanted: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    return [
        f"~ {name}: {there[name]} -> {value}" if name in there else f"+ {name}: {value}"
        for name, value in sorted(wanted.items())
        if there.get(name) != value
    ]


def _resources(wanted: dict[str, Any], there: dict[str, Any]) -> list[str]:
    new, old = wanted.get("Resources", {}), there.get("Resources", {})
    return [
        *(f"+ {name} {_kind(new[name])}" for name in new if name not in old),
        *(f"~ {name} {_kind(new[name])}" for name in new if name in old and new[name] != old[name]),
        *(f"- {name} {_kind(old[name])}" for name in old if name not in new),
    ]


def _kind(resource: dict[str, Any]) -> str:
    condition = f", if {resource['Condition']}" if "Condition" in resource else ""
    return f"({resource['Type']}{condition})"


def _sections(wanted: dict[str, Any], there: dict[str, Any]) -> list[str]:
    return [f"~ {name} of the template" for name in _SECTIONS if wanted.get(name) != there.get(name)]


def present(cloudformation: Any, name: str, say: Callable[[str], None]) -> Present | None:
    """The stack of a name, once nothing works on it any more; None if there is none."""
    stack = describe(cloudformation, name)
    if stack and stack["StackStatus"].endswith("_IN_PROGRESS") and stack["StackStatus"] != "REVIEW_IN_PROGRESS":
        say(f"stack {name} is {stack['StackStatus']} from before: waiting for its end")
        polls = _polls()
        while stack and stack["StackStatus"].endswith("_IN_PROGRESS"):
            time.sleep(next(polls))
            stack = describe(cloudformation, name)
    if stack is None:
        return None
    body = cloudformation.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    return Present(
        name,
        stack["StackStatus"],
        templates.parse(body) if isinstance(body, str) else dict(body),
        {item["ParameterKey"]: item["ParameterValue"] for item in stack.get("Parameters", [])},
        {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])},
    )


def apply(
    cloudformation: Any,
    change: StackChange,
    say: Callable[[str], None],
    *,
    argument: Callable[[str, str], Mapping[str, str]],
    clear: Callable[[], None] | None = None,
) -> None:
    """Make the change, and wait for its end; progress is said event by event.

    Args:
        cloudformation: client of the account.
        change: what `plan` found.
        say: takes each line of progress.
        argument: takes a stack's name and its template, and gives what names it in a request, see
            `infra.deploy.templates.argument`.
        clear: removes what a failed creation retained, once its stack is deleted.

    Raises:
        DeployError: it failed; the message names the first resource that did, and why.
    """
    if change.wanted is None:
        delete(cloudformation, change.name, say)
        return
    if change.replaces_failed:
        delete(cloudformation, change.name, say)
        if clear:
            clear()
    request: dict[str, Any] = {
        "StackName": change.name,
        **argument(change.name, change.wanted.text),
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        # A first deploy that fails leaves no bucket in the way of the next one.
        "RetainExceptOnCreate": True,
    }
    given: list[dict[str, Any]] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in change.wanted.parameters.items()
    ]
    if change.sign == "+":
        cloudformation.create_stack(**request, Parameters=given, OnFailure="ROLLBACK")
        _wait(cloudformation, change.name, "CREATE_COMPLETE", "", say)
        return
    kept = set(_names(cloudformation, change.name)) & set(change.wanted.template.get("Parameters", {}))
    given += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept - set(change.wanted.parameters))]
    before = _newest(cloudformation, change.name)
    try:
        cloudformation.update_stack(**request, Parameters=given)
    except ClientError as error:
        # Such as a comment's change: the plan compares content, CloudFormation what comes of it.
        if "No updates are to be performed" in str(error):
            say(f"  stack {change.name}: CloudFormation sees no change in it")
            return
        raise
    _wait(cloudformation, change.name, "UPDATE_COMPLETE", before, say)


def delete(cloudformation: Any, name: str, say: Callable[[str], None]) -> None:
    """Delete a stack, and wait until it is gone; resources that it retains stay.

    Raises:
        DeployError: a resource could not be deleted; the message names it.
    """
    stack = describe(cloudformation, name)
    if stack is None:
        return
    before = _newest(cloudformation, name)
    cloudformation.delete_stack(StackName=name)
    # By its id, as its name does not find it once it is gone.
    _wait(cloudformation, stack["StackId"], "DELETE_COMPLETE", before, say)


def _names(cloudformation: Any, name: str) -> list[str]:
    return [item["ParameterKey"] for item in (describe(cloudformation, name) or {}).get("Parameters", [])]


def describe(cloudformation: Any, name: str) -> dict[str, Any] | None:
    """Return what CloudFormation says of a stack; None if there is none."""
    try:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack


def _wait(cloudformation: Any, name: str, wanted: str, before: str, say: Callable[[str], None]) -> None:
    started, seen, first_failure = time.monotonic(), set(), ""
    polls = _polls()
    while True:
        # The state before the events, so that the last ones are not missed.
        stack = describe(cloudformation, name)
        status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
        for event in _events(cloudformation, name, before):
            if event["EventId"] in seen:
                continue
            seen.add(event["EventId"])
            state, resource = event["ResourceStatus"], event["LogicalResourceId"]
            if state.endswith(("_COMPLETE", "_FAILED")):
                say(f"  {time.monotonic() - started:5.0f} s  {state.lower().replace('_', ' ')}  {resource}")
            if state.endswith("_FAILED") and not first_failure:
                first_failure = f"{resource}: {event.get('ResourceStatusReason', 'no reason given')}"
        if not status.endswith("_IN_PROGRESS"):
            break
        time.sleep(next(polls))
    if status != wanted:
        raise DeployError(
            f"expected stack {name} to reach {wanted}, found {status}: "
            f"{first_failure or 'no resource says why'}. Mend that, and try again"
        )


def _polls() -> Iterator[float]:
    seconds = _FIRST_POLL_SECONDS
    while True:
        yield seconds
        seconds = min(seconds * 1.5, _LONGEST_POLL_SECONDS)


def _newest(cloudformation: Any, name: str) -> str:
    """Id of the last event of a stack."""
    return str(cloudformation.describe_stack_events(StackName=name)["StackEvents"][0]["EventId"])


def _events(cloudformation: Any, name: str, before: str) -> list[dict[str, Any]]:
    """The events after the one of id `before`, oldest first."""
    found: list[dict[str, Any]] = []
    for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=name):
        for event in page["StackEvents"]:
            if event["EventId"] == before:
                return found[::-1]
            found.append(event)
    return found[::-1]
