import pytest

from local.commands import run


@pytest.fixture
def ran(monkeypatch):
    """The dates for which the DAG would have run."""
    dates: list[str] = []
    monkeypatch.setattr("local.commands.run.run", lambda chosen, date, **_: dates.append(date.isoformat()) or 0)
    return dates


@pytest.fixture(autouse=True)
def quotes_file(tmp_path):
    """A folder is only replayed if it has a file of quotes."""
    (tmp_path / "COTAHIST_A1990.ZIP").touch()


@pytest.mark.parametrize("date", ["1986-05-24", "1990-03-14", "1999-12-31"], ids=["Saturday", "Wednesday", "holiday"])
def test_a_day_before_2000_is_left_to_b3_and_the_lake(ran, tmp_path, date):
    assert run.main(["--date", date, "--exchange", str(tmp_path)]) == 0

    assert ran == [date]


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("1990-03-18", "Sunday 1990-03-18, on which B3 was closed. Ask for 1990-03-16"),
        ("2020-05-01", "Friday 2020-05-01, on which B3 was closed. Ask for 2020-04-30"),
        ("2020-05-02", "Saturday 2020-05-02, on which B3 was closed. Ask for 2020-04-30"),
        ("1985-12-30", "B3's historical quotes begin in 1986"),
    ],
)
def test_a_day_that_is_surely_closed_is_refused_before_anything_starts(ran, tmp_path, capsys, date, said):
    assert run.main(["--date", date, "--exchange", str(tmp_path)]) == 2

    assert said in capsys.readouterr().err
    assert ran == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--date", "abc"], "expected DATE=YYYY-MM-DD, such as 2024-03-14; found DATE=abc"),
        (["--date", "2099-01-05"], "found DATE=2099-01-05, which is yet to come: today is "),
    ],
)
def test_a_date_that_cannot_be_run_is_told_in_a_sentence(ran, tmp_path, capsys, arguments, said):
    assert run.main([*arguments, "--exchange", str(tmp_path)]) == 2

    assert said in capsys.readouterr().err
    assert ran == []


def test_a_folder_without_quotes_is_refused_at_once_with_a_date_too(ran, tmp_path, capsys):
    (tmp_path / "empty").mkdir()

    assert run.main(["--date", "2024-03-14", "--exchange", str(tmp_path / "empty")]) == 2

    assert f"found none in {tmp_path / 'empty'}" in capsys.readouterr().err
    assert ran == []
