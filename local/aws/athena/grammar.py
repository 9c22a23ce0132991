"""What Trino's grammar does not have, found in the query's tokens: the parser would let some of it through."""

from __future__ import annotations

import itertools
import re

import sqlglot
from sqlglot import exp
from sqlglot.dialects.athena import Athena
from sqlglot.tokens import Token, TokenType

from local.aws.athena import known_functions
from local.aws.athena.errors import QueryError, not_supported, syntax

FORBIDDEN_TOKENS = {
    TokenType.DCOLON: "'::'", TokenType.QUALIFY: "'QUALIFY'", TokenType.L_BRACE: "'{'", TokenType.R_BRACE: "'}'",
    TokenType.COLON: "':'", TokenType.DIV: "'DIV'", TokenType.GLOB: "'GLOB'", TokenType.ILIKE: "'ILIKE'",
    TokenType.PIVOT: "'PIVOT'", TokenType.UNPIVOT: "'UNPIVOT'", TokenType.RLIKE: "'RLIKE'", TokenType.CARET: "'^'",
    TokenType.AMP: "'&'", TokenType.DAMP: "'&&'", TokenType.TILDE: "'~'", TokenType.HASH: "'#'",
    TokenType.SEMI: "'SEMI'", TokenType.ANTI: "'ANTI'", TokenType.ASOF: "'ASOF'",
    TokenType.STRAIGHT_JOIN: "'STRAIGHT_JOIN'",
    TokenType.DOLLAR: "'$'", TokenType.SIMILAR_TO: "'SIMILAR'", TokenType.XOR: "'XOR'", TokenType.DSTAR: "'**'",
}  # fmt: skip
NAME_TOKENS = (TokenType.VAR, TokenType.IDENTIFIER)


def tokens_of(sql: str) -> list[Token]:
    """The query's tokens. Raises QueryError SYNTAX_ERROR."""
    try:
        return list(Athena().tokenize(sql))
    except sqlglot.errors.SqlglotError as error:
        raise syntax(str(error).splitlines()[0]) from None


def parse(sql: str) -> exp.Expression:
    """One statement's tree, of Trino's language only. Raises QueryError."""
    tokens = [token for token in tokens_of(sql) if token.token_type is not TokenType.HINT]
    if tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise syntax("mismatched input '<EOF>'. Expecting: <query>")
    if any(token.token_type is TokenType.SEMICOLON for token in tokens):
        raise syntax("Only one sql statement is allowed. Got: a semicolon inside the query")
    _check_words(sql, tokens)
    try:
        trees = sqlglot.parse(_with_decimal_casts(sql, tokens), read="athena")
    except sqlglot.errors.ParseError as error:
        detail = error.errors[0] if error.errors else {}
        raise syntax(
            f"mismatched input '{detail.get('highlight', '')}'. {_expected(detail.get('description', ''))}".strip(),
            detail.get("line") or 1,
            detail.get("col") or 1,
        ) from None
    found = [tree for tree in trees if tree is not None]
    if len(found) != 1:
        raise syntax("Only one sql statement is allowed")
    tree: exp.Expression = found[0]
    _check_tree(tree)
    _check_calls(sql, tokens, tree)
    return tree


def _expected(description: str) -> str:
    """Return what the parser expected, in Athena's words where the parser would name a class of its own."""
    return "Expecting: <expression>" if "<class" in description else description


def _with_decimal_casts(sql: str, tokens: list[Token]) -> str:
    # The parser takes the literal DECIMAL '1.50', a decimal(3,2), for a cast to decimal(38,0).
    parts, done = [], 0
    for word, text in itertools.pairwise(tokens):
        if word.token_type is TokenType.DECIMAL and text.token_type is TokenType.STRING:
            if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text.text):
                raise _at(text, f"'{text.text}' is not a valid DECIMAL literal")
            whole, _, fraction = text.text.lstrip("+-").partition(".")
            digits = max(1, len(whole.lstrip("0")) + len(fraction))
            cast = f"CAST('{text.text}' AS DECIMAL({digits},{len(fraction)}))"
            parts += [sql[done : word.start], cast]
            done = text.end + 1
    return "".join([*parts, sql[done:]])


def _at(token: Token, words: str) -> QueryError:
    return syntax(words, token.line, max(token.col - len(token.text) + 1, 1))


def _check_words(sql: str, tokens: list[Token]) -> None:
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else None
        after = tokens[i + 1] if i + 1 < len(tokens) else None
        kind, text = token.token_type, token.text.upper()
        if kind in FORBIDDEN_TOKENS:
            raise _at(token, f"mismatched input {FORBIDDEN_TOKENS[kind]}")
        if kind is TokenType.IDENTIFIER and sql[token.start] == "`":
            raise _at(token, f"backquoted identifiers are not supported; use double quotes to quote {token.text}")
        if kind is TokenType.EQ and sql[token.start : token.end + 1] == "==":
            raise _at(token, "mismatched input '=='. Expecting: '='")
        if kind is TokenType.SLASH and after and after.token_type is TokenType.SLASH:
            raise _at(token, "mismatched input '//'")
        if kind is TokenType.INTERVAL and after:
            sign = after.token_type in (TokenType.DASH, TokenType.PLUS) and i + 2 < len(tokens)
            value = tokens[i + 2] if sign else after
            if value.token_type in (TokenType.NUMBER, TokenType.L_PAREN):
                raise _at(value, f"mismatched input '{value.text}'. Expecting: '+', '-', <string>")
        if kind is TokenType.L_BRACKET and (before is None or not _ends_value(before)):
            raise _at(token, "mismatched input '['. Expecting: <expression> (an array is written ARRAY[…])")
        if kind in (TokenType.RAW_STRING, TokenType.HEREDOC_STRING, TokenType.BYTE_STRING, TokenType.NATIONAL_STRING):
            raise _at(token, f"mismatched input '{token.text[:20]}'")
        if text == "GROUP" and after and after.text.upper() == "BY" and i + 2 < len(tokens):
            following = tokens[i + 3] if i + 3 < len(tokens) else None
            if tokens[i + 2].text.upper() == "ALL" and (
                following is None or following.token_type is not TokenType.L_PAREN
            ):
                raise _at(tokens[i + 2], "mismatched input 'ALL'. Expecting: <expression>")
        if text in ("EXCLUDE", "REPLACE", "RENAME") and before and before.token_type is TokenType.STAR:
            raise _at(token, f"mismatched input '{token.text}'")
        if (
            text == "EXCEPT"
            and before
            and before.token_type is TokenType.STAR
            and after
            and after.token_type is TokenType.L_PAREN
        ):
            inner = tokens[i + 2].text.upper() if i + 2 < len(tokens) else ""
            if inner not in ("SELECT", "WITH", "VALUES", "TABLE", "("):
                raise _at(token, f"mismatched input '{token.text}'")
        if text == "LIMIT" and any(
            t.text.upper() == "OFFSET" and t.token_type is TokenType.OFFSET for t in tokens[i + 1 : i + 3]
        ):
            raise _at(token, "mismatched input 'OFFSET'. Expecting: <EOF> (OFFSET comes before LIMIT)")
        if kind is TokenType.COMMA and after and after.text.upper() in ("FROM", ")", "WHERE", "GROUP", "ORDER"):
            raise _at(token, f"mismatched input '{after.text}'. Expecting: <expression>")
        if (
            kind is TokenType.FROM
            and (before is None or before.token_type is TokenType.L_PAREN)
            and not _inside_call(tokens, i)
        ):
            raise _at(token, "mismatched input 'FROM'. Expecting: <query>")
        if (
            text == "BY"
            and after
            and after.text.upper() == "NAME"
            and before
            and before.text.upper() in ("UNION", "ALL")
        ):
            raise _at(token, "mismatched input 'BY'")
        if text in ("CAST", "TRY_CAST") and after and after.token_type is TokenType.L_PAREN:
            _check_cast_type(tokens, i + 1)


def _ends_value(token: Token) -> bool:
    return token.token_type in (TokenType.ARRAY, TokenType.R_PAREN, TokenType.R_BRACKET, *NAME_TOKENS)


def _inside_call(tokens: list[Token], i: int) -> bool:
    return i >= 2 and tokens[i - 2].text.upper() in ("TRIM", "EXTRACT", "SUBSTRING")


def _check_cast_type(tokens: list[Token], start: int) -> None:
    depth = 0
    for i in range(start, len(tokens)):
        kind = tokens[i].token_type
        depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
        if depth == 0:
            return
        if kind is TokenType.ALIAS and depth == 1 and i + 1 < len(tokens):
            name = tokens[i + 1]
            if name.text.lower() not in known_functions.TYPES:
                raise QueryError("TYPE_NOT_FOUND", f"line {name.line}:{name.col}: Unknown type: {name.text}")
            if name.text.lower() not in known_functions.RUN_TYPES:
                raise not_supported(f"CAST to {name.text}")


def _check_calls(sql: str, tokens: list[Token], tree: exp.Expression) -> None:
    """Every name before a parenthesis, as it was written, must be a function of Trino's that this runs."""
    aliases = {alias.name.lower() for alias in tree.find_all(exp.TableAlias)}
    for token, after in itertools.pairwise(tokens):
        if after.token_type is not TokenType.L_PAREN or token.token_type in (TokenType.STRING, TokenType.NUMBER):
            continue
        name = token.text.lower()
        if not name or not (name[0].isalpha() or name[0] == "_"):
            continue
        quoted = token.token_type is TokenType.IDENTIFIER
        # A token may be of several words: PARTITION BY, GROUPING SETS.
        word = not quoted and all(part in known_functions.WORDS for part in name.split())
        if word or name in known_functions.SUPPORTED or name in aliases:
            continue
        if name in known_functions.KNOWN:
            raise not_supported(f"function {name}")
        raise QueryError("FUNCTION_NOT_FOUND", f"line {token.line}:{token.col}: Function '{name}' not registered")


UNSUPPORTED: dict[type[exp.Expression], str] = {
    exp.TableSample: "TABLESAMPLE", exp.Lateral: "LATERAL", exp.MatchRecognize: "MATCH_RECOGNIZE",
    exp.Parameter: "a parameter",
    exp.Placeholder: "a ? parameter (pass ExecutionParameters)", exp.Fetch: "FETCH FIRST … WITH TIES",
    exp.JSONExtract: "JSON access by an operator", exp.Map: "a map", exp.Struct: "a row value",
}  # fmt: skip
NOT_TRINO: dict[type[exp.Expression], str] = {
    exp.Comprehension: "a list comprehension", exp.Qualify: "QUALIFY", exp.Pivot: "PIVOT", exp.ILike: "ILIKE",
    exp.IntDiv: "integer division by an operator", exp.Columns: "COLUMNS()", exp.Glob: "GLOB", exp.RegexpILike: "~*",
}  # fmt: skip


def _check_tree(tree: exp.Expression) -> None:
    for node in tree.walk():
        if type(node) in NOT_TRINO:
            raise syntax(f"mismatched input: {NOT_TRINO[type(node)]} is not part of Trino's SQL")
        if isinstance(node, exp.Fetch) and not (
            node.args.get("limit_options") and node.args["limit_options"].args.get("with_ties")
        ):
            continue
        if type(node) in UNSUPPORTED:
            raise not_supported(UNSUPPORTED[type(node)])
        if isinstance(node, exp.With) and node.args.get("recursive"):
            raise not_supported("WITH RECURSIVE")
        if isinstance(node, exp.Select) and node.args.get("distinct") and node.args["distinct"].args.get("on"):
            raise syntax("mismatched input 'ON' after DISTINCT")
        if isinstance(node, exp.Star) and any(node.args.get(k) for k in ("except_", "replace", "rename", "except")):
            raise syntax("mismatched input after '*'")
        if isinstance(node, exp.Join) and node.args.get("method"):
            raise syntax(f"mismatched input '{node.args['method']}'")
        if isinstance(node, exp.Group) and node.args.get("all"):
            raise syntax("mismatched input 'ALL'. Expecting: <expression>")
        if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
            raise not_supported(f"a table function in FROM: {node.sql()[:60]}")
