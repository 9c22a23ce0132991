"""How queue, batch and function fit in infra/arrivals.yaml and infra/stream.yaml."""

from typing import Any

import pytest

from tests.infra.templates import ARRIVALS, STREAM, load

FUNCTIONS = {"arrivals": "Function", "stream": "Backup"}


@pytest.fixture(params=[ARRIVALS, STREAM], ids=lambda path: path.stem)
def stack(request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a template's resources by name, and its parameters."""
    template = load(request.param)
    name = FUNCTIONS[request.param.stem]
    return {**template["Resources"], "TheFunction": template["Resources"][name]}, template["Parameters"]


def test_a_message_stays_hidden_for_six_calls_and_the_window_of_the_batch(stack):
    """AWS asks for that: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    resources, _ = stack
    window = resources["Messages"]["Properties"]["MaximumBatchingWindowInSeconds"]

    hidden = resources["Queue"]["Properties"]["VisibilityTimeout"]

    assert hidden == 6 * resources["TheFunction"]["Properties"]["Timeout"] + window


def test_a_queue_makes_no_more_calls_at_once_than_are_reserved(stack):
    resources, parameters = stack
    most = resources["Messages"]["Properties"]["ScalingConfig"]["MaximumConcurrency"]

    assert [number for number in parameters["FunctionConcurrency"]["AllowedValues"] if 0 < number < most] == []


def test_few_sessions_are_one_call_of_the_function_that_starts_the_job():
    mapping = load(ARRIVALS)["Resources"]["Messages"]["Properties"]

    assert mapping["BatchSize"] == {"Fn::If": ["StartsJob", 10, 100]}


def test_the_alarm_of_failed_polls_comes_while_the_next_poll_can_make_them_good():
    template = load(STREAM)
    alarm = template["Resources"]["FailedPolls"]["Properties"]

    assert alarm["EvaluationPeriods"] * alarm["Period"] == 60 * (template["Parameters"]["PolledMinutes"]["Default"] - 1)
