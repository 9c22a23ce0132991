import datetime as dt

import pytest

from b3 import settings
from b3.lake.layout import Lake


def test_the_bucket_suffices_and_names_follow_the_database():
    found = settings.read({"B3_LAKE_BUCKET": "lake"})

    assert found.lake == Lake("lake")
    assert found.glue_database == "b3"
    assert found.glue_job == "b3-refine"
    assert found.athena_workgroup == "b3"
    assert (found.raw_crawler, found.refined_crawler) == ("b3-raw", "b3-refined")


def test_another_database_renames_what_is_not_named():
    found = settings.read({"B3_LAKE_BUCKET": "lake", "B3_GLUE_DATABASE": "b3_test"})

    assert (found.glue_job, found.visual_job) == ("b3_test-refine", "b3_test-visual")
    assert found.athena_workgroup == "b3_test"
    assert (found.raw_crawler, found.refined_crawler) == ("b3_test-raw", "b3_test-refined")


@pytest.mark.parametrize("prefix", ["B3_", "AIRFLOW__B3__"], ids=["plain", "as MWAA gives configuration options"])
def test_every_setting_can_be_given(prefix):
    names = {
        "LAKE_BUCKET": "lake",
        "GLUE_DATABASE": "markets",
        "RAW_CRAWLER": "crawl-raw",
        "REFINED_CRAWLER": "crawl-refined",
        "GLUE_JOB": "job",
        "ATHENA_WORKGROUP": "analysts",
        "INDEXES": "IBOV,SMLL",
        "ALERT_TOPIC_ARN": "arn:aws:sns:sa-east-1:123456789012:alerts",
        "ARRIVALS_QUEUE_URL": "https://sqs.sa-east-1.amazonaws.com/123456789012/b3-arrivals",
    }

    found = settings.read({prefix + name: value for name, value in names.items()})

    assert found == settings.Settings(
        "lake",
        "markets",
        "crawl-raw",
        "crawl-refined",
        "job",
        "analysts",
        ("IBOV", "SMLL"),
        "arn:aws:sns:sa-east-1:123456789012:alerts",
        arrivals_queue_url="https://sqs.sa-east-1.amazonaws.com/123456789012/b3-arrivals",
    )


@pytest.mark.parametrize(
    ("given", "indexes"),
    [("", ("IBOV",)), ("SMLL", ("SMLL",)), (" IBOV, SMLL ,IBOV", ("IBOV", "SMLL")), ("none", ())],
)
def test_indexes_are_a_list_of_codes_each_once(given, indexes):
    assert settings.read({"B3_LAKE_BUCKET": "lake", "B3_INDEXES": given}).indexes == indexes


@pytest.mark.parametrize("given", ["ibov", "IBOV;SMLL", "IBOV,../x", ","])
def test_anything_else_than_codes_of_indexes_is_refused(given):
    with pytest.raises(ValueError, match=r"expected B3's codes of indexes in B3_INDEXES.*found"):
        settings.read({"B3_LAKE_BUCKET": "lake", "B3_INDEXES": given})


def test_the_plain_variable_goes_first():
    given = {"B3_LAKE_BUCKET": "plain", "AIRFLOW__B3__LAKE_BUCKET": "of the configuration"}

    assert settings.read(given).lake_bucket == "plain"


def test_the_environment_of_the_process_is_the_default(monkeypatch):
    monkeypatch.setenv("B3_LAKE_BUCKET", "of-the-process")

    assert settings.read().lake_bucket == "of-the-process"


@pytest.mark.parametrize("environ", [{}, {"B3_LAKE_BUCKET": ""}])
def test_without_a_bucket_the_message_says_where_to_find_it(environ):
    with pytest.raises(settings.MissingSetting) as error:
        settings.read(environ)

    assert str(error.value) == (
        "expected the lake's bucket in B3_LAKE_BUCKET (on MWAA: configuration option b3.lake_bucket), found nothing; "
        "it is output LakeBucket of the stack made from infra/lake.yaml"
    )


@pytest.mark.parametrize(("given", "hours"), [("36", 36), ("0", 0), ("12.5", 12.5)])
def test_the_hours_to_wait_for_publication_are_a_setting(given, hours):
    found = settings.read({"B3_LAKE_BUCKET": "b3-lake", "B3_PUBLICATION_DEADLINE_HOURS": given})

    assert found.publication_deadline_hours == hours


def test_publication_is_waited_for_until_noon_of_the_next_day_by_default():
    assert settings.read({"B3_LAKE_BUCKET": "b3-lake"}).publication_deadline_hours == 36


@pytest.mark.parametrize("given", ["noon", "-1", "inf", "nan", "39"])
def test_hours_that_are_none_are_refused(given):
    with pytest.raises(ValueError, match="expected hours from the beginning of the session's day in B3_PUBLICATION"):
        settings.read({"B3_LAKE_BUCKET": "b3-lake", "B3_PUBLICATION_DEADLINE_HOURS": given})


@pytest.mark.parametrize(
    ("environ", "at"),
    [
        ({}, dt.time(22, 30)),
        ({"B3_PUBLISHED_AT": "20:15"}, dt.time(20, 15)),
        ({"AIRFLOW__B3__PUBLISHED_AT": "06:00"}, dt.time(6)),
    ],
    ids=["by default", "as given", "as given on MWAA"],
)
def test_the_time_from_which_runs_start_is_a_setting(environ, at):
    assert settings.published_at(environ) == at


@pytest.mark.parametrize(
    ("environ", "waits"),
    [({}, True), ({"B3_ARRIVALS_WAIT": "no"}, False), ({"AIRFLOW__B3__ARRIVALS_WAIT": "yes"}, True)],
    ids=["by default", "as given", "as given on MWAA"],
)
def test_whether_a_run_always_waits_for_arrivals_is_a_setting(environ, waits):
    assert settings.arrivals_wait(environ) is waits


def test_another_word_for_whether_a_run_waits_is_refused():
    with pytest.raises(ValueError, match="expected yes or no in B3_ARRIVALS_WAIT, whether a run always waits; found"):
        settings.arrivals_wait({"B3_ARRIVALS_WAIT": "maybe"})


@pytest.mark.parametrize("given", ["half past ten", "25:00", "22:30:00", "22"])
def test_a_time_that_is_none_is_refused(given):
    with pytest.raises(ValueError, match="expected a time of day in B3_PUBLISHED_AT, as 22:30; found"):
        settings.published_at({"B3_PUBLISHED_AT": given})


@pytest.mark.parametrize(
    ("environ", "tags"),
    [({}, []), ({"B3_TAGS": ""}, []), ({"B3_TAGS": "SIMULATED, mine"}, ["SIMULATED", "mine"]),
     ({"AIRFLOW__B3__TAGS": "x"}, ["x"])],
)  # fmt: skip
def test_further_tags_are_separated_by_commas(environ, tags):
    assert settings.tags(environ) == tags


class TestWhoRegisters:
    def test_are_crawlers_by_default(self):
        assert settings.read({"B3_LAKE_BUCKET": "lake"}).crawls

    def test_may_be_the_tasks(self):
        assert not settings.read({"B3_LAKE_BUCKET": "lake", "AIRFLOW__B3__REGISTER": "tasks"}).crawls

    def test_is_nobody_else(self):
        with pytest.raises(ValueError, match=r"expected crawler or tasks in B3_REGISTER.*found 'nobody'"):
            settings.read({"B3_LAKE_BUCKET": "lake", "B3_REGISTER": "nobody"})


def test_bitcoin_has_two_markets_of_binance_unless_others_are_named():
    by_default = settings.bitcoin({})
    named = settings.bitcoin({"B3_BTC_SYMBOLS": " BTCUSDT, BTCEUR,BTCUSDT", "B3_BTC_PROVIDER": "coinbase"})

    assert (by_default.symbols, by_default.provider) == (("BTCBRL", "BTCUSDT"), "binance")
    assert (named.symbols, named.provider) == (("BTCUSDT", "BTCEUR"), "coinbase")


@pytest.mark.parametrize("symbols", ["ETHBRL", "BTC-USD", "btcbrl", "BTCBRL;BTCUSDT", ","])
def test_what_is_no_market_of_bitcoin_is_refused(symbols):
    with pytest.raises(ValueError, match="expected markets of Bitcoin in B3_BTC_SYMBOLS"):
        settings.bitcoin({"B3_BTC_SYMBOLS": symbols})


def test_a_provider_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"B3_BTC_PROVIDER: expected .* binance or coinbase; found 'kraken'"):
        settings.bitcoin({"B3_BTC_PROVIDER": "kraken"})


def test_no_other_dag_fails_for_what_bitcoin_refuses():
    given = {"B3_LAKE_BUCKET": "lake", "B3_BTC_SYMBOLS": "ETHBRL", "B3_BTC_PROVIDER": "kraken"}

    assert settings.read(given) == settings.read({"B3_LAKE_BUCKET": "lake"})
