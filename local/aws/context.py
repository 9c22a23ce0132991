"""Who is asking: the account and region that a request's signature names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
# The access key ids that Glue calls with, under the roles of its crawlers and its job runs.
CRAWLER = "glue-crawler"
JOB = "glue-job"
_CREDENTIAL = re.compile(r"Credential=([^,/\s]+)/\d+/([^/]+)/")


@dataclass(frozen=True)
class Caller:
    """The account and region whose resources a request sees. `access_key` is the one the client signed with."""

    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    access_key: str = "test"

    def owner(self, name: str) -> str:
        """The key under which this caller's history of `name` is kept."""
        return f"{self.account}/{self.region}/{name}"

    def acting_as(self, access_key: str) -> Caller:
        """The same account and region under another access key; one that is an account's number stays: it names it."""
        return self if self.access_key == self.account else replace(self, access_key=access_key)


def caller_from(authorization: str) -> Caller:
    """Read the caller from an Authorization header; a missing or odd one means the default account and region."""
    found = _CREDENTIAL.search(authorization)
    if not found:
        return Caller()
    key, region = found[1], found[2]
    account = key if re.fullmatch(r"\d{12}", key) else DEFAULT_ACCOUNT
    return Caller(account=account, region=region, access_key=key)
