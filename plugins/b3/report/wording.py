"""Words, numbers and dates of the report in English and in Brazilian Portuguese."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from babel import dates, numbers

NOTHING = "–"


@dataclass(frozen=True)
class Language:
    """A language of the report.

    Attributes:
        tag: its BCP 47 tag, for HTML.
        locale: its name for Babel.
        place: its place in the pairs of WORDS.
    """

    tag: str
    locale: str
    place: int

    def word(self, name: str) -> str:
        """Return the text of a name in WORDS."""
        return WORDS[name][self.place]

    def number(self, value: Decimal | int | None, decimals: int = 0) -> str:
        """Return a number with separators of thousands, rounded half up; a dash for None."""
        if value is None:
            return NOTHING
        rounded = Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        # A change that rounds to zero has no sign.
        text = numbers.format_decimal(
            rounded or abs(rounded), "#,##0" + ("." + "0" * decimals if decimals else ""), self.locale
        )
        return text.replace("-", "−")

    def price(self, value: Decimal | None) -> str:
        """Return a price for one share: two decimals, and below 1 all that it has, up to eight."""
        if value is None or abs(value) >= 1:
            return self.number(value, 2)
        exponent = value.normalize().as_tuple().exponent
        assert isinstance(exponent, int)
        return self.number(value, min(max(-exponent, 2), 8))

    def signed(self, value: Decimal | int | None, decimals: int = 0) -> str:
        """Return a number as `number` does, with a plus if it is above zero."""
        text = self.number(value, decimals)
        return f"+{text}" if value and value > 0 and any(digit in text for digit in "123456789") else text

    def percent(self, value: Decimal | None, decimals: int = 2) -> str:
        """Return a change in percent, with its sign."""
        return NOTHING if value is None else self.signed(value, decimals) + "%"

    def short(self, value: Decimal | int | None) -> str:
        """Return a large number as people say it, to three or four digits: 31.95 bn, 31,95 bi."""
        if value is None:
            return NOTHING
        value = Decimal(value)
        for power, name in ((12, "trillion"), (9, "billion"), (6, "million"), (3, "thousand")):
            # 999,995,000 is 1.00 bn, not 1,000.00 million.
            if abs(value) >= Decimal(1).scaleb(power) - Decimal("0.005").scaleb(power - 3):
                return f"{self.number(value.scaleb(-power), 2)} {self.word(name)}"
        return self.number(value)

    def day(self, date: dt.date) -> str:
        """Return a date in full, with its day of the week."""
        return dates.format_date(date, "full", self.locale)

    def short_day(self, date: dt.date) -> str:
        """Return day and month: `14 Mar`, `14/03`."""
        return dates.format_date(date, self.word("day_and_month"), self.locale)


WORDS = {
    "day_and_month": ("d MMM", "dd/MM"),
    "trillion": ("tn", "tri"),
    "billion": ("bn", "bi"),
    "million": ("m", "mi"),
    "thousand": ("k", "mil"),
    "title": ("B3, session of", "B3, pregão de"),
    "simulated": (
        "SIMULATED: an invented exchange. No company, price or volume here is real.",
        "SIMULADO: uma bolsa inventada. Nenhuma empresa, preço ou volume aqui é real.",
    ),
    "bitcoin_title": ("Bitcoin, UTC day of", "Bitcoin, dia UTC de"),
    "bitcoin_simulated": ("SIMULATED: no price here is real.", "SIMULADO: nenhum preço aqui é real."),
    "bitcoin_footer": (
        "Each line is the last price of every minute, in UTC. A missing minute is a gap in it.",
        "Cada linha é o último preço de cada minuto, em UTC. Um minuto que falta é uma lacuna nela.",
    ),
    "last_price": ("Last price", "Último preço"),
    "of_the_day": ("since the first minute", "desde o primeiro minuto"),
    "low": ("Low", "Mínima"),
    "high": ("High", "Máxima"),
    "bitcoins": ("Bitcoins traded", "Bitcoins negociados"),
    "minutes": ("Minutes", "Minutos"),
    "of": ("of", "de"),
    "by_the_minute": ("The day by the minute", "O dia minuto a minuto"),
    "against_ibov": ("Bitcoin against the IBOV", "Bitcoin e IBOV"),
    "against_ibov_note": (
        "Changes from open to close. IBOV: its constituents by their weights. Bitcoin: 10:00 to 17:00 in São Paulo.",
        "Variações da abertura ao fechamento. IBOV: suas ações pelos pesos. Bitcoin: das 10h às 17h em São Paulo.",
    ),
    "no_ibov": (
        "No session of the last 45 days has both minutes of Bitcoin and a portfolio of the IBOV.",
        "Nenhum pregão dos últimos 45 dias tem minutos de Bitcoin e carteira do IBOV.",
    ),
    "session": ("Session", "Pregão"),
    "market": ("Market", "Mercado"),
    "difference": ("Difference", "Diferença"),
    "volume": ("Financial volume", "Volume financeiro"),
    "volume_of_shares": ("Volume, stocks and units", "Volume, ações e units"),
    "volume_of_options": ("Volume, options", "Volume, opções"),
    "quotes": ("Quotes", "Cotações"),
    "up_down": ("Up / down", "Altas / baixas"),
    "unchanged": ("unchanged", "estáveis"),
    "put_call": ("Put/call by volume", "Put/call por volume"),
    "all_markets": ("all markets", "todos os mercados"),
    "map": ("The index at a glance", "O índice num relance"),
    "map_note": (
        "Area: weight in the index. Colour: change from open to close. Grey: no change, or no trade.",
        "Área: peso no índice. Cor: variação da abertura ao fechamento. Cinza: estável ou sem negócio.",
    ),
    "heat": ("Sectors over the last sessions", "Setores nos últimos pregões"),
    "heat_note": (
        "Change from open to close in percent, weighted by volume; stocks and units of the round lot.",
        "Variação percentual da abertura ao fechamento, ponderada pelo volume; ações e units do lote-padrão.",
    ),
    "gainers": ("Gainers", "Maiores altas"),
    "losers": ("Losers", "Maiores baixas"),
    "most_traded": ("Most traded", "Mais negociadas"),
    "movers_note": (
        "Stocks and units of the round lot; gainers and losers among the hundred with the largest volume. Changes from "
        "open to close. The lines are the closes of up to 60 sessions, not adjusted for splits, dividends or new "
        "currencies.",
        "Ações e units do lote-padrão; altas e baixas entre as cem de maior volume. Variações da abertura ao "
        "fechamento. As linhas são os fechamentos de até 60 pregões, sem ajuste por desdobramentos, proventos ou "
        "trocas de moeda.",
    ),
    "ticker": ("Ticker", "Código"),
    "name": ("Name", "Nome"),
    "close": ("Close", "Fechamento"),
    "change": ("Change", "Variação"),
    "closes": ("Closes", "Fechamentos"),
    "breadth": ("Breadth and volume", "Amplitude e volume"),
    "breadth_note": (
        "Above: stocks and units that rose, less those that fell. Below: their volume in billions.",
        "Acima: ações e units em alta, menos as em baixa. Abaixo: seu volume em bilhões.",
    ),
    "net_advancers": ("Rises less falls", "Altas menos baixas"),
    "volume_in_billions": ("Volume, billions", "Volume, bilhões"),
    "options": ("Options", "Opções"),
    "options_note": (
        "Roots with the largest volume of options. A ratio below 1 means that more went into calls than into puts.",
        "Raízes com o maior volume de opções. Razão abaixo de 1: mais volume em calls do que em puts.",
    ),
    "root": ("Root", "Raiz"),
    "series": ("Series", "Séries"),
    "calls": ("Calls", "Calls"),
    "puts": ("Puts", "Puts"),
    "all": ("All", "Todas"),
    "volume_in_millions": ("Volume, millions", "Volume, milhões"),
    "composition": ("Composition", "Composição"),
    "heaviest": ("The ten heaviest", "As dez mais pesadas"),
    "by_sector": ("Weight by sector, percent", "Peso por setor, em porcento"),
    "weight": ("Weight", "Peso"),
    "sector": ("Sector", "Setor"),
    "members": ("constituents", "componentes"),
    "compared_with": ("Compared with", "Comparado com"),
    "no_former": (
        "The lake has no portfolio of this index in the month before, to compare with.",
        "O lake não tem carteira deste índice no mês anterior para comparar.",
    ),
    "no_changes": ("No constituent came or left.", "Nenhum componente entrou ou saiu."),
    "came": ("Came in", "Entrou"),
    "left": ("Left", "Saiu"),
    "largest_shifts": ("Largest changes of weight, in points", "Maiores mudanças de peso, em pontos"),
    "no_index": (
        "No portfolio of an index landed for this session: B3 serves only the current one.",
        "Nenhuma carteira de índice deste pregão: a B3 publica apenas a atual.",
    ),
    "no_sectors": (
        "No share of this session is in a sector classification up to it.",
        "Nenhuma ação deste pregão está em uma classificação setorial até ele.",
    ),
    "no_options": ("No option traded.", "Nenhuma opção negociada."),
    "quality": ("Quality of the data", "Qualidade dos dados"),
    "raw_rows": ("Records in B3's file", "Registros no arquivo da B3"),
    "refined_rows": ("Quotes published", "Cotações publicadas"),
    "disagree": ("RAW AND REFINED DIFFER", "RAW E REFINED DIFEREM"),
    "odd_quotes": ("Odd quotes", "Cotações atípicas"),
    "odd": ("odd", "atípicas"),
    "odd_note": (
        "published as B3 wrote them; each is a row of the table findings",
        "publicadas como a B3 as escreveu; cada uma é uma linha da tabela findings",
    ),
    "no_findings": ("No quote breaks a rule.", "Nenhuma cotação viola uma regra."),
    "rule": ("Rule", "Regra"),
    "findings": ("Findings", "Achados"),
    "example": ("First example", "Primeiro exemplo"),
    "expected": ("expected", "esperado"),
    "found": ("found", "encontrado"),
    "portfolio_rows": ("Rows of index portfolios", "Linhas das carteiras de índices"),
    "sectors_from": ("Sector workbook of", "Planilha setorial de"),
    "previous_session": ("Previous session", "Pregão anterior"),
    "none_failed": ("No check of the run failed.", "Nenhuma verificação da execução foi reprovada."),
    "not_passed": ("Checks that did not pass", "Verificações não aprovadas"),
    "failed": ("FAILED", "REPROVADA"),
    "did_not_run": ("did not run", "não executada"),
    "no_run": (
        "This page was made outside a run of the DAG, so it cannot tell which checks ran.",
        "Esta página foi feita fora de uma execução da DAG e não sabe quais verificações rodaram.",
    ),
    "source_file": ("Source", "Fonte"),
    "made_by": (
        "Every figure is a query of include/sql/report/ on the lake. Prices and changes are not adjusted for splits "
        "or dividends.",
        "Cada número é uma consulta de include/sql/report/ ao lake. Preços e variações sem ajuste por desdobramentos "
        "ou proventos.",
    ),
    "stock": ("Stocks", "Ações"),
    "unit": ("Units", "Units"),
    "bdr": ("BDRs", "BDRs"),
    "etf": ("ETFs", "ETFs"),
    "fii": ("Real-estate funds", "Fundos imobiliários"),
    "fund": ("Other funds", "Outros fundos"),
    "right": ("Rights", "Direitos"),
    "option": ("Options", "Opções"),
    "option_exercise": ("Exercise of options", "Exercício de opções"),
    "forward": ("Forwards", "Termo"),
    "future": ("Futures", "Futuro"),
    "index": ("Indexes", "Índices"),
    "other": ("Other", "Outros"),
    "by_class": ("What traded", "O que foi negociado"),
    "class": ("Class", "Classe"),
    "quantity": ("Quantity", "Quantidade"),
}

ENGLISH = Language("en", "en_GB", 0)
PORTUGUESE = Language("pt-BR", "pt_BR", 1)
LANGUAGES = (ENGLISH, PORTUGUESE)
