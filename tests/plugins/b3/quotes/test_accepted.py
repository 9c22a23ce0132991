from types import SimpleNamespace
from typing import Any

import pytest

from b3.quotes.accepted import FORM, NOTHING, Accepted, of_run


def a_run(run_type: str = "manual", **conf: Any) -> SimpleNamespace:
    return SimpleNamespace(run_type=run_type, conf=conf)


def test_a_run_accepts_what_the_trigger_form_says():
    assert of_run(a_run()) == NOTHING == Accepted(flood=False, loss=False)
    assert of_run(a_run(accept_flood=True)) == Accepted(flood=True)
    assert of_run(a_run(accept_loss=True, accept_flood=False)) == Accepted(loss=True)
    assert FORM.keys() == {"accept_flood", "accept_loss"}


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_run_that_nobody_triggered_accepts_nothing(run_type):
    assert of_run(a_run(run_type, accept_flood=True, accept_loss=True)) == NOTHING


@pytest.mark.parametrize("given", ["true", 2, []])
def test_what_is_neither_true_nor_false_is_refused(given):
    with pytest.raises(ValueError, match="expected accept_loss in the run's conf as true or false"):
        of_run(a_run(accept_loss=given))
