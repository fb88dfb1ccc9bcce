"""Finds long lists of numbers in a statement: vectors, which nobody needs to read word by word.

A vector of 384 numbers has a thousand tokens, and costs the passes over them, and DataFusion, milliseconds.
Every other character stays where it was, so places in the text stay true. What is in quotes or in a comment is
left alone, and so is a list with anything in it but numbers.
"""

import re
from functools import lru_cache

import numpy as np

from engine.query.sql_text import Unquoted, replaced

_NUMBERS_MIN = 16
# An integer has one zero, so -0 is left to the engine.
_NUMBER = r"(?!-0+\s*[),\]])-?(?:\d{1,18}(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?"
_ITEM = rf"\s*+(?:{_NUMBER}|\({_NUMBER}\))\s*+"
_LISTS = Unquoted(
    rf"(?P<array>\b[aA][rR][rR][aA][yY]\s*+)?"
    rf"\[(?P<items>{_ITEM}(?:,{_ITEM}){{{_NUMBERS_MIN - 1},}}+)\]",
    mark="[",
)
_NO_BRACKETS = str.maketrans("", "", "()")


def blank_numbers(sql: str) -> str:
    """Return a statement with blanks in the places of long lists of numbers.

    >>> blank_numbers("SELECT ARRAY[" + "1.5, " * 19 + "2], '[1]', [3]").split()
    ['SELECT', 'ARRAY[', '],', "'[1]',", '[3]']
    """

    def blanks(found: re.Match[str]) -> str:
        return f"{found['array'] or ''}[{' ' * len(found['items'])}]"

    return replaced(sql, _lists(sql), blanks)


def chars_besides_numbers(sql: str) -> int:
    """Count the characters that are not in long lists of numbers.

    >>> chars_besides_numbers("[" + "1, " * 19 + "2]")
    2
    """
    return len(sql) - sum(len(found["items"]) for found in _lists(sql))


def take_numbers(sql: str, function: str) -> tuple[str, list[np.ndarray]]:
    """Write calls of a function in the places of long arrays of fractions.

    The n-th is ``function(n)``, from 0, and so is each that is written alike: what is grouped by must be
    what is selected. An array without a fraction holds integers, and stays.

    >>> text, (numbers,) = take_numbers("SELECT ARRAY[" + "0, " * 19 + "-.5]", "numbers")
    >>> text.split(), numbers[-2:].tolist()
    (['SELECT', 'numbers(0)/*', '*/'], [0.0, -0.5])
    """
    taken: dict[str, np.ndarray] = {}

    def call(found: re.Match[str]) -> str | None:
        items = found["items"]
        if not found["array"] or ("." not in items and "e" not in items.lower()):
            return None
        if items not in taken:
            taken[items] = np.fromstring(items.translate(_NO_BRACKETS), sep=",")
        text = f"{function}({[*taken].index(items)})"
        # Not blanks alone: each would be a token.
        filling = " " * (len(found[0]) - len(text) - len("/**/"))
        return f"{text}/*{filling}*/"

    return replaced(sql, _lists(sql), call), [*taken.values()]


@lru_cache(maxsize=4)
def _lists(sql: str) -> tuple[re.Match[str], ...]:
    """Find the lists that are part of the statement itself; several functions ask in a row."""
    return tuple(_LISTS.find(sql))
