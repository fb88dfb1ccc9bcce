"""Statements that are nearly right are refused with a sentence, or answered; nothing else happens."""

import random
import re
from contextlib import suppress

import pytest

from engine.errors import SqlInvalid
from engine.pg_catalog.answer import answer_catalog_statement
from engine.pg_catalog.classify import is_catalog_statement
from engine.pg_catalog.snapshot import carried
from tests.pg_catalog.catalogs import OWN_OIDS, SNAPSHOT, read_statements, with_numbers

_PIECES = re.compile(r"'(?:[^']|'')*'|\w+|\s+|[^\w\s]")
_CHARS_MAX = 2500
_STATEMENTS = [
    _PIECES.findall(with_numbers(sql, OWN_OIDS))
    for sql in read_statements().values()
    if len(sql) <= _CHARS_MAX
]
_PER_SEED = 150


def broken(seed: int) -> list[str]:
    chance = random.Random(seed)
    return [_break(chance) for _ in range(_PER_SEED)]


def _break(chance: random.Random) -> str:
    pieces = list(chance.choice(_STATEMENTS))
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(pieces))
        other = chance.choice(chance.choice(_STATEMENTS))
        match chance.randrange(3):
            case 0:
                pieces[place : place + chance.choice((1, 2, 4))] = [" "]
            case 1:
                pieces.insert(place, other)
            case _:
                pieces[place] = other
    return "".join(pieces)


@pytest.mark.parametrize("seed", range(8))
def test_a_broken_statement_is_refused_or_answered(seed: int) -> None:
    for sql in broken(seed):
        is_catalog_statement(sql, "shop")
        with suppress(SqlInvalid):
            answer_catalog_statement(carried(SNAPSHOT), sql).read_all()
