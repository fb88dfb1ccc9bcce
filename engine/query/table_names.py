"""Finds the names of tables in the tokens of a statement, without a syntax tree.

A name too many costs one look-up; one that is missed is asked for when the statement is planned.
"""

from sqlglot.tokenizer_core import Token, TokenType

_NAME_PARTS_MAX = 3

_T = TokenType
_LIST_ENDS = {
    *(_T.WHERE, _T.GROUP_BY, _T.HAVING, _T.ORDER_BY, _T.LIMIT, _T.OFFSET, _T.WINDOW, _T.QUALIFY),
    *(_T.UNION, _T.EXCEPT, _T.INTERSECT, _T.SELECT, _T.FETCH),
}


def table_names(tokens: list[Token]) -> tuple[tuple[str, ...], ...]:
    """Names after FROM, JOIN, USING-less commas of a FROM list.

    Left out is a name that means a common table expression: behind its end, and not one of a subquery,
    whose name may mean a table elsewhere.
    """
    names: dict[tuple[str, ...], None] = {}
    ctes: set[str] = set()
    is_recursive = any(token.token_type is _T.RECURSIVE for token in tokens)
    open_cte: str | None = None
    in_list = [False]  # per bracket level: inside a FROM list, where a comma starts a table
    in_windows = False  # behind WINDOW, where `w AS (` is no table
    for index, token in enumerate(tokens):
        kind = token.token_type
        is_top = len(in_list) == 1
        if kind is _T.L_PAREN:
            in_list.append(in_list[-1] and tokens[index - 1].token_type in (_T.FROM, _T.JOIN))
        elif kind is _T.R_PAREN and not is_top:
            in_list.pop()
            if len(in_list) == 1 and open_cte is not None:
                ctes.add(open_cte)
                open_cte = None
        elif kind in _LIST_ENDS:
            in_list[-1] = False
            in_windows = kind is _T.WINDOW if is_top else in_windows
        elif kind is _T.ALIAS and is_top and not in_windows and _opens_cte(tokens, index):
            open_cte = _fold(tokens[_cte_name_index(tokens, index)])
            ctes |= {open_cte} if is_recursive else set()
        elif kind in (_T.FROM, _T.JOIN) or (kind is _T.COMMA and in_list[-1]):
            in_list[-1] = True
            found, after = names_at(tokens, index + 1)
            is_cte = found and len(found[0]) == 1 and found[0][0] in ctes
            if found and not is_cte and not _is_call(tokens, after):
                names[found[0]] = None
    return tuple(names)


def names_at(tokens: list[Token], start: int) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Read one dotted name; also the index of the token after it. Skips LATERAL, ONLY and ``(``."""
    while start < len(tokens) and (
        tokens[start].token_type in (_T.LATERAL, _T.L_PAREN) or tokens[start].text.upper() == "ONLY"
    ):
        start += 1
    parts: list[str] = []
    index = start
    while index < len(tokens) and len(parts) < _NAME_PARTS_MAX:
        token = tokens[index]
        if not _is_name(token):
            return (), index
        parts.append(_fold(token))
        index += 1
        if index >= len(tokens) or tokens[index].token_type is not _T.DOT:
            break
        index += 1
    return ((tuple(parts),) if parts else ()), index


def _is_name(token: Token) -> bool:
    kind = token.token_type
    if kind in (_T.IDENTIFIER, _T.VAR):
        return True
    # A keyword that is not reserved may name a table; so may, in DataFusion, a string.
    return kind not in (_T.SELECT, _T.VALUES, _T.WITH, _T.FROM) and token.text.isidentifier()


def _is_call(tokens: list[Token], index: int) -> bool:
    return index < len(tokens) and tokens[index].token_type is _T.L_PAREN


def _fold(token: Token) -> str:
    return token.text if token.token_type is _T.IDENTIFIER else token.text.lower()


def _opens_cte(tokens: list[Token], index: int) -> bool:
    """``name [(columns)] AS [NOT] [MATERIALIZED] (`` is a common table expression."""
    after = index + 1
    while after < len(tokens) and tokens[after].text.upper() in ("NOT", "MATERIALIZED"):
        after += 1
    return _is_call(tokens, after) and _cte_name_index(tokens, index) >= 0


def _cte_name_index(tokens: list[Token], index: int) -> int:
    before = index - 1
    if before >= 0 and tokens[before].token_type is _T.R_PAREN:
        while before >= 0 and tokens[before].token_type is not _T.L_PAREN:
            before -= 1
        before -= 1
    return before
