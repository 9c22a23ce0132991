"""Asset classes: what a quote is a quote of."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom

ROUND_LOT = "010"
# Markets whose rows take the class of the round lot: auction, odd lot, and one that B3 does not document.
FOLLOWERS = ("017", "020", "021")

# The part of the ISIN that says what a security is: BRPETRACNPR6 is a share (ACN). Before 15 May 1995 there is none:
# CODISI is B3's own code (MVINACPP).
KIND = "substring(isin, 7, 3)"

# Subscription rights, warrants and receipts, of shares or funds: "DIR ORD NM" (ISIN kind D01, …), "BNS*B" (N01, …),
# "ON  REC N2" (R01, …).
RIGHT = f"({KIND} RLIKE '^[DNR][0-9][0-9]$' OR specification RLIKE '^(DIR|BNS|REC)|[ *]REC( |$)')"

# Shares, by ISIN: ACN, or ARN if redeemable. An issue is A01, A02, … while its rights differ: BRPR11 was BRBRPRA01OR0,
# and JSLG3 was BRJSLGA02OR1 before it became BRJSLGACNOR2. By specification: ordinary or preferred (O, P); registered,
# endorsable, bearer or redeemable (N, E, P, R); a class (A to H), redeemable (R) or with a vote (V). Marks begin at the
# fourth character: "PP *C05", "ON  ED  NM", and "ON P" for rights that differ.
SHARE = f"({KIND} RLIKE '^A(CN|RN|[0-9][0-9])$' OR specification RLIKE '^(O[ENPR]|P[ENPR][A-HRV]?)($|[ *])')"

# Any fund, by ISIN; by specification where there is no ISIN.
FUND = f"({KIND} = 'CTF' OR specification RLIKE '^CI( |$)')"

# First words of short names that funds have and ETFs have not: funds of shares, receivables (FDC, FIDC),
# participations, infrastructure and agribusiness, and the tax-incentive funds of the 1970s.
FUND_NAMES = "^(FI|FIA|FIAGRO|FIC|FIDC|FIP|FIRF|FDC|FINAM|FINOR|FISET|FUNDES|FUNRES|INFRA|ISENTO)( |$)"

# Issuers of infrastructure funds whose names do not tell: JURO11 is "SPARTA INFRA", but "TREND INFRA" is an ETF.
# Source: B3's list of FI-Infra, September 2026, 41 funds; FUND_NAMES has the other 29.
INFRASTRUCTURE_FUNDS = ("BRZD", "CDII", "CPDI", "DIVS", "INFB", "JURO", "KDIF", "NUIF", "OGIN", "PREE", "SNID", "VANG")

# The first condition that holds gives the class.
#
# The bulletin code alone does not tell. ETFs and BDRs have stood under 02 with the shares. 14 holds ETFs beside other
# funds, FIAGROs moved from 13 to 14, and every odd lot is under 96.
#
# What no field tells:
# - A fund listed later, under 14 and without a word of FUND_NAMES, is etf until INFRASTRUCTURE_FUNDS has its issuer.
# - A real-estate fund that became a FIAGRO and kept its name (BTAL11, "FII BTG AGRO") stays fii.
# - An odd lot without such a word and without a round lot is etf: hardly any other fund has odd lots.
ASSET_CLASS_RULES = (
    # What is traded is a contract, whatever lies under it.
    ("option", "market_type IN ('070', '080')"),
    ("option_exercise", "market_type IN ('012', '013')"),
    ("forward", "market_type = '030'"),
    ("future", "market_type IN ('050', '060')"),
    # On the other markets it is the security itself.
    ("other", f"market_type NOT IN {(ROUND_LOT, *FOLLOWERS)}"),
    ("bdr", f"{KIND} = 'BDR' OR specification LIKE 'DR%'"),
    ("right", f"{RIGHT} OR bdi_code IN ('10', '22')"),
    ("unit", f"{KIND} = 'UNT' OR specification LIKE 'UNT%'"),
    ("stock", SHARE),
    ("fund", f"{FUND} AND (short_name RLIKE '{FUND_NAMES}' OR specification LIKE 'FIDC%')"),
    ("fund", f"{KIND} = 'CTF' AND substring(isin, 3, 4) IN {INFRASTRUCTURE_FUNDS}"),
    ("fii", "bdi_code = '12' OR short_name LIKE 'FII %'"),
    ("etf", f"{KIND} = 'CTF' AND (bdi_code IN ('02', '14') OR market_type <> '010')"),
    ("fund", FUND),
    ("index", f"{KIND} = 'IND'"),
)


def class_of_row() -> Column:
    """Return the class that a quote's own row says, by ASSET_CLASS_RULES; `other` where none of them applies."""
    rules = " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in ASSET_CLASS_RULES)
    return F.expr(f"CASE {rules} ELSE 'other' END")


def classes_of_session(quotes: pa.Table) -> pa.ChunkedArray:
    """Return the class of each quote of a session.

    An odd lot, an auction or a row of market 021 takes the class of its security's round lot on that day, whose
    bulletin code says more than its own. Without a round lot it has the class that its own row says.

    Args:
        quotes: a whole session, with market_type, isin and row_class, which class_of_row gave.
    """
    own, has_isin = quotes["row_class"], pc.not_equal(quotes["isin"], "")
    lots = quotes.filter(pc.and_(has_isin, pc.equal(quotes["market_type"], ROUND_LOT)))
    lots = lots.group_by(["isin", "row_class"]).aggregate([])
    # The first of several classes in the alphabet is kept.
    by_security = dict(sorted(zip(lots["isin"].to_pylist(), lots["row_class"].to_pylist(), strict=True), reverse=True))
    place = pc.index_in(quotes["isin"], pa.array(by_security.keys(), pa.string()))
    of_lot = pa.chunked_array([pa.array(by_security.values(), pa.string())]).take(place)
    follows = pc.and_(has_isin, pc.is_in(quotes["market_type"], pa.array(FOLLOWERS)))
    return pc.if_else(pc.fill_null(follows, False), pc.coalesce(of_lot, own), own)
