"""The picture of docs/visual.md is that of the nodes."""

import re

from infra.visual import nodes, picture


def drawn() -> str:
    return picture.draw(nodes.read(nodes.path_of(), LakeBucket="lake", Database="b3"))


def test_the_document_shows_the_nodes_as_they_are():
    document = picture.DOCUMENT.read_text()

    assert picture.in_document(document, drawn()) == document, "run `make structure`"
    assert f"```mermaid\n{drawn()}\n```" in document


def test_has_every_node_by_its_name_and_every_input_as_an_arrow():
    ordered = nodes.in_order(nodes.read(nodes.path_of(), LakeBucket="lake", Database="b3"))

    for node in ordered:
        assert f'"{node.name}<br/>' in drawn()
    arrows = re.findall(r"^  (\w+) --> (\w+)$", drawn(), re.MULTILINE)
    assert arrows == [(each.replace("-", "_"), node.id.replace("-", "_")) for node in ordered for each in node.inputs]


def test_a_former_picture_is_replaced(tmp_path):
    path = tmp_path / "visual.md"
    path.write_text("# A\n\n```mermaid\nflowchart TD\n```\n\nB\n")

    assert picture.main(path) == 0
    assert path.read_text() == f"# A\n\n```mermaid\n{drawn()}\n```\n\nB\n"
