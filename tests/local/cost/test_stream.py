from decimal import Decimal

from infra.checkout import template
from infra.deploy import templates
from local.cost import price_list, stream

LISTED = price_list.read()
CONTENT, _ = templates.read(template("stream"))


def test_is_reckoned_by_the_defaults_of_the_template():
    defaults = {name: one.get("Default") for name, one in CONTENT["Parameters"].items()}
    functions = [one for one in CONTENT["Resources"].values() if one["Type"] == "AWS::Lambda::Function"]
    memory = {one["Properties"]["MemorySize"] for one in functions}

    assert len(defaults["Symbols"].split(",")) == stream.SYMBOLS
    assert defaults["PolledMinutes"] == stream.POLLED_MINUTES
    assert defaults["BufferSeconds"] == 60
    assert memory == {1024 * stream.MEMORY_GB}


def test_a_call_is_billed_by_the_second_and_by_the_call():
    assert (
        stream.calls(1_000_000, LISTED) == 250_000 * LISTED["lambda_arm_gb_second"] + LISTED["lambda_million_requests"]
    )


def test_a_record_is_billed_as_five_kilobytes():
    records = 730 * 60 * 2 * 3

    assert stream.month(LISTED)["Firehose"] == Decimal(records * 5) / 1024**2 * LISTED["firehose_gb"]
