"""Cut JSON into blocks of whole lines with one object a line, whatever way it is printed.

Newline-delimited objects pass through untouched. An array of objects, or objects spread over
several lines, are rewritten in place, byte for byte: line breaks outside of strings become blanks
and the commas between the objects of the array become line breaks. Memory is a few blocks, and at
most one object of ``OBJECT_BYTES_MAX``.
"""

from collections.abc import Iterator

import numpy as np
import orjson
import pyarrow as pa

from engine.datasets.compression import InputStream
from engine.datasets.errors import LoadError

BLOCK_BYTES = 4 << 20
OBJECT_BYTES_MAX = 64 << 20
"""The longest single object there may be."""
DEPTH_MAX = 30
"""How deep objects and arrays may nest; a list takes three of the hundred levels of Parquet."""
LINE_BYTES_UNCHECKED = 4_000
"""A line no longer than this cannot nest deep enough (5,000 levels) to exhaust the stack."""

_BLANK, _QUOTE, _OPEN, _CLOSE, _COMMA, _BREAK = range(6)
_KINDS = np.zeros(256, np.uint8)
for _characters, _kind in (
    ('"', _QUOTE),
    ("{[", _OPEN),
    ("}]", _CLOSE),
    (",", _COMMA),
    ("\r\n", _BREAK),
):
    _KINDS[[ord(character) for character in _characters]] = _kind
_STEP = np.array([0, 0, 1, -1, 0, 0], np.int32)
NESTED_TOO_DEEP = f"Parse error: the JSON is nested deeper than {DEPTH_MAX} levels"


def json_blocks(stream: InputStream) -> Iterator[bytes]:
    """Read a file as blocks of whole lines.

    Raises:
        LoadError: the text does not begin with an object or an array, ends inside one, or nests
        too deep.
    """
    head = _first_text(stream)
    if not head:
        return
    scanner = None
    if head[:1] == b"[":
        scanner = StructureScanner(in_array=True)
    elif head[:1] != b"{":
        raise LoadError("Parse error: expected JSON objects, one a line or in an array")
    elif not _is_object(head.split(b"\n", 1)[0]):
        scanner = StructureScanner(in_array=False)
    for block in _whole_lines(_chunks(head, stream), scanner):
        _check_text(block)
        _check_depth(block)
        yield block


def _first_text(stream: InputStream) -> bytes:
    """The first chunk that is more than white space, without what comes before the text."""
    first = stream.read(BLOCK_BYTES)
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise LoadError("Parse error: the text is UTF-16; send it as UTF-8")
    head = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    while first and not head:
        first = stream.read(BLOCK_BYTES)
        head = first.lstrip()
    return head


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _chunks(head: bytes, stream: InputStream) -> Iterator[bytes]:
    yield head
    while chunk := stream.read(BLOCK_BYTES):
        yield chunk


def _whole_lines(chunks: Iterator[bytes], scanner: "StructureScanner | None") -> Iterator[bytes]:
    pending: list[bytes] = []
    pending_bytes = 0
    for raw in chunks:
        chunk = scanner.feed(raw) if scanner else raw
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield b"".join((*pending, chunk[:cut]))
            pending, pending_bytes = [], 0
        pending.append(chunk[cut:])
        pending_bytes += len(chunk) - cut
        if pending_bytes > OBJECT_BYTES_MAX:
            raise LoadError(f"Parse error: one object is longer than {OBJECT_BYTES_MAX >> 20} MiB")
    if scanner:
        pending.append(scanner.finish())
    if last := b"".join(pending).strip():
        yield last + b"\n"


def _check_text(block: bytes) -> None:
    """Refuse what is not UTF-8: the parser itself would store it."""
    try:
        pa.array([block], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid as exc:
        raise LoadError("Parse error: text that is not UTF-8") from exc


def _check_depth(block: bytes) -> None:
    start = 0
    while start < len(block):
        # Hop over as many short lines as fit: a thousand hops for a block.
        line_break = block.rfind(b"\n", start, start + LINE_BYTES_UNCHECKED)
        if line_break < 0:
            StructureScanner(in_array=False).feed(block)
            return
        start = line_break + 1


class StructureScanner:
    """Follows strings and nesting through chunks of JSON."""

    def __init__(self, *, in_array: bool) -> None:
        self._in_array = in_array
        self._depth = 0
        self._in_string = 0
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the chunk with line breaks only between objects.

        Raises:
            LoadError: a bracket too many, or nesting beyond ``DEPTH_MAX``.
        """
        data = self._held + chunk
        # A backslash at the end belongs with the byte that follows it in the next chunk.
        whole = len(data) - (len(data) - len(data.rstrip(b"\\"))) % 2
        data, self._held = data[:whole], data[whole:]
        # Pairs of backslashes first, then escaped quotes; the quotes left open or close strings.
        plain = data.replace(b"\\\\", b"..").replace(b'\\"', b"..")
        kinds = _KINDS[np.frombuffer(plain, np.uint8)]
        where = np.flatnonzero(kinds)
        kinds = kinds[where]
        quotes = kinds == _QUOTE
        outside = ((np.cumsum(quotes) + self._in_string) % 2 == 0) & ~quotes
        self._in_string = (self._in_string + int(quotes.sum())) % 2
        where, kinds = where[outside], kinds[outside]
        depth = np.cumsum(_STEP[kinds]) + self._depth
        self._depth = int(depth[-1]) if len(depth) else self._depth
        if depth.min(initial=0) < 0:
            raise LoadError("Parse error: a closing bracket without an opening one")
        if depth.max(initial=0) > DEPTH_MAX:
            raise LoadError(NESTED_TOO_DEEP)
        return self._rewritten(data, where, kinds, depth)

    def _rewritten(
        self, data: bytes, where: np.ndarray, kinds: np.ndarray, depth: np.ndarray
    ) -> bytes:
        text = np.frombuffer(data, np.uint8).copy()
        breaks = kinds == _BREAK
        if self._in_array:
            text[where[breaks]] = ord(" ")
            text[where[(kinds == _COMMA) & (depth == 1)]] = ord("\n")
            outer = ((kinds == _OPEN) & (depth == 1)) | ((kinds == _CLOSE) & (depth == 0))
            text[where[outer]] = ord(" ")
        else:
            text[where[breaks & (depth > 0)]] = ord(" ")
        return text.tobytes()

    def finish(self) -> bytes:
        """Return what was held back at the end of the input.

        Raises:
            LoadError: the input ended inside a string, an object or an array.
        """
        if self._depth or self._in_string:
            raise LoadError("Parse error: the JSON ends before its last object or array is closed")
        return self._held
