import base64
import io
import tracemalloc
import zipfile

import pytest

from b3.errors import BadLayout, NotB3Data, NotPublished, Truncated
from b3.sectors import workbook
from b3.sectors.workbook import read_workbook, root
from tests.plugins.b3.sectors.sector_workbook import HEADING, MAIN, ROWS, TITLE, make_workbook, packed

FIRST_HEADING = 2
ENCODED = base64.b64encode(make_workbook())
# A JSON text may write any letter as its number.
WRAPPED = {
    "plain": ENCODED,
    "in lines": base64.encodebytes(make_workbook()),
    "quoted": b'"' + ENCODED + b'"',
    "quoted and escaped": b'\xef\xbb\xbf"' + ENCODED.replace(b"+", rb"\u002B").replace(b"/", rb"\/") + b'"\n',
}


def central(workbook, offset, value):
    """The workbook with a byte of each record of its directory changed."""
    changed = bytearray(workbook)
    at = workbook.find(b"PK\1\2")
    while at >= 0:
        changed[at + offset] = value
        at = workbook.find(b"PK\1\2", at + 1)
    return bytes(changed)


def with_parts(parts):
    """A workbook some of whose members are other ones."""
    with zipfile.ZipFile(io.BytesIO(make_workbook())) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    return packed(members | parts)


def refused_within(most, body, message):
    """Refuse a workbook of less than 150 KB, and return whether that took at most so many bytes of memory."""
    assert len(body) < 150_000
    tracemalloc.start()
    with pytest.raises(BadLayout, match=message):
        read_workbook(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak < most


def encoded(xml):
    return lambda _: packed({"xl/workbook.xml": xml})


DAMAGES = {
    "an unknown compression": (lambda book: central(book, 10, 99), BadLayout, "compression method 99"),
    "a member that is encrypted": (lambda book: central(book, 8, 1), BadLayout, "plain ZIP, .*; found .* encrypted"),
    "a ZIP of another version": (lambda book: central(book, 6, 99), BadLayout, "plain ZIP.*; found zip file version"),
    "a member that is elsewhere": (lambda book: central(book, 42, 7), Truncated, "Bad magic number for file header"),
    "an unknown encoding": (encoded('<?xml version="1.0" encoding="x-no"?><a/>'), BadLayout, "unknown encoding"),
    "an encoding of more than a byte": (
        encoded('<?xml version="1.0" encoding="shift_jis"?><a/>'), BadLayout, "multi-byte encodings are not supported"
    ),
    "half of a surrogate pair": (encoded("<a>&#xD800;</a>"), BadLayout, "reference to invalid character number"),
}  # fmt: skip


def rows_changed(number, *row):
    rows = list(ROWS)
    rows[number] = row
    return make_workbook(rows)


class TestTheWorkbook:
    @pytest.mark.parametrize(
        "made",
        [{}, {"inline": True}, {"target": "/xl/worksheets/sheet7.xml"}],
        ids=["shared texts", "texts in the cells", "absolute target"],
    )
    def test_gives_each_company_what_stands_above_it(self, made):
        table = read_workbook(make_workbook(**made))

        assert table.schema == workbook.SCHEMA
        assert [tuple(row.values()) for row in table.to_pylist()] == [
            ("MAQS", "MAQUINAS", "Bens Industriais", "Máquinas e Equipamentos", "Motores", "NM"),
            ("M0TR", "MOTORES", "Bens Industriais", "Máquinas e Equipamentos", "Motores", None),
            ("VOOO", "VOO & CIA", "Bens Industriais", "Transporte", "Linhas Aéreas", "N2"),
            ("REST", "RESTO", "Outros", "Outros", "Outros", None),
        ]

    @pytest.mark.parametrize("wrapped", WRAPPED.values(), ids=WRAPPED)
    def test_may_come_as_base64(self, wrapped):
        assert read_workbook(wrapped) == read_workbook(make_workbook())

    def test_is_joined_by_the_first_four_characters_of_a_ticker(self):
        assert [root(ticker) for ticker in ("MAQS3", "M0TR11", "VOOO4F")] == ["MAQS", "M0TR", "VOOO"]

    @pytest.mark.parametrize(
        ("line", "column", "changed", "found"),
        [
            (0, 0, "SETOR", "'SETOR'"),
            (0, 1, "", "an empty cell"),
            (1, 3, "TICKER", "'TICKER'"),
            (1, 4, "", "an empty cell"),
        ],
    )
    def test_of_a_changed_heading_names_it(self, line, column, changed, found):
        heading = list(HEADING[line])
        expected, heading[column] = heading[column], changed
        place = f"{'ABCDE'[column]}{FIRST_HEADING + line + 1}"

        with pytest.raises(
            BadLayout, match=rf"expected the heading '{expected}' in cell {place}; found {found}\. B3 c"
        ):
            read_workbook(rows_changed(FIRST_HEADING + line, *heading))

    def test_of_a_heading_more_names_it(self):
        with pytest.raises(BadLayout, match=r"expected nothing in cell E3; found 'CNPJ'"):
            read_workbook(rows_changed(FIRST_HEADING, *HEADING[0], "CNPJ"))
        with pytest.raises(BadLayout, match=r"expected the columns A to E; found 'CNPJ' in cell F4"):
            read_workbook(rows_changed(FIRST_HEADING + 1, *HEADING[1], "CNPJ"))

    def test_of_a_heading_that_changes_on_a_later_page_names_it(self):
        with pytest.raises(BadLayout, match=r"found row 12 with SETOR, SUBSETOR, SEGMENTO, LISTAGEM"):
            read_workbook(rows_changed(11, "SETOR", *HEADING[0][1:]))

    @pytest.mark.parametrize(
        ("row", "expected"),
        [
            (("", "", "MOTORES", "MOTO3"), "CÓDIGO of four letters or digits"),
            (("", "", "MOTORES", "moto"), "CÓDIGO of four letters or digits"),
            (("", "", "", "MOTO"), "a company's name, code and listing segment alone, below its segment"),
            (("", "Motores", "MOTORES", "MOTO"), "a company's name, code and listing segment alone"),
            (("Bens de Capital", "", "Motores"), "the beginning of a segment"),
            (("", "Motores"), "the beginning of a segment"),
            (("", "", "MOTORES", "", "NM"), "the beginning of a segment"),
        ],
        ids=["ticker", "lower case", "no name", "a subsector", "no subsector", "no segment", "no code"],
    )
    def test_of_a_row_that_is_neither_names_it(self, row, expected):
        with pytest.raises(
            BadLayout, match=rf"expected {expected}.*; found row 7 with {', '.join(filter(None, row))}\."
        ):
            read_workbook(rows_changed(6, *row))

    def test_of_a_company_before_any_sector_names_it(self):
        with pytest.raises(BadLayout, match=r"below its segment; found row 4 with MOTORES, MOTO"):
            read_workbook(make_workbook([TITLE, *HEADING, ("", "", "MOTORES", "MOTO")]))

    def test_of_a_company_below_the_footnotes_names_it(self):
        with pytest.raises(BadLayout, match=r"nothing but footnotes below the table; found row 19 with TARDE, TARD"):
            read_workbook(make_workbook([*ROWS, ("", "", "TARDE", "TARD")]))

    def test_of_a_code_twice_names_both_companies(self):
        with pytest.raises(BadLayout, match=r"every code once; found MAQS of MAQUINAS and of MOTORES"):
            read_workbook(rows_changed(6, "", "", "MOTORES", "MAQS"))

    @pytest.mark.parametrize("rows", [(), (TITLE,), (TITLE, *HEADING), (TITLE, *HEADING, ROWS[4])])
    def test_without_companies_is_refused(self, rows):
        with pytest.raises(BadLayout, match="expected companies below the heading; found none"):
            read_workbook(make_workbook(rows))


class TestWhatIsNoWorkbook:
    def test_nothing(self):
        with pytest.raises(NotPublished, match="expected an xlsx workbook; found not one byte"):
            read_workbook(b"")

    def test_a_web_page(self):
        with pytest.raises(NotB3Data, match=r'expected an xlsx workbook; found a web page, "Access denied"'):
            read_workbook(b"<html><head><title>Access denied</title></head></html>", source="landing/sectors.xlsx")

    @pytest.mark.parametrize("body", [b"Service unavailable", b'"quoted"', b'{"error": 1}'])
    def test_anything_else(self, body):
        with pytest.raises(NotB3Data, match=rf"expected an xlsx workbook; found .*{body[:9].decode()}"):
            read_workbook(body)

    @pytest.mark.parametrize("wrapped", WRAPPED.values(), ids=WRAPPED)
    def test_base64_cut_short_anywhere(self, wrapped):
        for length in (10, 11, 12, 13, 100, 101, 102, 103, len(wrapped) - 5):
            with pytest.raises(Truncated, match=r"expected (the whole base64 of a|a whole) workbook"):
                read_workbook(wrapped[:length])

    def test_cut_short(self):
        with pytest.raises(Truncated, match="expected a whole workbook"):
            read_workbook(make_workbook()[:-30])

    def test_damaged(self):
        body = bytearray(make_workbook())
        start = body.index(b"xl/worksheets/sheet7.xml") + len("xl/worksheets/sheet7.xml")
        body[start + 20 : start + 60] = bytes(40)

        with pytest.raises(Truncated, match="expected a whole workbook"):
            read_workbook(bytes(body))

    def test_another_zip(self):
        with pytest.raises(BadLayout, match=r"an xlsx workbook with a sheet of texts; found KeyError: .*xl/workbook"):
            read_workbook(packed({"COTAHIST.TXT": "00"}))

    def test_no_sheet(self):
        with pytest.raises(BadLayout, match="expected a sheet in the workbook; found none"):
            read_workbook(packed({"xl/workbook.xml": "<workbook/>"}))

    def test_no_xml(self):
        with pytest.raises(BadLayout, match="a sheet of texts; found ParseError"):
            read_workbook(packed({"xl/workbook.xml": "{}"}))

    def test_one_that_unpacks_beyond_measure(self):
        more = packed({"xl/workbook.xml": "<workbook/>" + " " * (8 << 20)})
        assert len(more) < 20_000

        with pytest.raises(BadLayout, match=r"a workbook that unpacks to at most 8388608 bytes; found 8388619\."):
            read_workbook(more)

    def test_one_that_unpacks_to_more_than_it_says(self):
        """100 MB in 100 kB, said to be 11 bytes: neither the bytes nor their XML are ever in memory."""
        whole = packed({"xl/workbook.xml": "<workbook/>" + "<c/>" * (25 << 20)})
        size = (11 + 4 * (25 << 20)).to_bytes(4, "little")
        assert whole.count(size) == 2

        tracemalloc.start()
        with pytest.raises(Truncated, match=r"expected a whole workbook; found Bad CRC-32 for file 'xl/workbook\.xml'"):
            read_workbook(whole.replace(size, (11).to_bytes(4, "little")))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert peak < 24 << 20

    @pytest.mark.parametrize(
        ("sheet", "expected"),
        [
            ("<row>" + "<c/>" * 1_900_000 + "</row>", "at most 200000 elements in xl/worksheets/sheet7.xml"),
            ('<row r="1"/>' * 5_001, "at most 5000 rows"),
            ("<c>" * 500_000 + "</c>" * 500_000, "elements of xl/worksheets/sheet7.xml at most 64 deep"),
            ("<row " + 'a=""' + " " * 500_000 + "/>", "tags of .* of at most 262144 bytes"),
        ],
        ids=["cells", "rows", "depth", "attributes"],
    )
    def test_one_that_would_fill_the_memory(self, sheet, expected):
        body = with_parts(
            {"xl/worksheets/sheet7.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{sheet}</sheetData></worksheet>'}
        )

        assert refused_within(64 << 20, body, rf"expected {expected}; found")

    def test_one_that_names_a_long_text_in_every_row(self):
        """3 MB in every row of the table: the texts are shared in the workbook, but not in the table."""
        companies = [("", "", "x" * 3_000_000, f"A{n:03d}") for n in range(800)]

        assert refused_within(96 << 20, make_workbook([*ROWS[:5], *companies]), "expected texts of at most 500 letters")

    def test_one_with_entities_that_multiply_its_text(self):
        entities = f'<!DOCTYPE w [<!ENTITY a "{"x" * 1000}"><!ENTITY b "{"&a;" * 1000}">]>'
        body = with_parts({"xl/workbook.xml": f"{entities}<workbook>{'z' * 6_000_000}{'&b;' * 500}</workbook>"})

        assert refused_within(64 << 20, body, "expected no document type in xl/workbook.xml; found <!DOCTYPE w")

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_one_of_a_compression_that_can_unpack_without_bound(self, method):
        with pytest.raises(BadLayout, match=rf"xl/workbook\.xml stored or deflated; found compression method {method}"):
            read_workbook(packed({"xl/workbook.xml": "<workbook/>"}, method))

    @pytest.mark.parametrize(("damage", "kind", "found"), DAMAGES.values(), ids=DAMAGES)
    def test_one_that_breaks_the_modules_that_read_it(self, damage, kind, found):
        with pytest.raises(kind, match=found) as error:
            read_workbook(damage(make_workbook()), source="s3://lake/x.xlsx")

        assert error.value.source == "s3://lake/x.xlsx"
