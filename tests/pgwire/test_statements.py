"""Statements about the session: what each form means, and what is refused."""

import pytest

from server.pgwire.commands import (
    CloseCursor,
    Command,
    Copy,
    Deallocate,
    Declare,
    Discard,
    ExecutePrepared,
    Fetch,
    Ignored,
    Prepare,
    SetSetting,
    Show,
    Transaction,
)
from server.pgwire.errors import PgError
from server.pgwire.statements import first_word, read_command, split_statements

READ: dict[str, Command | None] = {
    "SELECT 1": None,
    "WITH a AS (SELECT 1) SELECT * FROM a": None,
    "(SELECT 1)": None,
    "EXPLAIN SELECT 1": None,
    "SHOW TABLES": None,
    "SHOW COLUMNS FROM t": None,
    "BEGIN": Transaction("BEGIN"),
    "begin work": Transaction("BEGIN"),
    "/* so */ BEGIN TRANSACTION -- it begins": Transaction("BEGIN"),
    "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE": Transaction("BEGIN"),
    "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ NOT DEFERRABLE": Transaction("BEGIN"),
    "START TRANSACTION READ ONLY": Transaction("START TRANSACTION"),
    "COMMIT": Transaction("COMMIT"),
    "COMMIT AND NO CHAIN": Transaction("COMMIT"),
    "END TRANSACTION": Transaction("COMMIT"),
    "ROLLBACK": Transaction("ROLLBACK"),
    "ABORT WORK": Transaction("ROLLBACK"),
    "SAVEPOINT a": Transaction("SAVEPOINT", "a"),
    'SAVEPOINT "A b"': Transaction("SAVEPOINT", "A b"),
    "RELEASE a": Transaction("RELEASE", "a"),
    "RELEASE SAVEPOINT A": Transaction("RELEASE", "a"),
    "ROLLBACK TO a": Transaction("ROLLBACK", "a"),
    "ROLLBACK WORK TO SAVEPOINT a": Transaction("ROLLBACK", "a"),
    "SET a.b = 'x'": SetSetting("a.b", "x"),
    "SET timezone TO 'UTC'": SetSetting("timezone", "UTC"),
    "SET SESSION statement_timeout = 250": SetSetting("statement_timeout", "250"),
    "SET LOCAL statement_timeout = -1": SetSetting("statement_timeout", "-1", is_local=True),
    "SET DateStyle = ISO, MDY": SetSetting("datestyle", "ISO, MDY"),
    "SET timezone = DEFAULT": SetSetting("timezone", None),
    "SET TIME ZONE 'Asia/Tokyo'": SetSetting("timezone", "Asia/Tokyo"),
    "SET TIME ZONE LOCAL": SetSetting("timezone", None),
    "SET NAMES 'utf8'": SetSetting("client_encoding", "utf8"),
    'SET search_path TO a, "B"': SetSetting("search_path", 'a, "B"'),
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED": Ignored("SET"),
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": Ignored("SET"),
    "RESET timezone": SetSetting("timezone", None, tag="RESET"),
    "RESET TIME ZONE": SetSetting("timezone", None, tag="RESET"),
    "RESET ALL": SetSetting("all", None, tag="RESET"),
    "SHOW server_version": Show("server_version"),
    "SHOW TIME ZONE": Show("timezone"),
    "SHOW TRANSACTION ISOLATION LEVEL": Show("transaction_isolation"),
    "SHOW a.b": Show("a.b"),
    "SHOW ALL": Show("all"),
    "DISCARD ALL": Discard("ALL"),
    "DISCARD plans": Discard("PLANS"),
    "DECLARE c CURSOR FOR SELECT 1": Declare("c", "SELECT 1", False, False, False),
    "DECLARE c BINARY INSENSITIVE NO SCROLL CURSOR WITH HOLD FOR SELECT ';'": Declare(
        "c", "SELECT ';'", True, True, False
    ),
    "DECLARE c SCROLL CURSOR WITHOUT HOLD FOR SELECT 1": Declare(
        "c", "SELECT 1", False, False, True
    ),
    "FETCH c": Fetch("c", 1, False),
    "FETCH NEXT FROM c": Fetch("c", 1, False),
    "FETCH 10 IN c": Fetch("c", 10, False),
    "FETCH FORWARD 5 FROM c": Fetch("c", 5, False),
    "FETCH ALL FROM c": Fetch("c", None, False),
    "FETCH FORWARD ALL c": Fetch("c", None, False),
    "MOVE 3 FROM c": Fetch("c", 3, True),
    "CLOSE c": CloseCursor("c"),
    "CLOSE ALL": CloseCursor(None),
    "PREPARE p AS SELECT $1": Prepare("p", "SELECT $1", ()),
    "PREPARE p (int, numeric(10, 2)) AS SELECT $1, $2": Prepare(
        "p", "SELECT $1, $2", ("int", "numeric(10, 2)")
    ),
    "EXECUTE p": ExecutePrepared("p", ()),
    "EXECUTE p (1, 'a, b', f(2, 3))": ExecutePrepared("p", ("1", "'a, b'", "f(2, 3)")),
    "DEALLOCATE p": Deallocate("p"),
    "DEALLOCATE PREPARE p": Deallocate("p"),
    "DEALLOCATE ALL": Deallocate(None),
    "COPY t TO STDOUT": Copy('SELECT * FROM "t"', {}),
    "COPY (SELECT (1)) TO STDOUT": Copy("SELECT (1)", {}),
    "COPY t TO STDOUT (FORMAT csv, HEADER, DELIMITER ';', FORCE_QUOTE (a, b))": Copy(
        'SELECT * FROM "t"',
        {"format": "csv", "header": "true", "delimiter": ";", "force_quote": ("a", "b")},
    ),
    "COPY t TO STDOUT WITH CSV HEADER DELIMITER AS '|' NULL ''": Copy(
        'SELECT * FROM "t"', {"format": "csv", "header": "true", "delimiter": "|", "null": ""}
    ),
    "COPY t TO STDOUT BINARY": Copy('SELECT * FROM "t"', {"format": "binary"}),
    "UNLISTEN *": Ignored("UNLISTEN"),
}
WRONG = {
    "BEGIN READ WRITE": "25006",
    "SET TRANSACTION READ WRITE": "25006",
    "BEGIN NOW": "42601",
    "BEGIN ISOLATION LEVEL CHAOS": "42601",
    "COMMIT AND CHAIN": "42601",
    "COMMIT 7": "42601",
    "SAVEPOINT": "42601",
    "SAVEPOINT 'a'": "42601",
    "ROLLBACK TO": "42601",
    "SET": "42601",
    "SET a": "42601",
    "SET a =": "42601",
    "SET a = 1 2": "42601",
    "RESET": "42601",
    "SHOW": "42601",
    "SHOW a b": "42601",
    "DISCARD": "42601",
    "DISCARD EVERYTHING": "42601",
    "DECLARE c": "42601",
    "DECLARE c CURSOR SELECT 1": "42601",
    "FETCH": "42601",
    "FETCH BACKWARD 1 FROM c": "55000",
    "FETCH -1 FROM c": "55000",
    "FETCH PRIOR FROM c": "55000",
    "FETCH ABSOLUTE 3 FROM c": "55000",
    "MOVE LAST FROM c": "55000",
    "FETCH 1 FROM c d": "42601",
    "CLOSE": "42601",
    "PREPARE p": "42601",
    "PREPARE p (int AS SELECT 1": "42601",
    "EXECUTE": "42601",
    "EXECUTE p (1": "42601",
    "EXECUTE p 1": "42601",
    "DEALLOCATE": "42601",
    "COPY t FROM STDIN": "25006",
    "COPY t TO '/tmp/rows'": "42501",
    "COPY t TO PROGRAM 'sh'": "42501",
    "COPY t": "42601",
    "COPY (SELECT 1 TO STDOUT": "42601",
    "COPY t TO STDOUT (FORMAT csv": "42601",
    "COPY t TO STDOUT WITH NOTHING": "42601",
}


@pytest.mark.parametrize("sql", READ)
def test_a_statement_is_read(sql: str) -> None:
    assert read_command(sql) == READ[sql]


@pytest.mark.parametrize("sql", WRONG)
def test_a_statement_is_refused(sql: str) -> None:
    with pytest.raises(PgError) as caught:
        read_command(sql)
    assert caught.value.sqlstate == WRONG[sql]


@pytest.mark.parametrize("sql", [sql for sql, command in READ.items() if command is not None])
def test_case_and_comments_do_not_matter(sql: str) -> None:
    word = first_word(sql)
    start = sql.upper().index(word)
    changed = f" \n/* a; b */ {word.lower()} -- end\n {sql[start + len(word) :]}"
    if word != "DEALLOCATE":
        assert read_command(changed) == READ[sql]


@pytest.mark.parametrize(
    ("sql", "pieces"),
    [
        ("", []),
        (" ;; -- ;\n; /* ; */", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;", ["SELECT 1"]),
        ("SELECT 1;SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';';SELECT \";\"", ["SELECT ';'", 'SELECT ";"']),
        ("SELECT 'it''s;';SELECT 2", ["SELECT 'it''s;'", "SELECT 2"]),
        ("SELECT 1 -- ;\n+ 1;SELECT 2", ["SELECT 1 -- ;\n+ 1", "SELECT 2"]),
        ("SELECT /* ; */ 1;SELECT 2", ["SELECT /* ; */ 1", "SELECT 2"]),
    ],
    ids=range(9),
)
def test_a_text_is_cut_into_statements(sql: str, pieces: list[str]) -> None:
    assert split_statements(sql) == pieces


@pytest.mark.parametrize(
    ("sql", "gives_rows"),
    [("SHOW a", True), ("FETCH c", True), ("MOVE c", False), ("BEGIN", False), ("EXECUTE p", True)],
)
def test_it_is_known_what_gives_rows(sql: str, gives_rows: bool) -> None:
    command = read_command(sql)
    assert command is not None
    assert command.gives_rows is gives_rows
