"""A Java process that does to JDBC objects what tests say, so that tests hold all expectations."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest

from tests.patience import PATIENCE_S
from tests.pgwire.running import DATABASE, HOST, USER
from tests.server.running import TOKEN

JAR = Path("/usr/share/java/postgresql.jar")
PROGRAM = Path(__file__).with_name("jdbc") / "Probe.java"
_ITEM_END = "\x1f"

# A statement is prepared in the server at its first run, and its rows are binary from the next one on.
_BINARY = {"prepareThreshold": "1", "binaryTransfer": "true"}
MODES = {
    "text": {"binaryTransfer": "false", "prepareThreshold": "0"},
    "binary": _BINARY,
    "simple": {"preferQueryMode": "simple"},
    "extendedForPrepared": {"preferQueryMode": "extendedForPrepared", **_BINARY},
}
"""The ways in which the driver asks, with its options for each."""

Row = list[Any]


class JavaError(Exception):
    """What a call threw: its class, and the SQLSTATE of an SQLException."""

    def __init__(self, kind: str, state: str | None, message: str) -> None:
        super().__init__(f"{kind} {state}: {message}")
        self.kind, self.state, self.message = kind, state, message


@dataclass(frozen=True)
class Made:
    """A value that Java reads from a text: ``Made("java.util.UUID", "…")``."""

    type_name: str
    text: str


@dataclass(frozen=True)
class JavaClass:
    """A class, as an argument or to call static methods of."""

    name: str


class Java:
    """A running process; one call at a time."""

    def __init__(self, classes: Path, log: Path) -> None:
        command = ["java", "-cp", f"{classes}:{JAR}", "-Duser.timezone=UTC", "-Xmx512m"]
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, "-XX:TieredStopAtLevel=1", "-Xshare:auto", "Probe"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
            )

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=PATIENCE_S)

    def static(self, class_name: str) -> "Kept":
        """Something to call the static methods of a class on."""
        return Kept(self, f"C{class_name}")

    def ask(self, command: str, target: Any, method: str, *arguments: Any) -> Any:
        """Send one line, and read the answer to it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        words = [command, _word(target), method, *map(_word, arguments)]
        self._process.stdin.write("\t".join(words) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise JavaError(answer["error"], answer["state"], answer["message"])
        value = answer["value"]
        return Kept(self, f"K{value['kept']}") if isinstance(value, dict) else value


class Kept:
    """An object in the process: its methods are called as in Java."""

    def __init__(self, java: Java, word: str) -> None:
        self.java, self.word = java, word

    def __getattr__(self, method: str) -> Any:
        return lambda *arguments: self.java.ask("call", self, method, *arguments)

    def later(self, method: str, *arguments: Any) -> "Kept":
        """Call in a thread of its own: what comes has ``get()``."""
        return cast("Kept", self.java.ask("later", self, method, *arguments))

    def objects(self) -> list[Row]:
        """The rows of a ResultSet by getObject: each value is its class and its text, or None."""
        return cast("list[Row]", self.java.ask("rows", self, "getObject"))

    def strings(self) -> list[Row]:
        """The rows of a ResultSet by getString."""
        return cast("list[Row]", self.java.ask("rows", self, "getString"))


class Jdbc:
    """Connects to one server, and remembers what it opened."""

    def __init__(self, java: Java, port: int) -> None:
        self.java, self._port = java, port
        self._opened: list[Kept] = []

    def connect(self, database: str = DATABASE, **options: Any) -> Kept:
        """Connect with properties of the driver; user and password are the right ones unless given."""
        given = {"user": USER, "password": TOKEN, **options}
        written = "&".join(f"{name}={quote(str(value))}" for name, value in given.items())
        url = f"jdbc:postgresql://{HOST}:{self._port}/{database}?{written}"
        opened: Kept = self.java.static("java.sql.DriverManager").getConnection(url)
        self._opened.append(opened)
        return opened

    def close(self) -> None:
        """Close all connections."""
        for each in self._opened:
            each.close()


@contextmanager
def refused(state: str) -> Iterator[None]:
    """What is done in the block throws an SQLException with this SQLSTATE."""
    with pytest.raises(JavaError) as caught:
        yield
    assert caught.value.state == state, caught.value


def asked(connection: Any, sql: str) -> list[Row]:
    """The rows of a query."""
    found: list[Row] = connection.createStatement().executeQuery(sql).objects()
    return found


def one(connection: Any, sql: str = "SELECT 1") -> Any:
    """The only value of a query."""
    ((value,),) = asked(connection, sql)
    return value


def compile_probe(target: Path) -> None:
    """Compile the program into a folder."""
    subprocess.run(
        ["javac", "-d", str(target), str(PROGRAM)],
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )


def _word(value: Any) -> str:
    """Write a value as its letter and its text, which have neither tabs nor line ends."""
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    raise TypeError(value)


_WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (type(None), lambda _: "N"),
    (bool, lambda value: f"B{str(value).lower()}"),  # before int, which it is as well
    (int, lambda value: f"I{value}"),
    (float, lambda value: f"D{value}"),
    (str, lambda value: "S" + quote(value)),
    (bytes, lambda value: f"X{value.hex()}"),
    (JavaClass, lambda value: f"C{value.name}"),
    (Kept, lambda value: value.word),
    (Made, lambda value: f"O{value.type_name} {value.text}"),
    (list, lambda value: "A" + _ITEM_END.join(map(_word, value))),
)
