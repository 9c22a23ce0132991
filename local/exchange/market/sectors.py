"""B3's spellings of `universe.SECTORS`: abbreviated in portfolios, in three levels in the workbook."""

from __future__ import annotations

# One or two spellings of a sector in B3's portfolios: some abbreviated, with and without blanks.
_LABELS = (
    ("Petróleo, Gás e Biocombustíveis",),
    ("Mats Básicos / Mineração",),
    ("Financ e Outros / Interms Financs", "Financeiro e Outros/Interms Financs"),
    ("Bens Indls / Máqs e Equips",),
    ("Cons N  Básico / Alimentos Processados", "Cons N Cíclico / Alimentos Processados"),
    ("Utilidade Públ / Energ Elétrica",),
    ("Consumo Cíclico / Comércio",),
    ("Saúde/Serviços Médicos",),
    ("Tec.Informação/Programas Servs",),
    ("Telecomunicação",),
    ("Consumo Cíclico/Constr Civil",),
    ("Bens Indls/Transporte",),
    ("Utilidade Públ / Água Saneamento",),
    ("Mats Básicos / Papel e Celulose",),
)

_SEGMENTS = {
    "Intermediários Financeiros": ("Bancos", "Soc. Crédito e Financiamento"),
    "Alimentos Processados": ("Alimentos Diversos", "Carnes e Derivados", "Laticínios"),
    "Comércio": ("Eletrodomésticos", "Produtos Diversos"),
    "Transporte": ("Transporte Rodoviário", "Transporte Aéreo", "Exploração de Rodovias"),
}


def label(sector: int, issuer: int) -> str:
    """Return the sector of a company as portfolios spell it; `sector` is its index in `universe.SECTORS`."""
    spellings = _LABELS[sector]
    return spellings[issuer % 3 == 0 and len(spellings) > 1]


def segment(subsector: str, issuer: int) -> str:
    """Return the third level of a company's classification."""
    segments = _SEGMENTS.get(subsector, (subsector,))
    return segments[issuer % len(segments)]
