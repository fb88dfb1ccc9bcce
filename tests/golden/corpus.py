"""The statements of the golden corpus: a name, a state and one statement each, read from ``*.sql``.

A block of a file is ``-- name``, then ``-- same``, ``-- error: reason`` or ``-- wrong: what``, then the SQL.
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
TABLES = FOLDER / "tables.sql"
STATES = ("same", "error", "wrong")


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        name: unique, with the name of the file before it.
        state: of what the engine answers, compared with Postgres: one of STATES.
        remark: the reason of an error, or what is wrong.
        sql: without a semicolon at its end.
    """

    name: str
    state: str
    remark: str
    sql: str


def read_corpus() -> list[Statement]:
    """Read all statements, in the order of the names of their files."""
    files = sorted(path for path in FOLDER.glob("*.sql") if path != TABLES)
    return [statement for path in files for statement in read_statements(path)]


def read_statements(path: Path) -> list[Statement]:
    """Read the statements of one file."""
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    return [_read_block(path.stem, block) for block in blocks]


def _read_block(theme: str, block: str) -> Statement:
    name, state, sql = block.split("\n", 2)
    assert name.startswith("-- "), block
    word, _, remark = state.removeprefix("-- ").partition(": ")
    assert word in STATES, block
    assert (word == "same") == (remark == ""), block
    assert sql.endswith(";"), block
    return Statement(f"{theme}.{name.removeprefix('-- ')}", word, remark, sql.removesuffix(";"))


def is_ordered(sql: str) -> bool:
    """Whether the rows of a statement come in an order: an ORDER BY outside of parentheses."""
    depth = 0
    outside = []
    for character in sql:
        depth += {"(": 1, ")": -1}.get(character, 0)
        outside.append(character if depth == 0 else " ")
    return "ORDER BY" in "".join(outside).upper()
