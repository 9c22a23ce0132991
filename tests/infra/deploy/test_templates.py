import pytest

from infra.checkout import template
from infra.deploy import templates


@pytest.mark.parametrize("name", ["lake", "mwaa", "github", "code"])
def test_a_template_reaches_cloudformation_as_it_comes_back(name):
    """GetTemplate gives a question mark for each character that is not ASCII."""
    content, text = templates.read(template(name))
    given_back = text.encode("ascii", "replace").decode()

    assert templates.parse(given_back) == content


def test_accents_that_matter_are_escaped(tmp_path):
    path = tmp_path / "lake.yaml"
    path.write_text("Resources: {Table: {Comment: Código}}\n", encoding="utf-8")

    assert templates.read(path)[1] == r'{"Resources":{"Table":{"Comment":"C\u00f3digo"}}}'


def test_a_template_without_them_keeps_its_own_words(tmp_path):
    text = "# São Paulo\nResources: {Table: {Comment: Code}}\n"
    path = tmp_path / "lake.yaml"
    path.write_text(text, encoding="utf-8")

    assert templates.read(path)[1] == text
