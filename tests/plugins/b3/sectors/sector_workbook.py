"""The sector classification workbook, made by hand: as few parts of xlsx as it takes."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"

TITLE = ("CLASSIFICAÇÃO SETORIAL DAS EMPRESAS NEGOCIADAS NA B3",)
HEADING = (("SETOR ECONÔMICO", "SUBSETOR", "SEGMENTO", "LISTAGEM"), ("", "", "", "CÓDIGO", "SEGMENTO"))
ROWS = (
    TITLE,
    (),
    *HEADING,
    ("Bens Industriais", "Máquinas e Equipamentos", "Motores"),
    ("", "", "MAQUINAS    ", "MAQS", "NM             "),
    ("", "", "MOTORES     ", "M0TR"),
    ("", "", "Armas"),
    ("", "Transporte", "Linhas  Aéreas "),
    ("", "", "VOO & CIA", "VOOO", "N2"),
    (),
    *HEADING,
    ("Outros", "Outros", "Outros"),
    ("", "", "RESTO", "REST"),
    (),
    ("(NM) Novo Mercado",),
    ("ATENÇÃO",),
)

Rows = Sequence[Sequence[str]]


def make_workbook(rows: Rows = ROWS, *, inline: bool = False, target: str = "worksheets/sheet7.xml") -> bytes:
    """The workbook of those rows, each the texts of its columns from A on."""
    shared: dict[str, int] = {}

    def cell(place: str, text: str) -> str:
        if not text:
            return f'<c r="{place}" s="1"/>'
        if inline:
            return f'<c r="{place}" t="inlineStr"><is><t>{escape(text)}</t></is></c>'
        return f'<c r="{place}" t="s"><v>{shared.setdefault(text, len(shared))}</v></c>'

    body = "".join(
        f'<row r="{number}">' + "".join(cell(f"{chr(65 + n)}{number}", text) for n, text in enumerate(row)) + "</row>"
        for number, row in enumerate(rows, 1)
    )
    # A text may be cut into runs of different fonts.
    texts = "".join(f"<si><r><t>{escape(t[:3])}</t></r><r><t>{escape(t[3:])}</t></r></si>" for t in shared)
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>'
        '<sheet name="Class_setorial" sheetId="1" r:id="rId9"/><sheet name="Estrutura" sheetId="2" r:id="rId2"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">'
        f'<Relationship Id="rId2" Target="worksheets/sheet1.xml"/><Relationship Id="rId9" Target="{target}"/>'
        "</Relationships>",
        "xl/worksheets/sheet7.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>',
    }
    if shared:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{texts}</sst>'
    return packed(parts)


def packed(parts: Mapping[str, str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of those members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()
