"""Invented tickers and names, and their ISINs.

The tickers cannot be confused with B3's: the first two letters of a root are both among K, Q, W, X, Y and Z, and the
second character of a BDR is 0.
"""

from __future__ import annotations

from local.exchange.market import chance

_ODD_LETTERS = "KQWXYZ"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _words(text: str) -> list[str]:
    return text.split()


_FIRST_WORDS = _words(
    "AÇO CAFÉ SÃO PÃO ÁGUA GRÃOS TRIGO MINÉRIO FIBRA BRISA SERRA PRAIA CAMPO MATA LAGOA PONTE TORRE VILA USINA "
    "PORTO LINHA TRAMA CACAU CANA SOL LUA VENTO PEDRA AREIA MANGUE IPÊ JACUÍ ARAÇÁ PEQUI BURITI CARNAÚBA"
)
_SECOND_WORDS = _words(
    "REAL NOVO SUL NORTE LESTE OESTE VERDE AZUL ALTO CLARO FORTE IRMÃOS UNIÃO AVANÇO BR PART S/A SA HOLD ENERG "
    "TÊXTIL LOG TEC FIN MET AGRO NÁUTICA"
)
_FOREIGN_WORDS = _words(
    "ALDER BRAMBLE CINDER DOVER ELMSTEAD FERNWAY GARNET HAZEL IRONBARK JUNIPER KESTREL LARCH MARLOW NORWICK "
    "OAKHAM PELICAN QUILL ROWAN SABLE THISTLE UPLAND VESPER WILLOW YARROW ZEPHYR"
)
_FOREIGN_ENDINGS = _words("INC CORP GROUP LABS FOODS BANK MOTORS HLDG")


def _two_letters(number: int) -> str:
    return _LETTERS[number // 26] + _LETTERS[number % 26]


def root(serial: int) -> str:
    """Return a root of four letters, different for every serial number below 24,336."""
    # 7919 and 24,336 have no common factor: so no root repeats, and neighbours look different.
    number = serial * 7919 % 24_336
    return _ODD_LETTERS[number % 6] + _ODD_LETTERS[number // 6 % 6] + _two_letters(number // 36)


def bdr_root(serial: int) -> str:
    """Return the four characters of a BDR, different for every serial number below 4,056."""
    number = serial * 1009 % 4056
    return _ODD_LETTERS[number % 6] + "0" + _two_letters(number // 6)


def _name(number: int, first: list[str], second: list[str], prefix: str = "") -> str:
    words = first[chance.draw(0, len(first) - 1, 31, number)], second[chance.draw(0, len(second) - 1, 32, number)]
    return f"{prefix}{words[0]} {words[1]}"[:12].rstrip()


def company(number: int, prefix: str = "") -> str:
    """Return a Brazilian trading name of up to twelve characters."""
    return _name(number, _FIRST_WORDS, _SECOND_WORDS, prefix)


def foreign_company(number: int) -> str:
    """Return a foreign trading name of up to twelve characters."""
    return _name(number, _FOREIGN_WORDS, _FOREIGN_ENDINGS)


def isin(body: str) -> str:
    """Return the ISIN of eleven characters: the characters and their check digit."""
    digits = "".join(str(int(character, 36)) for character in body)
    total = sum(sum(divmod(int(d) * (2 if i % 2 == 0 else 1), 10)) for i, d in enumerate(reversed(digits)))
    return f"{body}{-total % 10}"
