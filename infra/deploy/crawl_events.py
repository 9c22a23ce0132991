"""A lake whose crawlers Glue refuses at first.

Glue tries a crawler's queue as the crawler's role when the crawler is made. If queue and role are minutes old, it has
answered others that there is no such queue: https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1849
A crawler that lists needs no queue, so it is made first, and told of the queue afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from infra.deploy.errors import DeployError
from infra.deploy.stacks import StackChange

_REFUSED = re.compile(r"SQS queue\b.*does not exist or the role provided does not have access", re.DOTALL)


def apply(
    change: StackChange,
    make: Callable[[StackChange], None],
    plan: Callable[[str], Sequence[StackChange]],
    say: Callable[[str], None],
) -> None:
    """Make the change of the lake's stack; if Glue refuses its queues, first with CrawlBy=LISTING, then with EVENTS.

    If Glue refuses them again, the crawlers go on listing, and so does the deploy.

    Args:
        change: what is to be made.
        make: makes a change, and waits for its end.
        plan: gives the change to a lake whose crawlers go by EVENTS or by LISTING; none if it does.
        say: takes each line of progress.

    Raises:
        DeployError: the change failed for another reason.
    """
    try:
        make(change)
        return
    except DeployError as error:
        if not _REFUSED.search(str(error)):
            raise
        say(f"  Glue does not see the crawlers' queues yet ({error})")
    say("  the lake is made with CrawlBy=LISTING first, then told of the queues")
    for again in plan("LISTING"):
        make(again)
    try:
        for again in plan("EVENTS"):
            make(again)
    except DeployError as error:
        if not _REFUSED.search(str(error)):
            raise
        say(f"  Glue still does not see them ({error}). The crawlers list, which costs the same: deploy later with")
        say("  PARAMETERS=CrawlBy=EVENTS")
