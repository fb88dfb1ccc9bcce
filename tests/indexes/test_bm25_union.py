"""Several full-text indexes as one: what is read of their files."""

import json
import tracemalloc
from pathlib import Path

from engine.indexes.bm25_union import _FOOTER_END, _footer


def test_only_the_end_of_a_file_is_read_for_its_footer(tmp_path: Path) -> None:
    wanted = {"version": {"index_format_version": 7}, "crc": 1}
    written = json.dumps(wanted).encode()
    path = tmp_path / "segment.idx"
    with path.open("wb") as file:
        file.seek(64 << 20)  # a hole, so the disk holds none of it
        file.write(written + _FOOTER_END.pack(len(written), 1337))
    tracemalloc.start()
    try:
        assert _footer(path) == (wanted, 1337)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_may_be_nothing_but_a_footer(tmp_path: Path) -> None:
    path = tmp_path / "segment.idx"
    path.write_bytes(b"{}" + _FOOTER_END.pack(2, 1337))
    assert _footer(path) == ({}, 1337)
