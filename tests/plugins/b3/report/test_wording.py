"""Words, numbers and dates in both languages."""

import datetime as dt
import re
from decimal import Decimal

import pytest

from b3.report.wording import ENGLISH, LANGUAGES, PORTUGUESE, WORDS
from infra.checkout import ROOT


def test_every_word_is_there_in_each_language():
    assert all(len(texts) == len(LANGUAGES) and all(texts) for texts in WORDS.values())


def test_every_asset_class_has_a_word():
    # Spark is in another environment, so the rules are read and not imported.
    rules = (ROOT / "include" / "glue" / "refine" / "asset_classes.py").read_text()
    classes = set(re.findall(r'^    \("(\w+)", ', rules, re.MULTILINE))
    assert {"stock", "option_exercise", "other"} <= classes <= WORDS.keys()


@pytest.mark.parametrize(
    ("value", "english", "portuguese"),
    [
        (Decimal("31946037207.03"), "31.95 bn", "31,95 bi"),
        (Decimal("2730000000000"), "2.73 tn", "2,73 tri"),
        (Decimal("999994999.99"), "999.99 m", "999,99 mi"),
        (Decimal("999995000.00"), "1.00 bn", "1,00 bi"),
        (1234, "1.23 k", "1,23 mil"),
        (987, "987", "987"),
        (None, "–", "–"),
    ],
)
def test_large_numbers_are_said_as_people_say_them(value, english, portuguese):
    assert (ENGLISH.short(value), PORTUGUESE.short(value)) == (english, portuguese)


@pytest.mark.parametrize(
    ("value", "english", "portuguese"),
    [
        (Decimal("1.6287"), "+1.63%", "+1,63%"),
        (Decimal("-0.555"), "−0.56%", "−0,56%"),
        (Decimal("-0.0049"), "0.00%", "0,00%"),
        (Decimal("0.0049"), "0.00%", "0,00%"),
        (None, "–", "–"),
    ],
)
def test_changes_have_a_sign_unless_they_round_to_nothing(value, english, portuguese):
    assert (ENGLISH.percent(value), PORTUGUESE.percent(value)) == (english, portuguese)


@pytest.mark.parametrize(
    ("value", "english", "portuguese"),
    [
        (Decimal("45.55000000"), "45.55", "45,55"),
        (Decimal("1.00000000"), "1.00", "1,00"),
        (Decimal("0.50000000"), "0.50", "0,50"),
        (Decimal("0.00412000"), "0.00412", "0,00412"),
        (Decimal("0.00000001"), "0.00000001", "0,00000001"),
        (Decimal("0.00000000"), "0.00", "0,00"),
        (None, "–", "–"),
    ],
)
def test_a_price_below_one_has_all_its_digits(value, english, portuguese):
    assert (ENGLISH.price(value), PORTUGUESE.price(value)) == (english, portuguese)


def test_large_money_keeps_its_cents():
    assert PORTUGUESE.number(Decimal("27769679659.57"), 2) == "27.769.679.659,57"


def test_dates_are_in_words():
    day = dt.date(2024, 3, 14)
    assert ENGLISH.day(day) == "Thursday, 14 March 2024"
    assert PORTUGUESE.day(day) == "quinta-feira, 14 de março de 2024"
    assert (ENGLISH.short_day(day), PORTUGUESE.short_day(day)) == ("14 Mar", "14/03")
