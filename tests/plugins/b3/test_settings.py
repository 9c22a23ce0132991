import pytest

from b3 import settings
from b3.lake import Lake


def test_the_bucket_suffices_and_names_follow_the_database():
    found = settings.read({"B3_LAKE_BUCKET": "lake"})

    assert found.lake == Lake("lake")
    assert found.glue_database == "b3"
    assert found.glue_job == "b3-refine"
    assert found.athena_workgroup == "b3"
    assert (found.raw_crawler, found.refined_crawler) == ("b3-raw", "b3-refined")


def test_another_database_renames_what_is_not_named():
    found = settings.read({"B3_LAKE_BUCKET": "lake", "B3_GLUE_DATABASE": "b3_test"})

    assert (found.glue_job, found.athena_workgroup) == ("b3_test-refine", "b3_test")
    assert (found.raw_crawler, found.refined_crawler) == ("b3_test-raw", "b3_test-refined")


@pytest.mark.parametrize("prefix", ["B3_", "AIRFLOW__B3__"], ids=["plain", "as MWAA gives configuration options"])
def test_every_setting_can_be_given(prefix):
    names = {"LAKE_BUCKET": "lake", "GLUE_DATABASE": "markets", "GLUE_JOB": "job", "ATHENA_WORKGROUP": "analysts"}

    found = settings.read({prefix + name: value for name, value in names.items()})

    assert found == settings.Settings("lake", "markets", "job", "analysts")


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
