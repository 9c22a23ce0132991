"""The class of a quote, on rows as B3 wrote them: names and codes are real, prices have no part in it.

Where the comment says "shape", no real row is at hand and the issuer is invented.
"""

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from local.aws.glue import spark
from local.exchange.market import names
from tests.include.glue.lake import GLUE, ROOT, SPARK


class Quote(NamedTuple):
    """A row and the class that it must have."""

    source_date: str
    ticker: str
    market_type: str
    bdi_code: str
    short_name: str
    specification: str
    isin: str
    asset_class: str


# Those that the real rows below lack.
SPECIFICATIONS = "ON, OP *INT, OE *, OR, PN *EX, PE *, PNA, PNB*, PPA*C12, PPB, PEA *, PNR, PNV, PRH"
# Until 14 May 1995 CODISI is no ISIN.
SHARES_WITHOUT_ISIN = [
    Quote("1986-05-06", "MVI 2", "010", "02", "MARVIN", "PP *", "MVINACPP", "stock"),
    Quote("1986-10-10", "VGO 2", "010", "02", "VIGOR", "PP *C05", "VGORACPP", "stock"),
    Quote("1987-01-13", "CPF 3", "020", "96", "X", "ON *", "CPFLACON", "stock"),
    # Shapes.
    *(
        Quote("1990-03-01", f"ABC {number}", "010", "02", "ABCD", specification, "", "stock")
        for number, specification in enumerate(SPECIFICATIONS.split(", "))
    ),
]

SHARES = [
    Quote("2003-02-12", "PETR4", "010", "02", "PETROBRAS", "PN", "BRPETRACNPR6", "stock"),
    Quote("2003-02-12", "PALF11", "010", "02", "PAUL F LUZ", "PRC*", "BRPALFARNPC6", "stock"),
    Quote("2014-01-28", "OGXP3", "010", "08", "OGX PETROLEO", "ON      NM", "BROGXPACNOR3", "stock"),
    Quote("2014-01-28", "TXRX3", "010", "58", "TEX RENAUX", "ON", "BRTXRXACNOR3", "stock"),
    Quote("2021-01-04", "MRSA3B", "010", "02", "MRS LOGIST", "ON      MB", "BRMRSAACNOR6", "stock"),
    # Issues whose rights differ; the layout of the file says "ON P" of them.
    Quote("2020-10-05", "JSLG3", "010", "02", "JSL", "ON      NM", "BRJSLGA02OR1", "stock"),
    Quote("2021-12-01", "BRPR11", "010", "02", "BR PROPERT", "ON P    NM", "BRBRPRA01OR0", "stock"),
    # Shapes: the ISIN tells, whatever the specification.
    Quote("2021-12-01", "ABCD5", "010", "02", "ABCD", "XN", "BRABCDACNOR3", "stock"),
    Quote("2021-12-01", "ABCD6", "010", "02", "ABCD", "XN", "BRABCDARNPC0", "stock"),
    Quote("2021-12-01", "ABCD7", "010", "02", "ABCD", "XN", "BRABCDA03OR0", "stock"),
]

CONTRACTS = [
    Quote("1986-05-23", "WHM 1", "030", "62", "WHMT", "OP *", "WHMTACOP", "forward"),
    Quote("2003-02-12", "BBAS3T", "030", "62", "BBAS", "ON *ED", "BRBBASACNOR3", "forward"),
    Quote("2003-02-12", "BBDCB31", "070", "78", "BBDC", "PN *    N1", "BRBBDCACNPR8", "option"),
    Quote("2021-01-04", "IBOVM120", "080", "75", "IBOVE  FM", "IBO", "BRIBOVINDM18", "option"),
    Quote("2003-02-12", "BBDCB30E", "012", "38", "BBDC", "PN *    N1", "BRBBDCACNPR8", "option_exercise"),
    Quote("2021-01-18", "PETRM279E", "013", "42", "PETRE", "PN      N2", "BRPETRACNPR6", "option_exercise"),
    # Shapes: futures ended long ago, and nobody has seen a market 090.
    Quote("1986-05-23", "ABC 1", "050", "70", "ABCD", "OP *", "ABCDACOP", "future"),
    Quote("1986-05-23", "ABC 2", "060", "71", "ABCD", "PP *", "ABCDACPP", "future"),
    Quote("2021-01-04", "PETR4", "090", "02", "PETROBRAS", "PN      N2", "BRPETRACNPR6", "other"),
]

OTHER_SECURITIES = [
    Quote("2003-02-12", "UBBR11", "010", "14", "UNIBANCO", "UNT*    N1", "BRUBBRCDAM14", "unit"),
    Quote("2021-01-04", "BPAC11", "010", "02", "BTGP BANCO", "UNT     N2", "BRBPACUNT006", "unit"),
    Quote("2003-02-12", "TEFC11", "010", "14", "TELEFONICA", "BDR", "BRTEFCBDR014", "bdr"),
    Quote("2014-01-28", "CZLT33", "010", "02", "COSAN LTD", "DR3", "BRCZLTBDR009", "bdr"),
    Quote("2024-11-08", "AAPL34", "010", "34", "APPLE", "DRN ED", "BRAAPLBDR004", "bdr"),
    Quote("2003-02-12", "BBDC2", "010", "10", "BRADESCO", "DIR*PRE N1", "BRBBDCD08PR8", "right"),
    Quote("2021-01-04", "TASA13", "010", "22", "TAURUS ARMAS", "BNS PRE N2", "BRTASAN01PR8", "right"),
    Quote("2020-04-30", "RBRF12", "010", "12", "FII RBRALPHA", "DIR", "BRRBRFD04M17", "right"),
    Quote("2026-09-22", "PETR10", "010", "10", "PETROBRAS", "REC", "BRPETRR01M17", "right"),
    Quote("2021-01-29", "BPAC9F", "020", "96", "BTGP BANCO", "ON  REC N2", "BRBPACR03OR8", "right"),
    # Shapes: one field tells, the others do not.
    Quote("2021-12-01", "BCDE11", "010", "02", "BCDE", "XN", "BRBCDEUNT004", "unit"),
    Quote("2021-12-01", "CDEF33", "010", "02", "CDEF", "DR3", "BRCDEFXXX000", "bdr"),
    Quote("2021-12-01", "ABCD1", "010", "02", "ABCD", "XN", "BRABCDD01OR8", "right"),
    Quote("2021-12-01", "ABCD9", "010", "02", "ABCD", "XN", "BRABCDR01OR8", "right"),
    Quote("2021-12-01", "ABCD11", "010", "02", "ABCD", "XN", "BRABCDN02PR2", "right"),
    Quote("2021-12-01", "JURO41", "010", "14", "SPARTA INFRA", "XN", "BRJURODBS001", "other"),
    Quote("1990-03-01", "ABC10", "010", "10", "ABCD", "PP *", "", "right"),
    Quote("1990-03-01", "ABC22", "010", "22", "ABCD", "PP *", "", "right"),
    Quote("1990-03-01", "ABC 9", "010", "02", "ABCD", "PP *REC", "", "right"),
    Quote("1990-03-01", "ABC12", "010", "02", "ABCD", "REC", "", "right"),
    Quote("1990-03-01", "ABC11", "010", "02", "ABCD", "BNS*", "", "right"),
    Quote("1990-03-01", "ABC 1", "010", "02", "ABCD", "DIR*PP", "", "right"),
    Quote("2003-02-12", "IBOV11", "010", "02", "IBOVESPA", "IBO", "BRIBOVINDM18", "index"),
    Quote("2003-02-12", "RCTB42", "010", "02", "TELES RCTB", "R42*EJ", "BRRCTBCSA066", "other"),
    Quote("2014-01-28", "MMXM11", "010", "14", "MMX MINER", "TPR     NM", "BRMMXMTRV000", "other"),
]

FUNDS_OVER_THE_YEARS = [
    # From receivables to infrastructure, and from FIDC to CI, under 14.
    Quote("2021-01-04", "KDIF11", "010", "14", "FDC KINEAINF", "FIDC", "BRKDIFCTF003", "fund"),
    Quote("2022-06-01", "KDIF11", "010", "14", "KINEA INFRAF", "FIDC", "BRKDIFCTF003", "fund"),
    Quote("2023-06-01", "KDIF11", "010", "14", "KINEA INFRAF", "FIDCEA", "BRKDIFCTF003", "fund"),
    Quote("2026-10-05", "KDIF11", "010", "14", "KINEA INFRAF", "CI", "BRKDIFCTF003", "fund"),
    Quote("2021-01-04", "IFRA11", "010", "14", "FDC ITAU IE", "FIDC", "BRIFRACTF004", "fund"),
    Quote("2026-10-05", "IFRA11", "010", "14", "FI ITAUINFRA", "CI", "BRIFRACTF004", "fund"),
    # From 13 to 14.
    Quote("2023-06-01", "RURA11", "010", "13", "FIAGRO RURA", "CI", "BRRURACTF004", "fund"),
    Quote("2026-10-05", "RURA11", "010", "14", "FIAGRO RURA", "CI", "BRRURACTF004", "fund"),
    # From 02 to 14.
    Quote("2020-04-30", "BRZP11", "010", "02", "FIP BRZ IE", "CI", "BRBRZPCTF005", "fund"),
    Quote("2021-01-04", "BRZP11", "010", "14", "FIP BRZ IE", "CI  EA", "BRBRZPCTF005", "fund"),
    Quote("2014-01-28", "BOVA11", "010", "14", "ISHARES BOVA", "CI", "BRBOVACTF003", "etf"),
    Quote("2020-04-30", "BOVA11", "010", "02", "ISHARES BOVA", "CI", "BRBOVACTF003", "etf"),
    Quote("2026-10-05", "BOVA11", "010", "14", "ISHARES BOVA", "CI", "BRBOVACTF003", "etf"),
]

FUNDS = [
    Quote("2003-02-12", "FNOR11", "010", "14", "FINOR", "CI *", "BRFNORCTF013", "fund"),
    Quote("2003-02-12", "FNAM11", "010", "14", "FINAM", "CI *", "BRFNAMCTF013", "fund"),
    Quote("2014-01-28", "FRES11", "010", "14", "FUNRES", "CI", "BRFRESCTF013", "fund"),
    Quote("2021-01-04", "FDES11", "010", "14", "FUNDES", "CI", "BRFDESCTF005", "fund"),
    Quote("2020-04-30", "FSPE11", "010", "02", "FISET PESCA", "CI", "BRFSPECTF017", "fund"),
    Quote("2021-01-15", "BBVH11", "010", "14", "FDC INFRA", "FIDCER", "BRBBVHCTF005", "fund"),
    Quote("2021-01-04", "NVRP11", "010", "14", "FIP NVRAPOSO", "CI", "BRNVRPCTF009", "fund"),
    Quote("2024-11-08", "FIPC11", "010", "14", "FIA IP.COM", "CI", names.isin("BRFIPCCTF00"), "fund"),
    Quote("2021-01-04", "HGLG11", "010", "12", "FII CSHG LOG", "CI  ER", "BRHGLGCTF004", "fii"),
    Quote("2021-01-04", "BBFI11B", "010", "12", "FII BB PROGR", "CI  ER  MB", "BRBBFICTF006", "fii"),
    Quote("2021-01-05", "AQLL11", "010", "05", "FII AQUILLA", "CI", "BRAQLLCTF008", "fii"),
    Quote("2021-01-04", "FINF11", "010", "12", "FII INFRA RE", "CI", names.isin("BRFINFCTF00"), "fii"),
    # On B3's list of FIAGROs since it became one, but under the name of before.
    Quote("2026-10-05", "BTAL11", "010", "14", "FII BTG AGRO", "CI", names.isin("BRBTALCTF00"), "fii"),
    # Shapes: codes and specifications that tell by themselves.
    Quote("2003-02-12", "ABCD11", "010", "12", "SHOPPING A", "CI", "BRABCDCTF006", "fii"),
    Quote("2023-06-01", "BCDE11", "010", "13", "CREDITO B", "CI", "BRBCDECTF008", "fund"),
    Quote("2023-06-01", "CDEF11", "010", "14", "CREDITO C", "FIDCEA", "BRCDEFCTF009", "fund"),
    Quote("1990-03-01", "FNO 1", "010", "14", "FINOR", "CI *", "", "fund"),
    Quote("1990-03-01", "DEF 1", "010", "14", "D E F", "CI", "", "fund"),
    Quote("1990-03-01", "DEF 2", "010", "14", "D E F", "CI *", "", "fund"),
    Quote("1990-03-01", "DEF 3", "010", "14", "D E F", "CIX", "", "other"),
    Quote("2023-06-01", "DEFG11", "010", "14", "FIDC D E F G", "CI", "BRDEFGCTF000", "fund"),
    Quote("2023-06-01", "UNAG11", "010", "14", "FDC UNION AG", "CI", names.isin("BRUNAGCTF00"), "fund"),
]

# Issuer and short name of each fund that B3 listed as FI-Infra in September 2026, when CPTI11 and BDIF11 were under
# 14 with the specification CI.
INFRASTRUCTURE = """
    BCDI INFRA BCDI, BDIF FIC INFR BTG, BIDB FIC INTER, BINC FI BRAD BINC, BISE INFRA BISE, BODB FIC FI BCNA,
    BODI FIC FI BODI, BRZD BRZD INFRA, CDII SPARTA CDII, CPDI CAPINFR CPDI, CPTI FIC IE CAP, DBIN INFRA DBIN,
    DIVS SPARTA DIVS, EXIF INFRA EXIF, IFRA FI ITAUINFRA, IFRI FI ITAU IFRI, INFB INFB INFRA, INFH FI INFR INFH,
    IRIF INFRA IRIF, ISEN ISENTO MAR29, ISET ISENTO SET28, ISNN ISENTO JUL28, ISNT ISENTO MAR28, ISTT ISENTO SET29,
    JMBI INFRA JMBI, JURO SPARTA INFRA, KDIF KINEA INFRAF, NUIF NU INFRA FIC, OGIN NIKOS INFRA, PREE SPARTA PREE,
    PRIF INFRA PRIF, RBIF FIC FI RB ES, RIFF FI INFRA RIF, ROOT INFRA ROOT, SNID SUNO FIC FI, SUIN INFRA SUIN,
    VALO INFRA VALO, VANG VANG INFRA, VINF INFRA VINF, XPID FIRF XP IE, YVYC FI INFR YVYC
"""
FIAGROS = """
    AAZQ FIAGRO AAZQ, BTAG FIAGRO BTAG, CPTR FIAGRO CPTR, CRAA FIAGRO CRAA, DCRA FIAGRO DEVAN, FGAA FIAGRO FGA,
    FTCA FI AGRO FYTO, JGPX FIAGRO JGP, KNCA FIAGRO KINEA, RURA FIAGRO RURA, RZAG FIAGRO RIZA, SNAG FIAGRO SUNO,
    VGIA FIAGRO VGIA, XPCA FIAGRO XP CA
"""
# ETFs of shares, bonds, gold, crypto-assets, real-estate funds and currencies, at least one of each family of names.
ETFS = """
    ARGE INVESTOARGE, B5MB BRAD IMA-B5M, BBOV BB ETF IBOV, BITH BITCOIN HASH, BOVA ISHARES BOVA, BOVB ETF BRA IBOV,
    BOVS SAFRAETFIBOV, BOVV IT NOW IBOV, BREW B INDEX BREW, BULZ GENIAL HBETA, CRPT CRIPTO20 EMP, DEFI DEFI HASH,
    DINF BTGP DINF, DIVD IT NOW DIVD, DOLA BB ETF DOLAR, EBIT EMPIRICUSBTC, FIND IT NOW IFNC, FIXA BB FIXA11,
    FIXX ETF FIXX, FOMO FOMO HASH, GOLD TREND OURO, GPCA GRAO IPCA 2Y, HASH HASHDEX NCI, HERT ETF HEQREITS,
    IMAB IT NOW IMA-B, IVVB ISHARE SP500, LFTS INVESTO LFTS, MILL DIGITAL LIFE, NCDI NUCDISELICB3, OBRA TREND INFRA,
    OROF GLPG OURO, PACB BTG INF LONG, PACC BTGINF CURTO, PHIP ITBRCURTOPHR, PIPE ETF BV PIPE, QBTC QR BITCOIN,
    SMAL ISHARES SMAL, TRIG TRG SMIC CAP, UTLL INVESTOUTIL, XBOV CAIXAETFXBOV, XFIX TREND IFIX-L, XINA XPETFCHINA
"""


def listed(funds: str, asset_class: str) -> list[Quote]:
    """Quotes of `funds` (issuer and short name, comma-separated) as of October 2026: under 14 and CI, all of them."""
    pairs = (fund.split(maxsplit=1) for fund in funds.split(","))
    return [
        Quote(
            "2026-10-05", f"{root}11", "010", "14", name.strip(), "CI", names.isin(f"BR{root}CTF00"), asset_class
        )
        for root, name in pairs
    ]  # fmt: skip


ODD_LOTS_AND_OTHER_MARKETS = [
    # Beside the round lot, whose bulletin code or name tells.
    Quote("2014-01-28", "PETR4", "010", "02", "PETROBRAS", "PN", "BRPETRACNPR6", "stock"),
    Quote("2014-01-28", "PETR4F", "020", "96", "PETROBRAS", "PN", "BRPETRACNPR6", "stock"),
    Quote("2014-01-28", "BOVA11F", "020", "96", "ISHARES BOVA", "CI", "BRBOVACTF003", "etf"),
    Quote("2003-02-12", "ABCD11F", "020", "96", "SHOPPING A", "CI", "BRABCDCTF006", "fii"),
    Quote("2023-06-01", "BCDE11F", "020", "96", "CREDITO B", "CI", "BRBCDECTF008", "fund"),
    Quote("2023-06-01", "BCDE11L", "017", "50", "CREDITO B", "CI", "BRBCDECTF008", "fund"),
    Quote("2023-06-01", "BCDE11B", "021", "99", "CREDITO B", "CI", "BRBCDECTF008", "fund"),
    # Without one.
    Quote("2020-04-29", "GOVE11F", "020", "96", "IT NOW IGCT", "CI", "BRGOVECTF004", "etf"),
    Quote("2020-04-27", "ISUS11F", "020", "96", "IT NOW ISE", "CI", "BRISUSCTF003", "etf"),
    Quote("2020-04-27", "ESUT11F", "020", "96", "FIP IE III", "CI", "BRESUTCTF000", "fund"),
    Quote("2020-04-29", "FSPE11F", "020", "96", "FISET PESCA", "CI", "BRFSPECTF017", "fund"),
    Quote("2003-02-12", "FNAM11F", "020", "96", "FINAM", "CI *", "BRFNAMCTF013", "fund"),
    Quote("2020-05-05", "ABUD34F", "020", "96", "AB INBEV", "DRN", "BRABUDBDR009", "bdr"),
    Quote("2021-01-04", "BIOM11F", "020", "96", "BIOMM", "BNS ORD MA", "BRBIOMN02OR4", "right"),
    Quote("2003-02-12", "RCTB31F", "020", "96", "TELES RCTB", "RON*EJ", "BRRCTBCSA033", "other"),
    # Shape: nothing tells on that day, so it passes for what has odd lots.
    Quote("2023-06-02", "BCDE11F", "020", "96", "CREDITO B", "CI", "BRBCDECTF008", "etf"),
    # Shapes: auctions and market 021, by the suffixes that their tickers have.
    Quote("2003-02-12", "VALE5L", "017", "50", "VALE R DOCE", "PNA", "BRVALEACNPA3", "stock"),
    Quote("2003-02-12", "VALE5B", "021", "99", "VALE R DOCE", "PNA", "BRVALEACNPA3", "stock"),
    Quote("2021-01-29", "GOLD11L", "017", "50", "TREND OURO", "CI", "BRGOLDCTF015", "etf"),
    Quote("2021-01-29", "XPIE11B", "021", "99", "FIP XP INFRA", "CI", "BRXPIECTF003", "fund"),
    # Shapes: of round lots under several codes the first class in the alphabet.
    Quote("2023-06-05", "CDEF11", "010", "12", "CREDITO C", "CI", "BRCDEFCTF000", "fii"),
    Quote("2023-06-05", "CDEF12", "010", "14", "CREDITO C", "CI", "BRCDEFCTF000", "etf"),
    Quote("2023-06-05", "CDEF11F", "020", "96", "CREDITO C", "CI", "BRCDEFCTF000", "etf"),
    Quote("2023-06-06", "CDEF11", "010", "14", "CREDITO C", "CI", "BRCDEFCTF000", "etf"),
    Quote("2023-06-06", "CDEF12", "010", "12", "CREDITO C", "CI", "BRCDEFCTF000", "fii"),
    Quote("2023-06-06", "CDEF11F", "020", "96", "CREDITO C", "CI", "BRCDEFCTF000", "etf"),
    # Rows without ISIN are not one security.
    Quote("1991-03-01", "ABC 0", "010", "02", "ABCD", "", "", "other"),
    Quote("1991-03-01", "ABC 3", "010", "02", "ABCD", "ON *", "", "stock"),
    Quote("1991-03-01", "FNO 1", "020", "96", "FINOR", "CI *", "", "fund"),
]

QUOTES = [
    *SHARES_WITHOUT_ISIN,
    *SHARES,
    *CONTRACTS,
    *OTHER_SECURITIES,
    *FUNDS_OVER_THE_YEARS,
    *FUNDS,
    *listed(INFRASTRUCTURE, "fund"),
    *listed(FIAGROS, "fund"),
    *listed(ETFS, "etf"),
    *ODD_LOTS_AND_OTHER_MARKETS,
]


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What classify.py says of QUOTES."""
    environ = spark.environment(SPARK, tmp_path_factory.mktemp("spark"), "http://127.0.0.1:9")
    rows = [{name: value for name, value in quote._asdict().items() if name != "asset_class"} for quote in QUOTES]
    run = subprocess.run(
        [SPARK / "bin/python", Path(__file__).with_name("classify.py")],
        input=json.dumps(rows),
        env={**environ, "PYTHONPATH": str(GLUE)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    ("number", "quote"),
    list(enumerate(QUOTES)),
    ids=[f"{quote.ticker} {quote.source_date[:4]} {quote.specification}" for quote in QUOTES],
)
def test_asset_class(answer: dict[str, Any], number: int, quote: Quote) -> None:
    assert answer["classes"][number] == quote.asset_class


def test_no_rule_can_be_left_out(answer: dict[str, Any]) -> None:
    assert [rule for rule, classes in answer["without"] if classes == answer["classes"]] == []
