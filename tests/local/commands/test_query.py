import contextlib
import datetime as dt
import io
import json
import os
import pty
import subprocess
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local.commands import query
from tests.local.conftest import command, run_command
from tests.places import ROOT


def ask(*arguments):
    done = run_command("query", *arguments)
    assert b"Traceback" not in done.stderr
    return done


@pytest.mark.usefixtures("held_lake")
class TestFormats:
    EVERY_TYPE = """
        SELECT 'a,"b"' AS text, '' AS blank, CAST(NULL AS varchar) AS missing,
               CAST(9007199254740993.07 AS decimal(18, 2)) AS volume, CAST(9007199254740993 AS bigint) AS quantity,
               true AS listed, date '2024-03-14' AS trade_date, 0.1e0 AS ratio
    """

    def test_csv_is_data_alone_and_the_footer_goes_to_stderr(self):
        done = ask("--sql", self.EVERY_TYPE, "--format", "csv")

        assert done.stdout.decode().splitlines() == [
            "text,blank,missing,volume,quantity,listed,trade_date,ratio",
            '"a,""b""",,,9007199254740993.07,9007199254740993,true,2024-03-14,0.1',
        ]
        assert done.stderr.startswith(b"1 row, 0.00 MB scanned")

    def test_json_has_an_object_a_line_with_nulls_and_exact_decimals(self):
        done = ask("--sql", self.EVERY_TYPE, "--format", "json")

        (line,) = done.stdout.decode().splitlines()
        assert json.loads(line) == {
            "text": 'a,"b"', "blank": "", "missing": None, "volume": "9007199254740993.07",
            "quantity": 9007199254740993, "listed": True, "trade_date": "2024-03-14", "ratio": 0.1,
        }  # fmt: skip

    @pytest.mark.parametrize("to_file", [True, False], ids=["to a file", "to a pipe"])
    def test_parquet_has_athenas_types(self, tmp_path, to_file):
        path = tmp_path / "answer.parquet"
        done = ask("--sql", self.EVERY_TYPE, *(["--out", str(path)] if to_file else ["--format", "parquet"]))

        found = pq.read_table(path if to_file else io.BytesIO(done.stdout))
        assert found.to_pylist() == [
            {
                "text": 'a,"b"', "blank": "", "missing": None, "volume": Decimal("9007199254740993.07"),
                "quantity": 9007199254740993, "listed": True, "trade_date": dt.date(2024, 3, 14), "ratio": 0.1,
            }
        ]  # fmt: skip
        assert found.schema.field("volume").type == pa.decimal128(18, 2)
        assert list(tmp_path.iterdir()) == ([path] if to_file else [])

    @pytest.mark.parametrize("name", ["table", "csv", "json"])
    def test_has_every_row_where_no_person_reads(self, name):
        done = ask("--sql", "SELECT n FROM UNNEST(sequence(1, 2500)) AS t (n)", "--format", name)

        assert len(done.stdout.splitlines()) == 2500 + {"table": 2, "csv": 1, "json": 0}[name]

    @pytest.mark.parametrize("name", ["json", "parquet"])
    def test_two_columns_of_a_name_are_refused_where_one_would_be_lost(self, name):
        done = ask("--sql", "SELECT 1 AS a, 2 AS a", "--format", name)

        assert (done.returncode, done.stdout) == (1, b"")
        assert b"found a twice: rename one with AS" in done.stderr

    @pytest.mark.parametrize("name", ["table", "csv", "json"])
    def test_a_reader_who_has_seen_enough_ends_it_without_a_word(self, name):
        sql = "SELECT n, 'a text that fills the pipe' AS t FROM UNNEST(sequence(1, 9000)) AS t (n)"
        asking = subprocess.Popen(
            command("query", "--sql", sql, "--format", name), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        asking.stdout.readline()
        asking.stdout.close()

        assert asking.stderr.read() == b""
        asking.stderr.close()
        assert asking.wait(60) == 0


@pytest.mark.usefixtures("held_lake")
class TestATerminal:
    @pytest.fixture
    def on_a_terminal(self):
        """Run a query whose output is a terminal; return its status, output and errors."""

        def run(*arguments):
            master, slave = pty.openpty()
            asking = subprocess.Popen(command("query", *arguments), cwd=ROOT, stdout=slave, stderr=subprocess.PIPE)
            os.close(slave)
            shown = b""
            # A terminal whose other end is closed fails to be read.
            with contextlib.suppress(OSError):
                while part := os.read(master, 65536):
                    shown += part
            os.close(master)
            told = asking.stderr.read().decode()
            asking.stderr.close()
            return asking.wait(60), shown.decode(), told

        return run

    def test_shows_the_first_thousand_rows_and_says_how_many_more_there_are(self, on_a_terminal):
        status, shown, told = on_a_terminal("--sql", "SELECT n FROM UNNEST(sequence(1, 3500)) AS t (n) ORDER BY n")

        assert status == 0
        assert [line.strip() for line in shown.splitlines()[2:]] == [str(n) for n in range(1, 1001)]
        assert told.splitlines()[0] == (
            "… and 2,500 more rows: a terminal shows the first 1,000. Add LIMIT, or write all of them with "
            "OUT=answer.csv"
        )
        assert told.splitlines()[1].startswith("3,500 rows, ")

    def test_gets_no_parquet(self, on_a_terminal):
        status, shown, told = on_a_terminal("--sql", "SELECT 1 AS one", "--format", "parquet")

        assert (status, shown) == (2, "")
        assert told == "query: expected a file for FORMAT=parquet, found a terminal: add OUT=answer.parquet\n"


@pytest.mark.parametrize(
    ("name", "out", "reason"),
    [
        ("xml", "", "expected FORMAT=table, csv, json, parquet, found 'xml'"),
        ("csv", "{folder}", "expected OUT= as a file, found a folder: {folder}"),
        ("csv", "{folder}/none/answer.csv", "expected OUT= in a folder that is there, found no {folder}/none"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_anything_is_asked(tmp_path, capsys, name, out, reason):
    arguments = ["--sql", "SELECT 1", "--format", name, "--out", out.format(folder=tmp_path)]

    assert query.main(arguments) == 2

    assert reason.format(folder=tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "name"),
    [("a.csv", "csv"), ("a.JSON", "json"), ("a.jsonl", "json"), ("a.parquet", "parquet"), ("a.txt", "table")],
)
def test_the_ending_of_the_file_decides_where_no_format_is_given(tmp_path, out, name):
    assert query.output_of("", str(tmp_path / out)).format == name
    assert query.output_of("csv", str(tmp_path / out)).format == "csv"


def refused(capsys, *arguments):
    assert query.main(list(arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


class TestWrongInput:
    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ([], 'expected one of SQL="SELECT …" and FILE=include/sql/….sql, found neither'),
            (["--sql", "SELECT 1", "--file", "a.sql"], "found both"),
            (["--file", "none.sql"], "expected FILE= as a file of SQL, found none at none.sql"),
            (["--file", "include/sql"], "expected FILE= as a file of SQL, found a folder at include/sql"),
            (
                ["--sql", "SELECT 1", "--date", "14/03/2024"],
                "expected DATE=YYYY-MM-DD, such as 2024-03-14; found DATE=14/",
            ),
            (["--sql", "SELECT 1", "--date", "2024-03-14"], "SQL does not take DATE=2024-03-14: it takes no variable"),
            (["--sql", "SELECT 1", "--exchange", "b3"], "expected EXCHANGE=auto, live, simulated or a folder"),
        ],
    )
    def test_is_told_in_a_sentence(self, capsys, arguments, reason):
        assert reason in refused(capsys, *arguments)

    def test_of_a_file_that_is_no_text(self, tmp_path, capsys):
        (tmp_path / "a.sql").write_bytes(b"\xff\xfe")

        assert "expected FILE= as a file of SQL in UTF-8" in refused(capsys, "--file", str(tmp_path / "a.sql"))

    @pytest.mark.usefixtures("held_lake")
    @pytest.mark.parametrize("sql", ["SELECT 1 WHERE", "SELECT * FROM quotes WHERE", "SELEC 1", "SELECT 'x"])
    def test_of_sql_speaks_of_sql_and_not_of_a_parser(self, sql):
        done = ask("--sql", sql)

        assert done.returncode == 2
        assert b"query: failed: SYNTAX_ERROR: " in done.stderr and b"<class" not in done.stderr
