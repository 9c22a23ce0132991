import pytest

from b3.errors import SourceError
from b3.site.urls import origin, split_credentials, without_secrets


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://b3.example/a/b.ZIP", "https://b3.example/a/b.ZIP"),
        ("https://ana:s3cret@b3.example/a", "https://b3.example/a"),
        ("https://ana:s3/c@ret@b3.example/a", "https://b3.example/a"),
        ("https://b3.example/a?X-Amz-Signature=abc&x=1", "https://b3.example/a?…"),
        ("https://b3.example/a#access_token=abc", "https://b3.example/a?…"),
        ("Max retries exceeded with url: /a?token=abc (Caused by X('y'))", "Max retries exceeded with url: /a?… "
         "(Caused by X('y'))"),
        ("Failed to parse: 'http://ana:s3cret@:x'", "Failed to parse: 'http://:x'"),
        ("what? nothing", "what? nothing"),
    ],
)  # fmt: skip
def test_a_text_is_told_without_credentials_and_queries(text, told):
    assert without_secrets(text) == told


@pytest.mark.parametrize(
    ("url", "bare", "credentials"),
    [
        ("https://b3.example/", "https://b3.example", None),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", None),
        ("https://ana:s3cret@b3.example:8443/mirror/", "https://b3.example:8443/mirror", ("ana", "s3cret")),
        ("https://ana:a%2Fb%40c@b3.example", "https://b3.example", ("ana", "a/b@c")),
        ("https://token@b3.example", "https://b3.example", ("token", "")),
        ("https://b3.example?sig=abc#part", "https://b3.example", None),
    ],
)
def test_a_host_is_split_from_its_credentials(url, bare, credentials):
    assert split_credentials(url, "host of b3_default") == (bare, credentials)


@pytest.mark.parametrize(
    "url", ["https://ana:s3/cret@b3.example", "https://", "http://[::1", "https://b3.example:port"]
)
def test_a_url_that_cannot_be_split_is_refused_without_being_quoted(url):
    with pytest.raises(SourceError, match=r"^host of b3_default: expected a URL as .* %-escapes") as error:
        split_credentials(url, "host of b3_default")

    assert "s3" not in str(error.value)
    assert error.value.__cause__ is None


def test_an_origin_is_a_host_and_its_port():
    assert origin("https://B3.example/a") == origin("https://b3.example:443") == ("b3.example", 443)
    assert origin("http://b3.example") == ("b3.example", 80)
