"""The text of a file as UTF-8 lines: expanded by its first bytes, decoded, without a byte order mark.

Memory is one read at a time, however far a file expands. Bytes that are no text of the encoding, or
no whole compressed stream, are errors of the read that meets them.
"""

import codecs
from typing import Any

import pyarrow as pa

from connectors.sources.files.stores import Reading

READ_BYTES = 1 << 20
TAIL_BYTES = 64

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bz2",
    b"\x04\x22\x4d\x18": "lz4",
}
_BYTE_ORDER_MARK = codecs.BOM_UTF8


class TextStream:
    """A file object for pyarrow over an open file; closing it leaves the file open.

    Attributes:
        tail: the last bytes read.
    """

    def __init__(self, file: Reading, encoding: str = "utf-8") -> None:
        file.seek(0)
        head = file.read(4)
        file.seek(0)
        codec: Any = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
        buffered: Any = pa.BufferedInputStream(file, READ_BYTES)
        self._stream: Any = pa.CompressedInputStream(buffered, codec) if codec else buffered
        self._is_utf8 = codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}
        self._decoder = codecs.getincrementaldecoder("utf-8" if self._is_utf8 else encoding)()
        self._last, self._ahead = b"", b""
        self.closed = False
        self.tail = b""

    def readable(self) -> bool:
        """Always true; pyarrow asks."""
        return True

    def peek(self, size: int) -> bytes:
        """Return the first bytes of what is to come, fewer only when there are no more."""
        while len(self._ahead) < size and (data := self._next(size)):
            self._ahead += data
        return self._ahead[:size]

    def read(self, size: int = READ_BYTES) -> bytes:
        """Read some bytes, empty at the end; never more than asked for."""
        if not self._ahead:
            self._ahead = self._next(size)
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        self.tail = (self.tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        return data

    def close(self) -> None:
        """Read no more; pyarrow closes what it has read."""
        self.closed = True

    def _next(self, size: int) -> bytes:
        """Some more bytes as UTF-8; empty at the end only. The last line is ended if it was not.

        A CSV reader takes a header that no line break ends for no header.
        """
        while True:
            data: bytes = self._stream.read(size)
            # UTF-8 is decoded, too: Arrow's parsers let some of what is none pass.
            decoded = self._decoder.decode(data, final=not data)
            text = data if self._is_utf8 else decoded.encode()
            if not self._last:
                text = text.removeprefix(_BYTE_ORDER_MARK)
            if not data and not text and self._last not in {b"", b"\n"}:
                text = b"\n"
            if text or not data:
                self._last = text[-1:]
                return text
