import datetime as dt

from b3.airflow.findings_summary import RuleFindings, message, subject

ROW = {
    "rule": "prices_lie_within_low_and_high",
    "findings": 3,
    "sessions": 1,
    "first_date": dt.date(2005, 3, 14),
    "ticker": "VALE5",
    "expected": "low <= open, close <= high",
    "found": "open 9.99, high 9.98, low 9.00, close 9.50",
}
CORRECTION = {
    **ROW,
    "rule": "correction",
    "findings": 1,
    "ticker": None,
    "expected": "6 rows, volume 10.00",
    "found": "7 rows, volume 11.00: 1 added, 0 gone, 0 changed",
}


def test_a_rule_is_a_line_with_its_first_finding():
    assert str(RuleFindings(**ROW)) == (
        "prices_lie_within_low_and_high: 3 on 2005-03-14 VALE5: expected low <= open, close <= high; "
        "found open 9.99, high 9.98, low 9.00, close 9.50"
    )
    of_a_year = RuleFindings(**{**ROW, "findings": 620, "sessions": 212})
    assert str(of_a_year).startswith(
        "prices_lie_within_low_and_high: 620 on 212 sessions, as on 2005-03-14 VALE5: expected"
    )


def test_a_correction_is_of_a_whole_session():
    assert str(RuleFindings(**CORRECTION)) == (
        "correction: 1 on 2005-03-14: expected 6 rows, volume 10.00; "
        "found 7 rows, volume 11.00: 1 added, 0 gone, 0 changed"
    )


def test_a_message_has_the_sum_a_line_for_each_rule_and_where_to_look():
    rules = [RuleFindings(**CORRECTION), RuleFindings(**ROW)]
    assert subject("b3_daily for 2005-03-14", rules) == "b3_daily for 2005-03-14: 4 findings"
    first, *lines = message("b3_daily for 2005-03-14", rules).splitlines()
    assert first == "b3_daily for 2005-03-14: 4 findings. What B3 wrote is published as B3 wrote it."
    assert lines[:2] == [f"* {rules[0]}", f"* {rules[1]}"]
    assert "SELECT * FROM findings" in lines[-1]


def test_one_finding_is_not_many():
    assert subject("b3_daily for 2005-03-14", [RuleFindings(**CORRECTION)]) == "b3_daily for 2005-03-14: 1 finding"
    assert subject("b3_daily for 2005-03-14", []) == "b3_daily for 2005-03-14: 0 findings"
