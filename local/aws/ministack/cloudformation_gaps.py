"""Properties that the emulator accepts and drops: some of a Glue job, a bucket's lifecycle in CloudFormation."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

SIMPLE_RULE_KEYS = {
    "Id", "Status", "Prefix", "ExpirationInDays", "ExpiredObjectDeleteMarker", "NoncurrentVersionExpirationInDays",
    "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload",
}  # fmt: skip


# Properties of a job, and what AWS takes where a template drops them.
JOB_DEFAULTS: dict[str, Any] = {"ExecutionProperty": {"MaxConcurrentRuns": 1}, "ExecutionClass": "STANDARD"}
# Properties of a job that only the API takes.
JOB_NODES = ("JobMode", "CodeGenConfigurationNodes")
# A template's parameters are text, also those of type Number.
JOB_NUMBERS = ("Timeout", "NumberOfWorkers", "MaxRetries")


def keep_dropped_properties() -> None:
    """Make the emulator keep them. Call once, before requests are answered."""
    _keep_job_properties()
    _keep_lifecycle()


def _keep_job_properties() -> None:
    from ministack.services import glue
    from ministack.services.cloudformation import provisioners

    create, update = glue._create_job, glue._update_job

    def create_job(data: dict[str, Any]) -> Any:
        answer = create(data)
        if answer[0] < 300:
            glue._jobs[data["Name"]].update(_given(data))
        return answer

    def update_job(data: dict[str, Any]) -> Any:
        answer = update(data)
        if answer[0] < 300:
            glue._jobs[data["JobName"]].update(_given(data.get("JobUpdate") or {}))
        return answer

    glue._create_job, glue._update_job = create_job, update_job
    for name, default in JOB_DEFAULTS.items():
        provisioners._GLUE_JOB_DEFAULTS.setdefault(name, default)


def _given(data: dict[str, Any]) -> dict[str, Any]:
    kept = {name: data[name] for name in (*JOB_DEFAULTS, *JOB_NODES) if data.get(name)}
    return kept | {name: int(data[name]) for name in JOB_NUMBERS if data.get(name) is not None}


def _keep_lifecycle() -> None:
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    apply = provisioners._s3_apply_configurations

    def apply_with_lifecycle(name: str, props: dict[str, Any], old_props: dict[str, Any] | None = None) -> None:
        apply(name, props, old_props)
        rules = (props.get("LifecycleConfiguration") or {}).get("Rules")
        if rules:
            answer = s3._put_bucket_lifecycle(name, lifecycle_xml(rules).encode())
            if answer[0] >= 300:
                raise ValueError(f"LifecycleConfiguration of {name} was refused: {answer[2][:300]!r}")
        elif (old_props or {}).get("LifecycleConfiguration"):
            s3._bucket_lifecycle.pop(name, None)

    provisioners._s3_apply_configurations = apply_with_lifecycle


def lifecycle_xml(rules: list[dict[str, Any]]) -> str:
    """A template's lifecycle rules as S3's own XML. Raises ValueError for a property that would be lost."""
    parts = []
    for rule in rules:
        lost = sorted(set(rule) - SIMPLE_RULE_KEYS)
        if lost:
            raise ValueError(f"the local AWS server does not keep {lost} of a lifecycle rule")
        part = f"<ID>{escape(str(rule.get('Id', '')))}</ID>" if rule.get("Id") else ""
        part += f"<Filter><Prefix>{escape(str(rule.get('Prefix', '')))}</Prefix></Filter>"
        part += f"<Status>{rule['Status']}</Status>"
        if "ExpirationInDays" in rule:
            part += f"<Expiration><Days>{int(rule['ExpirationInDays'])}</Days></Expiration>"
        if str(rule.get("ExpiredObjectDeleteMarker", "")).lower() == "true":
            part += "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
        old = dict(rule.get("NoncurrentVersionExpiration") or {})
        if "NoncurrentVersionExpirationInDays" in rule:
            old["NoncurrentDays"] = rule["NoncurrentVersionExpirationInDays"]
        if old:
            inner = "".join(
                f"<{key}>{int(old[key])}</{key}>" for key in ("NewerNoncurrentVersions", "NoncurrentDays") if key in old
            )
            part += f"<NoncurrentVersionExpiration>{inner}</NoncurrentVersionExpiration>"
        aborted = rule.get("AbortIncompleteMultipartUpload")
        if aborted:
            days = int(aborted["DaysAfterInitiation"])
            inner = f"<DaysAfterInitiation>{days}</DaysAfterInitiation>"
            part += f"<AbortIncompleteMultipartUpload>{inner}</AbortIncompleteMultipartUpload>"
        parts.append(f"<Rule>{part}</Rule>")
    return f"<LifecycleConfiguration>{''.join(parts)}</LifecycleConfiguration>"
