import datetime as dt

import pytest

from local.commands import history

NOW = dt.datetime(2026, 1, 1, 2, 0, tzinfo=dt.UTC)  # still 2025 in São Paulo


class TestYears:
    def test_are_those_between_both_included(self):
        assert history.years("2020", "2024", NOW) == (2020, 2024)

    def test_are_one_without_a_last(self):
        assert history.years("2020", "", NOW) == (2020, 2020)

    def test_go_up_to_this_one_in_sao_paulo(self):
        assert history.years("2025", "", NOW) == (2025, 2025)

    @pytest.mark.parametrize(("first", "last"), [("2021", "2020"), ("1985", "1990"), ("2025", "2026")])
    def test_that_b3_has_no_files_of_are_refused(self, first, last):
        with pytest.raises(ValueError, match=rf"expected years from 1986 to 2025.*found FROM={first} TO={last}"):
            history.years(first, last, NOW)

    @pytest.mark.parametrize("first", ["", "20x0", "2020-01-01"])
    def test_that_are_no_numbers_are_refused(self, first):
        with pytest.raises(ValueError, match=r"expected years as FROM=2020 TO=2024"):
            history.years(first, "", NOW)


def test_a_year_that_cannot_be_run_is_status_2_and_starts_nothing(capsys):
    assert history.main(["--from", "1985"]) == 2

    assert "history: expected years from 1986" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (2020, 2022, [(2020, 2020), (2021, 2021), (2022, 2022)]),
        (1986, 1986, [(1986, 1986)]),
        (1986, 1995, [(1986, 1993), (1994, 1995)]),
        (2005, 2012, [(2005, 2010), (2011, 2011), (2012, 2012)]),
    ],
    ids=["large years", "a small year", "small years", "small and large years"],
)
def test_small_years_go_through_one_run(first, last, expected):
    assert history.years_of_each_run(first, last) == expected
