"""Every statement of the corpus is answered as Postgres does, or its state says how not.

A statement whose state is ``wrong`` must still be: the day it is right, its state is to become ``same``.
"""

from collections.abc import Iterator

import pytest

from tests.golden.answers import is_same
from tests.golden.corpus import STATES, Statement, is_ordered, read_corpus
from tests.golden.engines import Engines, Refused, open_engines

CORPUS = read_corpus()
_STATEMENTS_MIN = 400


@pytest.fixture(scope="module")
def engines(postgres_url: str) -> Iterator[Engines]:
    with open_engines(postgres_url) as both:
        yield both


def state_now(engines: Engines, sql: str) -> tuple[str, str]:
    """Run a statement on both; return its state and what was seen."""
    try:
        theirs = engines.ask_postgres(sql)
    except Refused as refusal:
        try:
            return "wrong", f"Postgres refuses ({refusal}), ours: {engines.ask_ours(sql)}"
        except Refused:
            return "same", "both refuse"
    try:
        ours = engines.ask_ours(sql)
    except Refused as refusal:
        return "error", str(refusal)
    if is_same(theirs, ours, ordered=is_ordered(sql)):
        return "same", ""
    return "wrong", f"Postgres: {theirs}, ours: {ours}"


@pytest.mark.parametrize("statement", CORPUS, ids=[statement.name for statement in CORPUS])
def test_statement_is_in_its_state(engines: Engines, statement: Statement) -> None:
    state, seen = state_now(engines, statement.sql)
    assert state == statement.state, f"{statement.sql}\n{seen}"


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    names = [statement.name for statement in CORPUS]
    assert len(names) >= _STATEMENTS_MIN
    assert len(set(names)) == len(names)
    assert {statement.state for statement in CORPUS} <= set(STATES)
