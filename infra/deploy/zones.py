"""Availability zones of an environment.

MWAA runs on Fargate, which some zones lack. A zone's name means another zone in each account; its id does not.
"""

from __future__ import annotations

from typing import Any

from infra.deploy.errors import DeployError

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html
WITHOUT_FARGATE = {"use1-az3", "usw1-az2", "apne1-az3", "cac1-az3"}


def choose(ec2: Any, given: dict[str, str]) -> dict[str, str]:
    """Return ZoneA and ZoneB of a new environment: those that are given, else the first by name that Fargate is in.

    Raises:
        DeployError: a zone that was given does not fit, or the region has too few.
    """
    answer = ec2.describe_availability_zones(
        Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}, {"Name": "state", "Values": ["available"]}]
    )
    ids = {zone["ZoneName"]: zone["ZoneId"] for zone in answer["AvailabilityZones"]}
    fit = sorted(name for name, number in ids.items() if number not in WITHOUT_FARGATE)
    chosen = {key: given[key] for key in ("ZoneA", "ZoneB") if given.get(key)}
    for key, name in chosen.items():
        if name not in fit:
            found = f"{ids[name]}, which Fargate is not in" if name in ids else "no such zone"
            raise DeployError(f"expected {key}={name} to be one of {', '.join(fit)}, found {found}: choose another")
    left = [name for name in fit if name not in chosen.values()]
    for key in ("ZoneA", "ZoneB"):
        if key not in chosen and left:
            chosen[key] = left.pop(0)
    if len(set(chosen.values())) < 2:
        raise DeployError(
            f"expected two different zones that Fargate is in, found {fit} and {chosen}: "
            "choose other ones, or another region"
        )
    return chosen
