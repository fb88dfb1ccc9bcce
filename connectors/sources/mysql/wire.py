"""Reads the rows of an answer as columns, without making a Python object for any value.

The text protocol sends a row as one packet: a header of four bytes, then each value behind its
length. Only the packets are found one by one; lengths are followed for all rows of a chunk at once,
and Arrow copies the values of a column together. That is about as fast as the server writes them,
and exact: the server's own text is what is parsed. What it needs of pymysql is private there:
``_execute_command``, ``_read_packet`` and ``_rfile``.

The invariant: the values of a row end exactly where its packet does, and an answer ends with the
packet that says so. Anything else is an error, never a shorter table.

Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.drivers import load_driver
from connectors.errors import SourceFailed

Array: TypeAlias = "pa.Array[Any]"
Positions: TypeAlias = npt.NDArray[np.int64]

CHUNK_BYTES_MIN = 16 << 10
CHUNK_BYTES_MAX = 8 << 20
"""Less than a packet can have, so that a row of several packets never fits into a chunk."""
_READ_BYTES_MAX = 256 << 10
_HEADER_BYTES = 4
_SLACK_BYTES = 16
"""A value's length may be looked for behind the last byte before the row is known to be wrong."""
_CONTINUED = 0xFFFFFF
"""A packet of this length goes on in the next one."""
_NULL = 0xFB
_LENGTH_BYTES = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""How many bytes of length follow such a first byte; a smaller one is the length itself."""
_END = 0xFE
_END_BYTES_MAX = 9
_ERROR = 0xFF
_BROKEN_OFF = "The server broke off the answer"
_GARBLED = "The server sent what is not the protocol of MySQL"


@dataclass(frozen=True, slots=True)
class WireColumn:
    """A column as the answer announces it: its type by number, and its length (the bits of a BIT)."""

    name: str
    type_code: int
    length: int


class Answer:
    """The answer to one SELECT; iterate ``chunks`` once."""

    def __init__(self, connection: Any, sql: str) -> None:  # noqa: ANN401 - untyped driver
        """Send the statement and read the announcement of its columns.

        Raises:
            pymysql.err.Error: the server refuses it.
            SourceFailed: it is no SELECT.
        """
        driver = load_driver("pymysql")
        connection._execute_command(driver.constants.COMMAND.COM_QUERY, sql)
        first = connection._read_packet()
        if first.is_ok_packet() or first.is_load_local_packet():
            raise SourceFailed("The statement gives no rows")
        described = driver.protocol.FieldDescriptorPacket
        count = first.read_length_encoded_integer()
        packets = [connection._read_packet(described) for _ in range(count)]
        connection._read_packet()
        self.columns = tuple(WireColumn(p.name, p.type_code, p.length) for p in packets)
        self._file = connection._rfile
        self._buffer = bytearray()
        self._begin = 0
        self._filled = 0

    def chunks(self, *, bytes_max: int, rows_max: int) -> Iterator[list[Array]]:
        """Yield the rows as one Arrow binary array for each column, each value as it was sent.

        Args:
            bytes_max: of the rows as sent; a larger row comes alone.
            rows_max: of one chunk.

        Raises:
            pymysql.err.Error: the server reports an error.
            SourceFailed: the answer breaks off, or is none.
        """
        size = min(max(bytes_max, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX)
        self._buffer = bytearray(size + _SLACK_BYTES)
        is_done = False
        while not is_done:
            bounds = self._packets(rows_max)
            is_done = self._is_end(bounds)
            if is_done:
                self._check_end(*bounds[-2:])
                bounds.pop()
            if len(bounds) > 1:
                yield _columns(self._buffer, bounds, len(self.columns))
            elif not is_done:
                row = self._large_row()
                yield _columns(row, [0, len(row) - _SLACK_BYTES], len(self.columns))

    def _packets(self, count_max: int) -> list[int]:
        """Return where the next packets start and, at last, where the last of them ends.

        There are none when the next one is larger than the buffer.
        """
        bounds = [self._begin]
        self._scan(bounds, count_max)
        if len(bounds) <= count_max and not self._is_end(bounds):
            bounds = [bound - self._begin for bound in bounds]
            self._compact()
            while len(bounds) <= count_max and not self._is_end(bounds) and self._read_more():
                self._scan(bounds, count_max)
        self._begin = bounds[-1]
        return bounds

    def _scan(self, bounds: list[int], count_max: int) -> None:
        """Append where complete packets end, up to so many packets in all."""
        buffer, filled, append = self._buffer, self._filled, bounds.append
        position, limit = bounds[-1], filled - _HEADER_BYTES
        for _ in range(count_max - len(bounds) + 1):
            if position > limit:
                break
            length = buffer[position] | buffer[position + 1] << 8 | buffer[position + 2] << 16
            position += _HEADER_BYTES + length
            if position > filled:
                break
            append(position)

    def _is_end(self, bounds: list[int]) -> bool:
        """Tell whether the last packet is none of a row: nothing is sent after it."""
        if len(bounds) == 1:
            return False
        start, end = bounds[-2:]
        first = self._buffer[start + _HEADER_BYTES]
        return first == _ERROR or (first == _END and end - start - _HEADER_BYTES < _END_BYTES_MAX)

    def _check_end(self, start: int, end: int) -> None:
        payload = bytes(self._buffer[start + _HEADER_BYTES : end])
        if payload[0] == _ERROR:
            load_driver("pymysql").err.raise_mysql_exception(payload)

    def _compact(self) -> None:
        rest = self._buffer[self._begin : self._filled]
        self._buffer[: len(rest)] = rest
        self._begin, self._filled = 0, len(rest)

    def _read_more(self) -> bool:
        """Read what there is, waiting for at least one byte; False when the buffer is full."""
        room = len(self._buffer) - _SLACK_BYTES - self._filled
        if not room:
            return False
        # Not readinto1(): it waits for more when the file has something in its own buffer.
        content = self._file.read1(min(room, _READ_BYTES_MAX))
        if not content:
            raise SourceFailed(_BROKEN_OFF)
        self._buffer[self._filled : self._filled + len(content)] = content
        self._filled += len(content)
        return True

    def _large_row(self) -> bytearray:
        """Read one row that is larger than the buffer, from all its packets, as if it were one."""
        row = bytearray(_HEADER_BYTES)
        length = _CONTINUED
        while length == _CONTINUED:
            length = int.from_bytes(self._take(_HEADER_BYTES)[:3], "little")
            row += self._take(length)
        return row + bytes(_SLACK_BYTES)

    def _take(self, count: int) -> bytes:
        end = min(self._begin + count, self._filled)
        taken = bytes(self._buffer[self._begin : end])
        self._begin = end
        taken += bytes(self._file.read(count - len(taken)))
        if len(taken) < count:
            raise SourceFailed(_BROKEN_OFF)
        return taken


def _columns(buffer: bytearray, bounds: list[int], column_count: int) -> list[Array]:
    """Cut rows into their columns.

    Args:
        buffer: the packets, and some bytes of slack.
        bounds: where each packet starts, and where the last one ends.
        column_count: of the answer.

    Returns:
        One binary array for each column, which share nothing with the buffer.
    """
    edges = np.array(bounds, np.int64)
    row_count = len(bounds) - 1
    # The whole buffer as one array without copying: values in even places, what lies between them
    # in odd ones.
    offsets = np.empty(row_count * 2 * column_count + 1, np.int32)
    offsets[-1] = bounds[-1]
    places = offsets[:-1].reshape(row_count, 2 * column_count)
    missing = _follow(np.frombuffer(buffer, np.uint8), edges[:-1], edges[1:], places)
    values = pa.BinaryArray.from_buffers(
        pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets.data), pa.py_buffer(buffer)]
    )
    first = np.arange(0, len(offsets) - 1, 2 * column_count)
    columns = []
    for column, is_null in enumerate(missing):
        chosen: pa.Array[Any] = pa.array(first + 2 * column, mask=is_null)
        columns.append(values.take(chosen))
    return columns


def _follow(
    content: npt.NDArray[np.uint8],
    starts: Positions,
    ends: Positions,
    places: npt.NDArray[np.int32],
) -> list[npt.NDArray[np.bool_] | None]:
    """Write where each value starts and ends; return which are NULL, None for no value of a column.

    Raises:
        SourceFailed: the values of a row do not end where it does.
    """
    missing: list[npt.NDArray[np.bool_] | None] = []
    position = starts + _HEADER_BYTES
    for column in range(0, places.shape[1], 2):
        head = content[position]
        length = head.astype(np.int64)
        is_null = None
        position += 1
        if head.max() >= _NULL:
            is_null = head == _NULL
            length[is_null] = 0
            _read_lengths(content, head, position, length)
        places[:, column] = position
        position += length
        places[:, column + 1] = position
        if (position > ends).any() or (length < 0).any():
            raise SourceFailed(_GARBLED)
        missing.append(is_null)
    if not np.array_equal(position, ends):
        raise SourceFailed(_GARBLED)
    return missing


def _read_lengths(
    content: npt.NDArray[np.uint8],
    head: npt.NDArray[np.uint8],
    position: Positions,
    length: Positions,
) -> None:
    """Read the lengths that do not fit into the first byte, and move the positions behind them."""
    for first, width in _LENGTH_BYTES.items():
        rows = np.flatnonzero(head == first)
        if len(rows):
            at = position[rows]
            digits = [content[at + byte].astype(np.int64) << 8 * byte for byte in range(width)]
            length[rows] = np.bitwise_or.reduce(digits)
            position[rows] += width
