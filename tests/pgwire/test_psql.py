"""psql against a running server: statements, scripts, descriptions, errors."""

from pathlib import Path

import pytest

from tests.pgwire.running import PgServer

_PLAIN = ("-A", "-t", "-q")


def answered(server: PgServer, *arguments: str, script: str | None = None) -> str:
    done = server.psql(*arguments, script=script)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_statement_shows_a_table(server: PgServer) -> None:
    shown = answered(server, "-c", "SELECT id, name FROM items WHERE id < 3 ORDER BY id")
    assert shown.splitlines() == [
        " id | name  ",
        "----+-------",
        "  1 | row 1",
        "  2 | row 2",
        "(2 rows)",
        "",
    ]


@pytest.mark.parametrize(
    ("statements", "lines"),
    [
        ("SELECT 1; SELECT 'a;b'; -- end;\n", ["1", "a;b"]),
        ("\\set n 4\nSELECT name FROM items WHERE id = :n;\n", ["row 4"]),
        ("BEGIN; SELECT 1; SAVEPOINT s; ROLLBACK TO s; COMMIT; SELECT 2;\n", ["1", "2"]),
        ("\\timing off\nSELECT NULL;\n", [""]),
        ("SELECT 1 \\g\nSELECT 5 AS v \\gset\nSELECT :v + 1;\n", ["1", "6"]),
        ("SELECT name FROM items WHERE id = $1 \\bind 9 \\g\n", ["row 9"]),
        ("SET timezone = 'UTC'; SHOW timezone;\n", ["UTC"]),
        ("PREPARE p AS SELECT 3; EXECUTE p; DEALLOCATE p;\n", ["3"]),
        ("SELECT id FROM items WHERE id < 3 ORDER BY id \\gx\n", ["id|1", "", "id|2"]),
        ("SELECT 1 AS a \\gdesc\n", ["a|bigint"]),
    ],
    ids=lambda value: value[:12].strip() if isinstance(value, str) else "",
)
def test_a_script_gives_what_its_statements_give(
    server: PgServer, statements: str, lines: list[str]
) -> None:
    assert answered(server, *_PLAIN, script=statements).splitlines() == lines


def test_one_text_of_several_statements_shows_all_answers(server: PgServer) -> None:
    assert answered(server, *_PLAIN, "-c", "SELECT 1; SELECT 2").splitlines() == ["1", "2"]


def test_a_large_answer_is_read_in_portions(server: PgServer) -> None:
    script = "\\set FETCH_COUNT 1000\nSELECT id FROM items ORDER BY id;\n"
    assert answered(server, *_PLAIN, script=script).split() == [str(n) for n in range(1, 5001)]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("\\dt", "main|items|table|"),
        ("\\dn", "main|"),
        ("\\l", "datasets|"),
        ("\\d", "main|items|table|"),
        ("\\dt main.*", "main|items|table|"),
    ],
)
def test_what_there_is_is_listed(server: PgServer, command: str, expected: str) -> None:
    assert expected in answered(server, *_PLAIN, "-c", command)


def test_a_table_is_described(server: PgServer) -> None:
    described = answered(server, "-A", "-c", "\\d items").splitlines()
    assert described[0] == 'Table "main.items"'
    assert [line.split("|")[:2] for line in described[2:5]] == [
        ["id", "bigint"],
        ["name", "text"],
        ["half", "double precision"],
    ]


@pytest.mark.parametrize("command", ["\\d+ items", "\\du", "\\df", "\\dv", "\\di", "\\dT", "\\dS"])
def test_descriptions_of_other_things_do_not_fail(server: PgServer, command: str) -> None:
    done = server.psql("-c", command)
    assert done.returncode == 0
    assert "ERROR" not in done.stderr


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", "1\trow 1\n2\trow 2\n"),
        ("WITH (FORMAT csv, HEADER)", "id,name\n1,row 1\n2,row 2\n"),
        ("csv header", "id,name\n1,row 1\n2,row 2\n"),
    ],
    ids=["text", "csv", "csv-old"],
)
def test_rows_are_copied_to_a_file(
    server: PgServer, tmp_path: Path, options: str, expected: str
) -> None:
    target = tmp_path / "rows"
    query = "SELECT id, name FROM items WHERE id < 3 ORDER BY id"
    shown = answered(server, "-c", f"\\copy ({query}) to '{target}' {options}")
    assert shown == "COPY 2\n"
    assert target.read_text() == expected


def test_copying_into_the_server_is_refused(server: PgServer, tmp_path: Path) -> None:
    source = tmp_path / "rows"
    source.write_text("1\tx\t0.5\n")
    done = server.psql("-c", f"\\copy items from '{source}'")
    assert done.returncode == 1
    assert "25006" in done.stderr


def test_an_error_has_its_code_and_the_script_goes_on(server: PgServer) -> None:
    done = server.psql(*_PLAIN, script="SELECT * FROM absent;\nSELECT 1;\n")
    assert done.returncode == 0
    assert "ERROR:  42P01" in done.stderr
    assert done.stdout == "1\n"


def test_an_error_stops_a_script_that_wants_so(server: PgServer) -> None:
    done = server.psql(*_PLAIN, "-v", "ON_ERROR_STOP=1", script="SELECT 1/0;\nSELECT 1;\n")
    assert done.returncode == 3
    assert "22012" in done.stderr
    assert done.stdout == ""


def test_an_error_in_one_text_stops_what_follows(server: PgServer) -> None:
    done = server.psql(*_PLAIN, "-c", "SELECT 1; SELECT * FROM absent; SELECT 2")
    assert done.returncode == 1
    assert done.stdout == "1\n"
    assert "42P01" in done.stderr


def test_a_script_in_one_transaction_ends_as_one(server: PgServer) -> None:
    done = server.psql(*_PLAIN, "-1", script="SELECT 1;\nSELECT 2;\n")
    assert (done.returncode, done.stdout) == (0, "1\n2\n")


def test_psql_says_how_it_is_connected(server: PgServer) -> None:
    shown = answered(server, "-c", "\\conninfo")
    assert 'database "datasets"' in shown
    assert 'user "TIDEMILL_API_KEY"' in shown
