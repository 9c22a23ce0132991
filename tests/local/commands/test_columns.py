import pytest

from local.commands import columns


def template(**comments: str) -> dict:
    def resource(table: str, comment: str) -> dict:
        of = [{"Name": "ticker", "Type": "string", "Comment": comment}]
        return {
            "Type": "AWS::Glue::Table",
            "Properties": {"TableInput": {"Name": table, "PartitionKeys": [], "StorageDescriptor": {"Columns": of}}},
        }

    return {"Resources": {name: resource(name, comment) for name, comment in comments.items()}}


TEXT = f"before\n{columns.BEGIN}\nold\n{columns.END}\nafter\n"


def test_a_column_has_both_languages_and_one_row_where_tables_explain_it_alike():
    written = columns.with_columns(TEXT, template(raw="Code / Código", refined="Code / Código", other="Share / Ação"))

    assert "| ticker | raw, refined | Code | Código |\n| ticker | other | Share | Ação |" in written
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert "old" not in written


def test_writing_again_changes_nothing():
    content = template(raw="Code / Código")
    once = columns.with_columns(TEXT, content)

    assert columns.with_columns(once, content) == once


@pytest.mark.parametrize("comment", ["", "Code", "Code / Código / again"])
def test_a_comment_that_is_not_in_both_languages_is_named(comment):
    with pytest.raises(ValueError, match=r"expected the comment of raw\.ticker as English / Português"):
        columns.with_columns(TEXT, template(raw=comment))


def test_a_document_without_a_place_is_refused():
    with pytest.raises(ValueError, match="found no such two"):
        columns.with_columns("text", template(raw="Code / Código"))
