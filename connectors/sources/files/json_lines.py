"""JSON cut into blocks of whole lines, one object in each, whatever way it is printed.

Newline-delimited objects pass through untouched. An array of objects, or objects spread over several
lines, are cut by Python's own scanner and put on one line each, byte for byte: a line break inside a
valid object is blank space. Memory is a block, and at most one object of ``OBJECT_BYTES_MAX``.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from connectors.errors import SourceFailed
from connectors.sources.files.text_stream import TextStream

OBJECT_BYTES_MAX = 64 << 20
LINE_BYTES_UNCHECKED = 4_000
"""A line no longer than this cannot nest deep enough to exhaust the stack of a parser."""

_BETWEEN = re.compile(r"[ \t\r\n,]*")
_BREAKS = str.maketrans("\r\n", "  ")


@dataclass(frozen=True, slots=True)
class Lines:
    """Some consecutive lines, each ended by a line break; ``first_row`` counts from 1."""

    text: bytes
    first_row: int


def json_lines(stream: TextStream, block_bytes: int, path: str) -> Iterator[Lines]:
    """Read JSON as blocks of about so many bytes.

    Raises:
        SourceFailed: the text is no objects or array of objects, one is too long, or it nests deep.
    """
    first_line = stream.peek(block_bytes).lstrip().split(b"\n", 1)[0]
    is_lines = _is_object(first_line)
    blocks = (
        _whole_lines(stream, block_bytes, path) if is_lines else _objects(stream, block_bytes, path)
    )
    row = 1
    for text in blocks:
        _check_depth(text, row, path)
        yield Lines(text, row)
        row += text.count(b"\n")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _whole_lines(stream: TextStream, block_bytes: int, path: str) -> Iterator[bytes]:
    pending: list[bytes] = []
    pending_bytes = 0
    while data := stream.read(block_bytes):
        end = data.rfind(b"\n") + 1
        if end:
            yield b"".join([*pending, data[:end]])
            pending, pending_bytes = [], 0
        pending.append(data[end:])
        pending_bytes += len(data) - end
        if pending_bytes > OBJECT_BYTES_MAX:
            raise _too_long(path)
    rest = b"".join(pending)
    if rest.strip():
        yield rest + b"\n"


def _objects(stream: TextStream, block_bytes: int, path: str) -> Iterator[bytes]:
    """Cut an array of objects, or objects one after the other, in any layout."""
    scanner = _Scanner(path)
    is_end = False
    while not is_end:
        data = stream.read(max(block_bytes, scanner.pending_chars))
        is_end = not data
        found = scanner.feed(data, is_end=is_end)
        if found:
            yield b"".join(found)


class _Scanner:
    """Takes text piece by piece and gives the whole objects in it, each on a line of its own."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._is_array: bool | None = None
        self._count = 0

    @property
    def pending_chars(self) -> int:
        """What waits for its end: reading as much again keeps the work linear."""
        return len(self._text)

    def feed(self, data: bytes, *, is_end: bool) -> list[bytes]:
        self._text += self._decoder.decode(data, final=is_end)
        found: list[bytes] = []
        position = self._begin()
        while (position := _skip(self._text, position)) < len(self._text):
            end = self._object_end(position)
            if end is None:
                break
            found.append(self._text[position:end].translate(_BREAKS).encode() + b"\n")
            position = end
        self._count += len(found)
        self._text = self._text[position:]
        self._check_rest(is_end=is_end)
        return found

    def _begin(self) -> int:
        position = _skip(self._text, 0)
        if self._is_array is None and position < len(self._text):
            self._is_array = self._text[position] == "["
            position += self._is_array
        return position

    def _object_end(self, position: int) -> int | None:
        if self._text[position] != "{":
            return None
        try:
            return json.JSONDecoder().raw_decode(self._text, position)[1]
        except ValueError:
            return None

    def _check_rest(self, *, is_end: bool) -> None:
        rest = self._text
        if rest.startswith("]") and self._is_array:
            if rest[1:].strip():
                raise SourceFailed(f"'{self._path}' goes on after its array of objects")
        elif is_end and (rest or self._is_array):
            raise SourceFailed(
                f"'{self._path}' is not valid JSON, or cut short, after row {self._count}"
            )
        elif rest[:1] not in {"", "{"}:
            raise SourceFailed(
                f"'{self._path}' is not JSON objects, one a line or in an array, after row"
                f" {self._count}"
            )
        elif len(rest) > OBJECT_BYTES_MAX:
            raise _too_long(self._path)


def _skip(text: str, position: int) -> int:
    found = _BETWEEN.match(text, position)
    return found.end() if found else position


def _check_depth(text: bytes, row: int, path: str) -> None:
    """Refuse what would exhaust the stack of Arrow's parser."""
    if len(text) <= LINE_BYTES_UNCHECKED:
        return
    for number, line in enumerate(text.split(b"\n")):
        if len(line) > LINE_BYTES_UNCHECKED and line.strip() and not _is_object(line):
            raise SourceFailed(
                f"'{path}', row {row + number}: not a valid JSON object, or nested too deep"
            )


def _too_long(path: str) -> SourceFailed:
    return SourceFailed(f"'{path}' has a JSON object longer than {OBJECT_BYTES_MAX >> 20} MiB")
