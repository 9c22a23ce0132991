"""Words of the page in English and in Brazilian Portuguese."""

from __future__ import annotations

from b3.report.wording import LANGUAGES, Language


def word(language: Language, name: str) -> str:
    """Return the text of a name in WORDS."""
    return WORDS[name][language.place]


def chosen(tag: str | None, accepted: str) -> Language:
    """Return the language of a request.

    Args:
        tag: of the language that the address asks for, if any.
        accepted: the header Accept-Language. Its first language counts, where no other was asked for.
    """
    wanted = tag or accepted
    return next(
        (language for language in LANGUAGES if wanted.lower().startswith(language.tag[:2].lower())), LANGUAGES[0]
    )


WORDS = {
    "title": ("B3 data lake", "Data lake da B3"),
    "language": ("Language", "Idioma"),
    "simulated": (
        "SIMULATED: an invented exchange. No company, price or volume here is real.",
        "SIMULADO: uma bolsa inventada. Nenhuma empresa, preço ou volume aqui é real.",
    ),
    "latest_report": ("Latest report", "Último relatório"),
    "no_report": ("No session has a report yet.", "Nenhum pregão tem relatório ainda."),
    "open_report": ("Open the report", "Abrir o relatório"),
    "sessions": ("Sessions", "Pregões"),
    "from_to": ("to", "a"),
    "last_session": ("Last session", "Último pregão"),
    "quotes": ("quotes", "cotações"),
    "size": ("Size of quotes", "Tamanho das cotações"),
    "size_note": ("raw and refined, compressed", "raw e refined, comprimidas"),
    "behind": ("Published since", "Publicados desde então"),
    "up_to_date": ("the lake is up to date", "o lake está em dia"),
    "behind_note": ("sessions that the lake lacks", "pregões que faltam no lake"),
    "calendar": ("Sessions by state", "Pregões por estado"),
    "years": ("Years", "Anos"),
    "complete": ("complete", "completo"),
    "partial": ("partial", "parcial"),
    "missing": ("missing", "ausente"),
    "before": ("before the lake begins", "antes do início do lake"),
    "ahead": ("not published yet", "ainda não publicado"),
    "closed": ("no session", "sem pregão"),
    # After a colon follows how many.
    "complete_sessions": ("complete", "completos"),
    "partial_sessions": ("partial", "parciais"),
    "missing_sessions": ("missing", "ausentes"),
    "has_report": ("report", "relatório"),
    "legend_report": ("underlined: has a report to open", "sublinhado: tem relatório"),
    "partial_list": ("Partial sessions", "Pregões parciais"),
    "partial_note": (
        "Run b3_daily for the date, or b3_history for the year; make verify compares every row.",
        "Execute b3_daily para a data, ou b3_history para o ano; make verify compara cada linha.",
    ),
    "and_more": ("and more:", "e outros:"),
    "no_raw": ("refined quotes without raw ones", "cotações refined sem as raw"),
    "not_refined": ("in raw, not yet refined", "em raw, ainda não em refined"),
    "stale": ("raw quotes were corrected after they were refined", "raw foi corrigido depois do refined"),
    "no_findings": ("findings are missing", "faltam os findings"),
    "no_constituents": (
        "an index portfolio is in raw, its stocks are not in index_stocks",
        "há carteira de índice em raw, mas não suas ações em index_stocks",
    ),
    "trade_date": ("Trade date", "Data do pregão"),
    "reason": ("Reason", "Motivo"),
    "as_of": ("As of", "Situação em"),
    "as_of_note": (
        "UTC, give or take two minutes. Trade dates are São Paulo's.",
        "UTC, com até dois minutos de diferença. As datas dos pregões são de São Paulo.",
    ),
    "empty": (
        "The lake is empty: no session has quotes. Trigger b3_daily for a session, or b3_history for a year.",
        "O lake está vazio: nenhum pregão tem cotações. Dispare b3_daily para um pregão, ou b3_history para um ano.",
    ),
    "unreachable": ("The lake does not answer.", "O lake não responde."),
    "unset": ("The page does not know the lake.", "A página não conhece o lake."),
    "no_report_of": ("There is no report of", "Não há relatório de"),
    "back": ("All sessions", "Todos os pregões"),
    "previous": ("Previous report", "Relatório anterior"),
    "next": ("Next report", "Próximo relatório"),
    "report_of": ("Report of", "Relatório de"),
}
