"""The worker's side of the socket: frames in, frames out, blocking.

Small frames are gathered and leave in one system call; a large body leaves at once. Blocking on
send is the back-pressure: a client that reads slowly slows the query, not the memory.
"""

import socket
from typing import Any

import orjson

from engine.workers.frames import FRAME_BYTES_MAX, HEADER, Kind

_GATHER_BYTES = 64 * 1024


class ParentGone(Exception):
    """The server closed the socket: nobody wants the answer."""


class Channel:
    """Frames over one connected socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._pending = bytearray()

    def receive(self) -> tuple[Kind, bytearray]:
        """Wait for one whole frame; raise :class:`ParentGone` at the end of the stream."""
        kind, length = HEADER.unpack(self._read(HEADER.size))
        return Kind(kind), self._read(length)

    def send(self, kind: Kind, body: bytes | memoryview = b"") -> None:
        """Queue a frame; it leaves when enough has gathered or at :meth:`flush`."""
        for start in range(0, max(len(body), 1), FRAME_BYTES_MAX):
            part = body[start : start + FRAME_BYTES_MAX]
            self._pending += HEADER.pack(kind, len(part))
            if len(part) < _GATHER_BYTES:
                self._pending += part
            else:
                self.flush()
                self._send_all(part)
        if len(self._pending) >= _GATHER_BYTES:
            self.flush()

    def send_json(self, kind: Kind, value: dict[str, Any]) -> None:
        """Queue a frame whose body is a JSON object."""
        self.send(kind, orjson.dumps(value))

    def flush(self) -> None:
        """Send what has gathered."""
        if self._pending:
            self._send_all(self._pending)
            self._pending = bytearray()

    def _send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ParentGone from error

    def _read(self, length: int) -> bytearray:
        buffer = bytearray(length)
        view = memoryview(buffer)
        while view:
            try:
                count = self._socket.recv_into(view)
            except OSError as error:  # a killed server resets the connection
                raise ParentGone from error
            if count == 0:
                raise ParentGone
            view = view[count:]
        return buffer
