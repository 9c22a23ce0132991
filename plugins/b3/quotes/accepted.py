"""Suspect quotes that a run publishes, because a person checked and accepted them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Accepted:
    """The suspect quotes that a run publishes.

    Attributes:
        flood: whether to publish sessions in which most rows break a rule.
        loss: whether to publish corrections that lack more than a tenth of a session's rows, or whole sessions.
    """

    flood: bool = False
    loss: bool = False


NOTHING = Accepted()
# Keys of a run's conf, by the field that they set.
CONF = {"flood": "accept_flood", "loss": "accept_loss"}
