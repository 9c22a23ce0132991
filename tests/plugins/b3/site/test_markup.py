import time

import pytest

from b3.errors import BadLayout
from b3.site import markup

SOURCE = "https://b3.example/"


def test_a_page_is_parsed_as_it_is():
    page = markup.parse("<ul><li>Março<li>Abril<br></ul><p class=x>Dia".encode(), source=SOURCE)

    assert [element.get_text() for element in page.find_all("li")] == ["MarçoAbril", "Abril"]
    assert page.find("p", class_="x").get_text() == "Dia"


def test_the_end_of_an_outer_element_ends_those_within():
    """As in the tree: so unclosed paragraphs of many sections are not nested."""
    markup.parse(b"<div><p><p><p></div>" * 200, source=SOURCE)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (b"<div>" * 4000 + b"</div>" * 4000, "256 elements, one within the other"),
        (b"<a " * 22_000, "4096 characters in a tag"),
        (b"<!--" * 16_000, "4096 characters in a tag"),
        (b"<p>" + b"<a b='" * 160_000, "4096 characters in a tag"),
        (b"<" * (1 << 20), "40000 tags and texts"),
        (b"<br>" * 40_001, "40000 tags and texts"),
        (b"<p>" + b" " * (4 << 20), "4194304 bytes"),
    ],
    ids=["deep", "unclosed", "comments", "quotes", "texts", "elements", "large"],
)
def test_a_page_beyond_the_bounds_is_refused_within_a_second(page, expected):
    began = time.perf_counter()

    with pytest.raises(BadLayout, match=f"{SOURCE}: expected a web page of at most {expected}; found"):
        markup.parse(page, source=SOURCE)

    assert time.perf_counter() - began < 1


def test_markup_that_breaks_the_parser_is_refused():
    with pytest.raises(BadLayout, match="expected markup that can be read; found "):
        markup.parse(b"<html><![a&", source=SOURCE)
