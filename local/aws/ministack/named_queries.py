"""AWS::Athena::NamedQuery in CloudFormation, over the emulator's own CreateNamedQuery and its like."""

from __future__ import annotations

import json
from typing import Any

REQUIRED = ("Database", "QueryString")
# A change of these makes another query, as on AWS; the others are changed in place.
REPLACING = ("Database", "WorkGroup")


def provide_named_queries() -> None:
    """Make CloudFormation create, update and delete them. Call once, before requests are answered."""
    from ministack.services.cloudformation import provisioners

    provisioners._RESOURCE_HANDLERS["AWS::Athena::NamedQuery"] = {
        "create": _create,
        "update": _update,
        "update_with_logical_id": True,
        "delete": _delete,
    }


def _create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    from ministack.services import athena

    for name in REQUIRED:
        if not props.get(name):
            raise ValueError(f"Property validation failure: [The property {{/{name}}} is required]")
    workgroup = props.get("WorkGroup") or "primary"
    # Every account has the primary one; the emulator makes it when it is first asked for.
    if workgroup != "primary" and workgroup not in athena._workgroups:
        raise ValueError(f"WorkGroup {workgroup} is not found.")
    # CloudFormation makes a name of its own where the template gives none.
    answer = athena._create_named_query({"Name": f"{stack_name}-{logical_id}", "WorkGroup": workgroup} | props)
    identity = json.loads(answer[2])["NamedQueryId"]
    return identity, {"NamedQueryId": identity}


def _update(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str, logical_id: str | None = None
) -> tuple[str, dict[str, Any]]:
    from ministack.services import athena

    query = athena._named_queries.get(physical_id)
    if query is None or any(old.get(name) != new.get(name) for name in REPLACING):
        made = _create(logical_id or physical_id, new, stack_name)
        _delete(physical_id, old)
        return made
    query.update({name: new.get(name, "") for name in ("Description", "QueryString")})
    query["Name"] = new.get("Name") or f"{stack_name}-{logical_id}"
    return physical_id, {"NamedQueryId": physical_id}


def _delete(physical_id: str, props: dict[str, Any]) -> None:
    from ministack.services import athena

    athena._delete_named_query({"NamedQueryId": physical_id})
