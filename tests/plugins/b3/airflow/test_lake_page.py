"""The page B3 in Airflow's own API server, which loads the plugin from the plugins folder: login, answers, failures."""

import datetime as dt
import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from b3.lake import layout
from local.aws import launch
from tests.plugins.b3.page.lake_objects import put_session

DAY = dt.date(2024, 3, 14)
ADDRESSES = ("/b3/", f"/b3/reports/{DAY}", f"/b3/reports/{DAY}/index.html")


@pytest.fixture(scope="module")
def server() -> Any:
    """Airflow's API server, as `airflow api-server` makes it, with what it reads of its database to know a user."""
    from airflow import settings as airflow_settings
    from airflow.api_fastapi.app import create_app

    airflow_settings.configure_orm()
    revoked = importlib.import_module("airflow.models.revoked_token").RevokedToken
    revoked.__table__.create(airflow_settings.engine, checkfirst=True)
    return create_app(apps="core")


@pytest.fixture
def anybody(server) -> TestClient:
    """A browser that is not logged in, and that does not see exceptions of the server."""
    return TestClient(server, raise_server_exceptions=False)


@pytest.fixture
def login(server) -> Callable[[str | None], str]:
    """The token of a user with a role; the browser has it in a cookie."""
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return lambda role: server.state.auth_manager.generate_jwt(SimpleAuthManagerUser(username="ana", role=role))


@pytest.fixture
def viewer(server, login) -> Iterator[TestClient]:
    """A browser of a user who may look, and the application as it starts: it remembers nothing."""
    from b3.airflow import lake_page

    [mount] = [route for route in server.routes if getattr(route, "path", "") == lake_page.PREFIX]
    former, mount.app = mount.app, lake_page.make_app()
    yield TestClient(server, cookies={"_token": login("viewer")})
    mount.app = former


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, aws_server: launch.Server, lake) -> pytest.MonkeyPatch:
    """The environment of an API server whose lake is the test's."""
    connection = {
        "conn_type": "aws", "login": "local", "password": aws_server.secret,
        "extra": {"region_name": "sa-east-1", "endpoint_url": aws_server.endpoint},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    # As a configuration option of MWAA comes.
    monkeypatch.setenv("AIRFLOW__B3__LAKE_BUCKET", lake.bucket)
    return monkeypatch


@pytest.mark.parametrize("address", ADDRESSES)
def test_without_a_login_nothing_is_shown(anybody, settings, s3, lake, address):
    put_session(s3, lake, DAY, "raw", "refined", "findings", "report")
    for headers in ({}, {"Authorization": "Bearer made-up"}, {"Cookie": "_token=made-up"}):
        answer = anybody.get(address, headers=headers)
        assert answer.status_code in (401, 403), headers
        assert lake.bucket not in answer.text and str(DAY) not in answer.text


@pytest.mark.parametrize("address", ["/b3/docs", "/b3/openapi.json", "/b3/redoc"])
def test_nothing_tells_of_its_addresses(viewer, settings, address):
    assert viewer.get(address).status_code == 404


def test_a_user_without_a_role_is_refused(server, settings, login):
    assert TestClient(server, cookies={"_token": login(None)}).get("/b3/").status_code == 403


def test_a_viewer_sees_the_lake(viewer, settings, s3, lake):
    put_session(s3, lake, DAY, "raw", "refined", "findings", "report", source="simulated")

    answer = viewer.get("/b3/?year=2024", headers={"Accept-Language": "pt-BR"})

    assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Data lake da B3 SIMULATED" in answer.text and f'href="reports/{DAY}?' in answer.text


def test_a_report_is_sent_as_it_is_in_the_lake_without_the_rights_of_the_ui(viewer, settings, s3, lake):
    put_session(s3, lake, DAY, "raw", "report")

    around = viewer.get(f"/b3/reports/{DAY}")
    answer = viewer.get(f"/b3/reports/{DAY}/index.html")

    assert f'<iframe src="{DAY}/index.html"' in around.text
    assert answer.content == f"<p>report of {DAY}</p>".encode()
    policy = answer.headers["content-security-policy"].split("; ")
    # An origin of its own, in which no script runs.
    assert "sandbox" in policy and "default-src 'none'" in policy and not any("script" in each for each in policy)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_page_is_kept_or_framed_elsewhere(viewer, settings, s3, lake, address):
    put_session(s3, lake, DAY, "raw", "report")

    headers = viewer.get(address).headers

    assert headers["cache-control"] == "private, no-store" and headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_report_that_is_not_there_is_not_found(viewer, settings):
    assert viewer.get(f"/b3/reports/{DAY}/index.html").status_code == 404


@pytest.mark.parametrize("date", ["tomorrow", "..%2f..%2fraw", "2024-02-30"])
def test_a_date_that_is_none_names_no_object(viewer, settings, date):
    assert viewer.get(f"/b3/reports/{date}/index.html").status_code in (404, 422)


def test_the_lake_is_listed_once_for_many_views(viewer, settings, s3, lake):
    put_session(s3, lake, DAY)
    assert "complete: 1" in viewer.get("/b3/").text
    s3.delete_object(Bucket=lake.bucket, Key=layout.findings_key(DAY))
    assert "complete: 1" in viewer.get("/b3/").text


def test_an_empty_lake_is_a_sentence(viewer, settings):
    answer = viewer.get("/b3/")
    assert answer.status_code == 200 and "The lake is empty" in answer.text


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_lake_that_fails_is_a_sentence(viewer, settings, address):
    settings.setenv("AIRFLOW__B3__LAKE_BUCKET", "no-such-bucket")
    answer = viewer.get(address)
    assert answer.status_code == 503
    assert "The lake does not answer." in answer.text and "no-such-bucket" in answer.text


def test_s3_that_is_away_is_a_sentence(viewer, settings):
    gone = {"conn_type": "aws", "login": "a", "password": "b", "extra": {"endpoint_url": "http://127.0.0.1:9"}}
    settings.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(gone))
    answer = viewer.get("/b3/")
    assert answer.status_code == 503 and "Could not connect to the endpoint URL" in answer.text


def test_settings_without_a_lake_are_a_sentence(viewer, settings):
    settings.delenv("AIRFLOW__B3__LAKE_BUCKET")
    answer = viewer.get("/b3/")
    assert answer.status_code == 503 and "expected the lake&#39;s bucket in B3_LAKE_BUCKET" in answer.text


def test_the_navigation_of_the_ui_leads_to_it(viewer):
    plugins = {each["name"]: each for each in viewer.get("/api/v2/plugins").json()["plugins"]}

    [view] = plugins["b3"]["external_views"]

    assert (view["name"], view["destination"], view["nav_top_level"], view["url_route"]) == ("B3", "nav", True, "b3")
    # Below the base URL of the UI, whatever it is.
    assert viewer.get(f"/{view['href']}").status_code != 404 and not view["href"].startswith("/")
