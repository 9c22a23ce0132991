from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import ParamValidationError

from b3.airflow import trigger_form
from b3.airflow.trigger_form import accepted
from b3.quotes.accepted import NOTHING, Accepted


def a_run(run_type: str = "manual", **conf: Any) -> SimpleNamespace:
    return SimpleNamespace(run_type=run_type, conf=conf)


def test_a_run_accepts_what_the_trigger_form_says():
    assert accepted(a_run()) == NOTHING == Accepted(flood=False, loss=False)
    assert accepted(a_run(accept_flood=True)) == Accepted(flood=True)
    assert accepted(a_run(accept_loss=True, accept_flood=False)) == Accepted(loss=True)


@pytest.mark.parametrize("form", [trigger_form.daily(), trigger_form.history()])
def test_both_forms_ask_for_it_and_accept_nothing_by_themselves(form):
    assert {name: field.value for name, field in form.items() if name.startswith("accept_")} == {
        "accept_flood": False,
        "accept_loss": False,
    }


@pytest.mark.parametrize("name", ["year", "last_year"])
@pytest.mark.parametrize(("year", "fits"), [(1985, False), (1986, True), (2100, True), (2101, False), (99999, False)])
def test_the_form_takes_the_years_that_have_a_calendar(name, year, fits):
    if fits:
        assert trigger_form.history()[name].resolve(year) == year
    else:
        with pytest.raises(ParamValidationError):
            trigger_form.history()[name].resolve(year)


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_run_that_nobody_triggered_accepts_nothing(run_type):
    assert accepted(a_run(run_type, accept_flood=True, accept_loss=True)) == NOTHING


@pytest.mark.parametrize("given", ["true", 2, []])
def test_what_is_neither_true_nor_false_is_refused(given):
    with pytest.raises(ValueError, match="expected accept_loss in the run's conf as true or false"):
        accepted(a_run(accept_loss=given))
