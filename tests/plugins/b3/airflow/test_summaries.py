"""What tasks say of what they did."""

from b3.airflow.summaries import of_files, of_quotes


def partition(day: str, rows: int, volume: str) -> dict[str, object]:
    return {
        "trade_date": day,
        "rows": rows,
        "financial_volume": volume,
        "uri": f"s3://lake/{day}",
        "source": "s3://zip",
    }


def test_a_session_has_its_rows_volume_source_and_place():
    written = {"partitions": [partition("2024-03-14", 6749, "31946037207.03")], "kept": []}

    assert of_quotes(written) == (
        "2024-03-14: 6,749 rows, financial volume 31,946,037,207.03; s3://zip is in s3://lake/2024-03-14"
    )


def test_several_sessions_are_summed_exactly():
    written = {
        "partitions": [partition("2024-03-13", 1, "0.10"), partition("2024-03-14", 2, "0.20")], "kept": ["2024-03-12"],
    }  # fmt: skip

    assert of_quotes(written) == (
        "2 sessions: 3 rows, financial volume 0.30; s3://lake/2024-03-13 to 2024-03-14; "
        "kept, since the file lacks them: 2024-03-12"
    )


def test_files_are_named_by_the_first_and_counted():
    assert of_files(["a"]) == "landed: a"
    assert of_files(["a", "b", "c"]) == "landed: a and 2 more"
    assert of_files([]) == "nothing landed"
