"""What every text of SQL is made of: names and strings in quotes, comments, and the rest.

One place knows where Postgres ends them, so that what is in quotes is never taken for SQL, by whoever looks
for something in a statement. What is never closed goes on to the end of the text.
"""

import re
from collections.abc import Callable, Iterable, Iterator

_QUOTED = r"""
      (?<![\w$])[eE]'(?:[^'\\]|\\.|'')*+'?
    | '(?:[^']|'')*+'?
    | "(?:[^"]|"")*+"?
    | --[^\n]*+
    | (?P<comment>/\*)
    | (?<![\w$])\$(?P<tag>[^\W\d]\w*|)\$(?:.*?\$(?P=tag)\$|.*)
"""
_COMMENT_EDGE = re.compile(r"/\*|\*/")


class Unquoted:
    """Finds a pattern outside quotes and comments.

    >>> [found[0] for found in Unquoted(r"[a-z]").find("a 'b' /* c */ d")]
    ['a', 'd']
    """

    def __init__(self, pattern: str, *, mark: str = "") -> None:
        """Take a regular expression, which is read as verbose.

        Args:
            pattern: what is wanted.
            mark: what all that it matches has in it: most texts do not, and are not scanned.
        """
        self._mark = mark
        self._scan = re.compile(rf"{_QUOTED} | (?P<wanted>{pattern})", re.VERBOSE | re.DOTALL)

    def find(self, sql: str) -> Iterator[re.Match[str]]:
        """Yield the places of the pattern, in order; they do not overlap."""
        if self._mark not in sql:
            return
        position = 0
        while match := self._scan.search(sql, position):
            position = match.end()
            if match["comment"]:
                position = comment_end(sql, match.start())
            elif match["wanted"]:
                yield match


def replaced(
    sql: str, places: Iterable[re.Match[str]], write: Callable[[re.Match[str]], str | None]
) -> str:
    """Write something else in places that were found, in order.

    Args:
        sql: the text.
        places: where, in order.
        write: gives what is written in a place; None leaves it as it is.

    >>> replaced("a 'a'", Unquoted("a").find("a 'a'"), lambda found: found[0].upper())
    "A 'a'"
    """
    pieces: list[str] = []
    start = 0
    for found in places:
        text = write(found)
        if text is not None:
            pieces += (sql[start : found.start()], text)
            start = found.end()
    return "".join((*pieces, sql[start:])) if pieces else sql


PLACEHOLDERS = Unquoted(r"(?<![\w$])\$(?P<number>\d+)", mark="$")
"""Finds ``$1`` and its like; the group ``number`` is the number."""


def comment_end(sql: str, start: int) -> int:
    """Return where the block comment that begins at ``start`` ends: in Postgres they nest."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)


def quoted_name(*parts: str) -> str:
    """Write a name, of one part or several with dots between, so that it is taken as it is.

    >>> print(quoted_name("a", 'b "c" d'))
    "a"."b ""c"" d"
    """
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)
