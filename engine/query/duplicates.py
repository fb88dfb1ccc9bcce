"""Lets a SELECT list repeat an output name, as Postgres does and DataFusion refuses to.

Works from the refusal: DataFusion says which two columns have one name, so statements without
repeats pay nothing. One of the two gets a private alias at its place in the text, and the answer
shows the name of the other. Nothing else in the statement changes.

The refusal counts columns, not items, and does not say which SELECT it means: a wildcard hides the
count, and the list that looks most like the two expressions is taken. Taking the wrong one costs a
round, or ends in DataFusion's error.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import pairwise

import sqlglot
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

_ROUNDS_MAX = 200
_ALIKE = 0.5
_SAME_NAME = re.compile(
    r'Projections require unique expression names but the expression "(?P<first>.+?)" at position '
    r'(?P<one>\d+) and "(?P<second>.+?)" at position (?P<other>\d+) have the same name',
    re.DOTALL,
)
_AMBIGUOUS = re.compile(
    r"Schema contains qualified field name .+? and unqualified field name (?P<name>.+?) "
    r"which would be ambiguous",
    re.DOTALL,
)
_EXPLAIN = re.compile(r"\s*EXPLAIN\b", re.IGNORECASE)
_ALIASED = re.compile(r"\sAS\s+(?P<alias>[^\s)][^)]*)$", re.DOTALL)
_CAST = re.compile(r"(?:TRY_)?CAST\((?P<inner>.*) AS [^()]+(?:\([^()]*\))?\)", re.DOTALL)

_T = TokenType
_ENDS = {
    *(_T.FROM, _T.WHERE, _T.GROUP_BY, _T.HAVING, _T.ORDER_BY, _T.LIMIT, _T.OFFSET, _T.UNION),
    *(_T.EXCEPT, _T.INTERSECT, _T.WINDOW, _T.QUALIFY, _T.FETCH, _T.SEMICOLON),
}
_NAMES = {_T.VAR, _T.IDENTIFIER}
# A word after one of these is an alias, but for the words that go on with the expression.
_ENDED = {
    *(_T.VAR, _T.IDENTIFIER, _T.R_PAREN, _T.R_BRACKET, _T.NUMBER, _T.STRING, _T.END),
    *(_T.NULL, _T.TRUE, _T.FALSE),
}
_GOES_ON = {_T.END, _T.NULL, _T.TRUE, _T.FALSE, _T.ISNULL, _T.NOTNULL, _T.STRING}

_Item = list[Token]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a private alias stands for: the name of the output column ``position``, or ``name``."""

    name: str
    position: int | None


@dataclass(frozen=True, slots=True)
class Renamed:
    """A statement, and the private aliases in it with what they stand for."""

    sql: str
    aliases: dict[str, _Shown] = field(default_factory=dict)
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class _Repeat:
    """Items to alias, how sure that is, and what they show."""

    certainty: float
    items: list[_Item]
    shown: _Shown
    is_private: bool = True


@dataclass(frozen=True, slots=True)
class _Select:
    items: list[_Item]
    is_outermost: bool

    @property
    def star(self) -> int:
        """Index of the first wildcard, or the length."""
        return next((i for i, item in enumerate(self.items) if _is_star(item)), len(self.items))


def rename_duplicates(statement: Renamed, refusal: str) -> Renamed | None:
    """Give one repeated output column, and those with the same text, private aliases.

    Returns:
        The statement to plan next, or None when the refusal is about something else, the repeated
        item cannot be found, or ``_ROUNDS_MAX`` rounds were taken.

    >>> text = ('Projections require unique expression names but the expression "t.id" at '
    ...         'position 0 and "t.id" at position 1 have the same name.')
    >>> renamed = rename_duplicates(Renamed("SELECT id, id FROM t"), text)
    >>> renamed.sql.replace(*renamed.aliases, "private")
    'SELECT id, id AS "private" FROM t'
    """
    same, ambiguous = _SAME_NAME.search(refusal), _AMBIGUOUS.search(refusal)
    if (same is None and ambiguous is None) or statement.rounds == _ROUNDS_MAX:
        return None
    explained = _EXPLAIN.match(statement.sql)
    start = explained.end() if explained else 0  # sqlglot reads what follows as one string
    try:
        tokens = sqlglot.tokenize(statement.sql[start:], dialect="postgres")
    except SqlglotError:
        return None
    head, body = statement.sql[:start], replace(statement, sql=statement.sql[start:])
    found = [
        repeat
        for select in _selects(tokens)
        for repeat in (
            _same_name(body, select, same)
            if same
            else _same_as_column(body, select, _unquoted(ambiguous["name"] if ambiguous else "")),
        )
        if repeat is not None
    ]
    if not found:
        return None
    again = _alias(body, max(found, key=lambda repeat: repeat.certainty))
    return replace(again, sql=head + again.sql)


def shown_names(names: Sequence[str], renamed: Renamed) -> list[str]:
    """Put the names people wrote in the place of private aliases in a planned schema."""
    shown = list(names)
    for index, name in enumerate(names):
        seen: set[str] = set()
        while name in renamed.aliases and name not in seen:
            seen.add(name)
            stands_for = renamed.aliases[name]
            at = stands_for.position
            name = stands_for.name if at is None or at >= len(names) else names[at]  # noqa: PLW2901 - follows the chain
        shown[index] = name
    return shown


def _same_name(statement: Renamed, select: _Select, refusal: re.Match[str]) -> _Repeat | None:
    """The repeated item of this list, where its length and its items fit the refusal."""
    one, other = int(refusal["one"]), int(refusal["other"])
    first, second = refusal["first"], refusal["second"]
    items, star, sql = select.items, select.star, statement.sql
    position, expression = one, second
    if one < len(items) == star <= other:
        return _same_as_sort_key(statement, items[one], first)
    if other < star:
        kept, target = items[one], items[other]
    elif one < star < len(items):
        kept = target = items[one]
        position, expression = other, first
    else:
        found = _best_match(items[star:], second, statement)
        if found is None:
            return None
        kept = target = found
    is_same = kept is not target and _item_name(kept, sql) == _item_name(target, sql)
    alike = min(_likeness(kept, first, sql), _likeness(target, expression, sql))
    if (alike < _ALIKE and not is_same) or _is_private(target, statement):
        return None
    name = next(
        (n for n in map(_written_name, (kept, target)) if n is not None), _output_name(first)
    )
    shown = _Shown(name, position if select.is_outermost else None)
    return _Repeat(alike + is_same, _copies(select, target, kept, statement), shown)


def _same_as_sort_key(statement: Renamed, item: _Item, expression: str) -> _Repeat | None:
    """``SELECT id::text … ORDER BY id``: the second column is one that only sorts.

    The item gets its own name as its alias, for in Postgres ORDER BY means the output column.
    """
    name = _written_name(item)
    if name is None or _alias_start(item) < len(item) or _is_column(item):
        return None
    alike = _likeness(item, expression, statement.sql)
    return _Repeat(alike, [item], _Shown(name, None), is_private=False) if alike else None


def _best_match(items: list[_Item], expression: str, statement: Renamed) -> _Item | None:
    """The item after a wildcard that DataFusion most likely spells so."""
    free = [item for item in items if not _is_star(item) and not _is_private(item, statement)]
    name = _output_name(expression)
    named = [item for item in free if _item_name(item, statement.sql) in (name, expression)]
    return max(
        named or free,
        key=lambda item: _likeness(item, expression, statement.sql),
        default=None,
    )


def _same_as_column(statement: Renamed, select: _Select, name: str) -> _Repeat | None:
    """Items of this name that are no columns, where a column has the name, too."""
    named = [
        item
        for item in select.items
        if not _is_star(item)
        and not _is_private(item, statement)
        and _item_name(item, statement.sql) == name
    ]
    made = [item for item in named if not _is_column(item)]
    # Without one in sight the column is behind a wildcard, or one that only sorts.
    certainty = 1.0 + (len(made) < len(named) or select.star < len(select.items))
    return _Repeat(certainty, made, _Shown(name, None)) if made else None


def _copies(select: _Select, target: _Item, kept: _Item, statement: Renamed) -> list[_Item]:
    """The target, and the items written exactly like it: they would be refused next."""
    text = _text(target, statement.sql)
    return [
        item
        for item in select.items
        if item is target or (item is not kept and _text(item, statement.sql) == text)
    ]


def _alias(statement: Renamed, repeat: _Repeat) -> Renamed:
    aliases = dict(statement.aliases)
    pieces: list[str] = []
    done = 0
    prefix = _prefix(statement)
    for item in repeat.items:
        alias = repeat.shown.name.replace('"', '""')
        if repeat.is_private:
            alias = f"{prefix}{len(aliases)}"
            aliases[alias] = repeat.shown
        pieces += (statement.sql[done : item[_alias_start(item) - 1].end + 1], f' AS "{alias}"')
        done = item[-1].end + 1
    sql = "".join((*pieces, statement.sql[done:]))
    return Renamed(sql, aliases, statement.rounds + 1)


def _prefix(statement: Renamed) -> str:
    """A beginning no text can hold by accident or intent: it depends on the whole text."""
    for alias in statement.aliases:
        return alias.rpartition("_")[0] + "_"
    digest = blake2b(statement.sql.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return f"__repeat_{digest}_"


def _is_private(item: _Item, statement: Renamed) -> bool:
    return item[-1].text in statement.aliases


def _is_star(item: _Item) -> bool:
    return item[0].token_type is _T.STAR or any(
        token.token_type is _T.STAR and before.token_type is _T.DOT
        for before, token in pairwise(item)
    )


def _likeness(item: _Item, expression: str, sql: str) -> float:
    """The share of an item's words that DataFusion's spelling of it has, 0 to 1."""
    words = re.findall(r"\w+", _text(item, sql).lower())
    known = set(re.findall(r"\w+", expression.lower()))
    return sum(word in known for word in words) / len(words) if words else 1.0


def _output_name(expression: str) -> str:
    """``count(Int64(1)) AS count(*)`` -> ``count(*)``; ``CAST(t.id AS Utf8View)`` -> ``id``."""
    while cast := _CAST.fullmatch(expression):
        expression = cast["inner"]
    aliased = _ALIASED.search(expression) or re.search(
        r"\sAS (?P<alias>\w+\([^()]*\))$", expression
    )
    if aliased:
        return aliased["alias"]
    plain = re.fullmatch(r'(?:[\w"]+\.)*"?([^".()]+)"?', expression)
    return plain.group(1) if plain else expression


def _item_name(item: _Item, sql: str) -> str:
    """The name of an item as far as the text tells it; else the text without white space."""
    return _written_name(item) or re.sub(r"\s+", "", _text(_uncast(item), sql))


def _written_name(item: _Item) -> str | None:
    if _alias_start(item) < len(item):
        return _fold(item[-1])
    bare = _uncast(item)
    return _fold(bare[-1]) if _is_column(bare) else None


def _uncast(item: _Item) -> _Item:
    """``b::text`` and ``CAST(b AS text)`` -> ``b``."""
    inner = item
    kinds = [token.token_type for token in item]
    is_call = item[0].text.upper() in ("CAST", "TRY_CAST") and kinds[-1] is _T.R_PAREN
    if is_call and _T.ALIAS in kinds:
        inner = item[2 : len(kinds) - 1 - kinds[::-1].index(_T.ALIAS)]
    elif _T.DCOLON in kinds:
        inner = item[: kinds.index(_T.DCOLON)]
    return inner or item


def _is_column(item: _Item) -> bool:
    return all(token.token_type in (_T.DOT, *_NAMES) for token in item) and len(item) % 2 == 1


def _text(item: _Item, sql: str) -> str:
    return sql[item[0].start : item[-1].end + 1]


def _alias_start(item: _Item) -> int:
    """Index of the alias part (``AS x`` or a bare ``x``), or the length when there is none."""
    if len(item) < 2:  # noqa: PLR2004 - one token has no room for an alias
        return len(item)
    before, last = item[-2].token_type, item[-1]
    if before is _T.ALIAS:
        return len(item) - 2
    is_word = last.token_type in _NAMES or last.text.isidentifier()
    if not is_word or last.token_type in _GOES_ON:
        return len(item)
    earlier = item[-3].token_type if len(item) > 2 else None  # noqa: PLR2004 - one before
    if earlier is _T.INTERVAL or (before not in _ENDED and earlier is not _T.DCOLON):
        return len(item)
    return len(item) - 1


def _fold(token: Token) -> str:
    return token.text if token.token_type is _T.IDENTIFIER else token.text.lower()


def _unquoted(name: str) -> str:
    is_quoted = len(name) > 1 and name[0] == name[-1] == '"'
    return name[1:-1].replace('""', '"') if is_quoted else name


def _selects(tokens: list[Token]) -> list[_Select]:
    """Every SELECT list; the first one outside brackets names the columns of the answer."""
    selects: list[_Select] = []
    open_lists: list[list[_Item] | None] = [None]  # per bracket level: the list being read
    has_outermost = False
    for index, token in enumerate(tokens):
        kind = token.token_type
        if kind is _T.SELECT:
            items: list[_Item] = [[]]
            is_outermost = len(open_lists) == 1 and not has_outermost
            has_outermost |= is_outermost
            selects.append(_Select(items, is_outermost))
            open_lists[-1] = items
            continue
        if kind in (_T.R_PAREN, _T.R_BRACKET) and len(open_lists) > 1:
            open_lists.pop()
        elif kind in _ENDS and not _is_distinct_from(tokens, index):
            open_lists[-1] = None
        for items in filter(None, open_lists):
            is_own = items is open_lists[-1]
            if is_own and kind is _T.COMMA:
                items.append([])
            elif items[-1] or kind not in (_T.DISTINCT, _T.ALL):
                items[-1].append(token)
        if kind in (_T.L_PAREN, _T.L_BRACKET):
            open_lists.append(None)
    whole = [_Select([i for i in map(_without_on, s.items) if i], s.is_outermost) for s in selects]
    return [select for select in whole if select.items]


def _without_on(item: _Item) -> _Item:
    """``ON (a) b`` -> ``b``: what DISTINCT has before the first item."""
    if not item or item[0].token_type is not _T.ON:
        return item
    depth = 0
    for index, token in enumerate(item):
        depth += (token.token_type is _T.L_PAREN) - (token.token_type is _T.R_PAREN)
        if index and depth == 0:
            return item[index + 1 :]
    return []


def _is_distinct_from(tokens: list[Token], index: int) -> bool:
    """``a IS DISTINCT FROM b`` does not end the list."""
    return tokens[index].token_type is _T.FROM and tokens[index - 1].token_type is _T.DISTINCT
