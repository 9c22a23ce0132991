"""The sector labels of index portfolios, in the spelling of B3's sector workbook."""

from __future__ import annotations

import unicodedata

# What index portfolios call what the workbook writes out. "Financeiro e Outros" is a sector of the portfolios alone:
# the workbook has "Financeiro" and "Outros".
_SECTORS = {
    "Bens Indls": "Bens Industriais",
    "Cons N Básico": "Consumo não Cíclico",
    "Cons N Cíclico": "Consumo não Cíclico",
    "Financ e Outros": "Financeiro e Outros",
    "Mats Básicos": "Materiais Básicos",
    "Tec.Informação": "Tecnologia da Informação",
    "Utilidade Públ": "Utilidade Pública",
}
_SUBSECTORS = {
    "Autos e Motos": "Automóveis e Motocicletas",
    "Comércio Distr.": "Comércio e Distribuição",
    "Constr Civil": "Construção Civil",
    "Energ Elétrica": "Energia Elétrica",
    "Explor Imóveis": "Exploração de Imóveis",
    "Holdings Divers": "Holdings Diversificadas",
    "Interms Financs": "Intermediários Financeiros",
    "Mat Transporte": "Material de Transporte",
    "Máqs e Equips": "Máquinas e Equipamentos",
    "Pr Pessoal Limp": "Produtos de Cuidado Pessoal e de Limpeza",
    "Previd Seguros": "Previdência e Seguros",
    "Programas Servs": "Programas e Serviços",
    "SM Hosp An.Diag": "Serviços Médico - Hospitalares, Análises e Diagnósticos",
    "Sid Metalurgia": "Siderurgia e Metalurgia",
    "Tecid Vest Calç": "Tecidos, Vestuário e Calçados",
    "Água Saneamento": "Água e Saneamento",
}
# Sectors the portfolios write out, for their own other spellings.
_WRITTEN_OUT = (
    "Comunicações",
    "Consumo Cíclico",
    "Petróleo, Gás e Biocombustíveis",
    "Saúde",
    "Telecomunicação",
)


def _folded(name: str) -> str:
    """Return a name without accents, case and points: its spellings differ in these."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return " ".join(plain.casefold().replace(".", " ").split())


def _by_folded(names: dict[str, str], *more: str) -> dict[str, str]:
    return {_folded(key): name for short, name in names.items() for key in (short, name)} | {
        _folded(name): name for name in more
    }


_SECTOR_OF = _by_folded(_SECTORS, *_WRITTEN_OUT)
_SUBSECTOR_OF = _by_folded(_SUBSECTORS)


def split_label(label: str) -> tuple[str, str | None]:
    """Return sector and subsector of an index portfolio's label, as "Bens Indls / Máqs e Equips", in one spelling each.

    Abbreviations are written out as the workbook has them. An unknown name stays as it is, with single spaces; a label
    of one part has no subsector.
    """
    sector, _, subsector = (" ".join(part.split()) for part in label.partition("/"))
    return _SECTOR_OF.get(_folded(sector), sector), _SUBSECTOR_OF.get(_folded(subsector), subsector) or None
