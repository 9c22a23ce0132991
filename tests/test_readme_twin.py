"""README.md and README.pt-BR.md say the same, each in its language."""

import re

import pytest

from tests.places import ROOT

ENGLISH, PORTUGUESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.pt-BR.md"))
CODE_BLOCK = re.compile(r"^```.*?^```$|(?:^ {4}[^\n]*\n(?:\n(?= {4}))?)+", re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    return CODE_BLOCK.sub("", text)


def headings(text: str) -> list[str]:
    return re.findall(r"^(#+) .", prose(text), re.MULTILINE)


def links(text: str) -> list[str]:
    """The targets of links, in order, but for the first, which leads to the other language."""
    return re.findall(r"\]\(([^)]+)\)|<(https?:[^>]+)>", prose(text))[1:]


def paragraphs(text: str) -> list[str]:
    """How each paragraph begins to be one: a heading, a row of a table, bold, a picture, or plain."""
    kinds = {"#": "heading", "|": "table", "*": "emphasis", "!": "picture"}
    return [kinds.get(part[0], "plain") for part in re.split(r"\n\s*\n", prose(text).strip())]


def cells(text: str) -> list[list[str]]:
    """The cells of each row of the tables."""
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]


def test_they_have_the_same_headings_in_order():
    assert len(headings(ENGLISH)) >= 8
    assert headings(PORTUGUESE) == headings(ENGLISH)


def test_they_have_the_same_code_byte_for_byte():
    assert len(CODE_BLOCK.findall(ENGLISH)) >= 8
    assert CODE_BLOCK.findall(PORTUGUESE) == CODE_BLOCK.findall(ENGLISH)


def test_they_have_the_same_links_and_pictures_in_order():
    assert ("docs/images/report.png", "") in links(ENGLISH)
    assert links(PORTUGUESE) == links(ENGLISH)


def test_they_name_the_same_commands_files_and_settings():
    def named(text: str) -> list[str]:
        return sorted(re.findall(r"`[^`\n]+`", prose(text)))

    assert named(PORTUGUESE) == named(ENGLISH)


def test_they_have_the_same_paragraphs():
    assert paragraphs(PORTUGUESE) == paragraphs(ENGLISH)


def test_their_tables_have_the_same_rows():
    assert [len(row) for row in cells(PORTUGUESE)] == [len(row) for row in cells(ENGLISH)]
    code = [[re.findall(r"`[^`]+`", row[0]) for row in cells(text)] for text in (ENGLISH, PORTUGUESE)]
    assert code[1] == code[0]


def test_they_have_the_same_figures():
    """A figure is written with a point in one and a comma in the other."""

    def figures(text: str) -> list[str]:
        words = re.sub(r"`[^`\n]+`|\]\([^)]+\)", "", prose(text))
        return sorted(re.sub(r"[.,]", "", number) for number in re.findall(r"\d[\d.,]*\d|\d", words))

    assert figures(PORTUGUESE) == figures(ENGLISH)


@pytest.mark.parametrize(
    ("text", "other"), [(ENGLISH, "README.pt-BR.md"), (PORTUGUESE, "README.md")], ids=["English", "Portuguese"]
)
def test_each_leads_to_the_other_at_its_top(text, other):
    assert f"]({other})" in "\n".join(text.splitlines()[:4])


def test_the_portuguese_one_is_not_the_english_one():
    same = {line for line in prose(ENGLISH).splitlines() if len(line) > 60} & set(prose(PORTUGUESE).splitlines())

    assert same == set()
