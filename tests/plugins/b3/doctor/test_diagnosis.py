import textwrap

from b3.doctor.diagnosis import WIDTH, Diagnosis, table

HEADING = ("address", "answer", "as the parser expects it?")
RIGHT = Diagnosis("sector workbook", "200, 74 kB", "278 companies")
PLAIN = Diagnosis("make", "there")
WRONG = Diagnosis(
    "holidays",
    "404, 150 bytes",
    expected="status 200",
    found="status 404",
    advice="Open it.",
    url="https://b3/feriados/",
)


def test_a_table_has_a_line_for_each_and_below_it_what_differs():
    assert table([RIGHT, WRONG, PLAIN], HEADING) == textwrap.dedent("""\
        address          answer          as the parser expects it?
        ---------------  --------------  ----------------------------------------------
        sector workbook  200, 74 kB      as expected: 278 companies
        holidays         404, 150 bytes  DIFFERS: found status 404, expected status 200
        make             there           as expected

        holidays
          address   https://b3/feriados/
          expected  status 200
          found     status 404
          to do     Open it.""")


def test_a_table_of_what_is_right_ends_with_its_last_line():
    assert table([RIGHT], HEADING).splitlines()[-1].startswith("sector workbook")


def test_lines_are_cut_to_the_width_of_a_terminal_and_details_are_wrapped():
    words = " ".join(["word"] * 60)
    long = Diagnosis(
        "A very long name of an address of B3's", "200, 1 bytes", expected=words, found=words, advice="Wait."
    )

    lines = table([RIGHT, long], HEADING).splitlines()

    assert max(map(len, lines)) == WIDTH
    assert [line[-1] for line in lines if line.startswith("A very long")] == ["…", "s"]
    assert sum(line.count("word") for line in lines if line.startswith(("  expected", "  found", " " * 12))) == 120


def test_an_address_is_never_broken():
    url = "https://b3/" + "a" * 200

    lines = table([Diagnosis("holidays", "none", expected="a", found="b", advice="c", url=url)], HEADING).splitlines()

    assert f"  address   {url}" in lines


def test_what_differs_may_be_told_on_several_lines_and_is_put_on_one():
    told = Diagnosis("x", "?", expected="a", found="first\n  second", advice="Go.")

    assert "DIFFERS: found first second, expected a" in table([told], HEADING)
    assert "  found     first second" in table([told], HEADING)


class TestADiagnosis:
    def test_differs_by_what_was_found(self):
        assert RIGHT.as_expected
        assert not WRONG.as_expected
