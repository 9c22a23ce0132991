"""What a run publishes although it looks wrong, because a person looked at it and said so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Accepted:
    """What a run publishes although it looks wrong.

    Attributes:
        flood: sessions in which most rows break a rule.
        loss: corrections that lack more than a tenth of a session's rows, or whole sessions.
    """

    flood: bool = False
    loss: bool = False


NOTHING = Accepted()
# The keys of a run's conf, by the field that each sets.
CONF = {"flood": "accept_flood", "loss": "accept_loss"}
