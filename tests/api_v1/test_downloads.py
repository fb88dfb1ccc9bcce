"""Downloads: whole, one range, several ranges, and ranges that there are not (RFC 9110)."""

import hashlib

import httpx
import pytest

from tests.api_v1.library import Library, detail_of

pytestmark = pytest.mark.system

DATA = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def stored(library: Library) -> int:
    """An entry whose file is ``DATA``."""
    entry_id = int(library.entry(library.dataset()["id"])["id"])
    library.upload(entry_id, "all-bytes.bin", DATA)
    return entry_id


def ranged(library: Library, entry_id: int, value: str, **headers: str) -> httpx.Response:
    path = f"/entries/{entry_id}/download"
    return library.ask("GET", path, headers={"Range": value, **headers})


def test_a_download_is_complete(library: Library, stored: int) -> None:
    response = library.ask("GET", f"/entries/{stored}/download")
    assert response.status_code == 200
    assert response.content == DATA
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-length"] == str(len(DATA))
    assert response.headers["content-disposition"] == 'attachment; filename="all-bytes.bin"'
    assert response.headers["etag"] == f'"{hashlib.sha256(DATA).hexdigest()}"'
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("value", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-9", 0, 10),
        ("bytes=100-", 100, len(DATA)),
        ("bytes=-7", len(DATA) - 7, len(DATA)),
        ("bytes=10-999999999", 10, len(DATA)),
        ("bytes=-999999999", 0, len(DATA)),
        (f"bytes={len(DATA) - 1}-", len(DATA) - 1, len(DATA)),
    ],
)
def test_a_range_is_a_part(library: Library, stored: int, value: str, start: int, end: int) -> None:
    response = ranged(library, stored, value)
    assert response.status_code == 206
    assert response.content == DATA[start:end]
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    assert response.headers["content-length"] == str(end - start)


def test_several_ranges_are_parts_of_one_answer(library: Library, stored: int) -> None:
    response = ranged(library, stored, "bytes=0-1,500-503,-2")
    assert response.status_code == 206
    kind, _, boundary = response.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    parts = response.content.split(b"--" + boundary.encode())[1:-1]
    bodies = [part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n") for part in parts]
    assert bodies == [DATA[:2], DATA[500:504], DATA[-2:]]
    assert response.headers["content-length"] == str(len(response.content))


@pytest.mark.parametrize("value", [f"bytes={len(DATA)}-", "bytes=99999999-", "bytes=-0"])
def test_a_range_outside_is_not_satisfiable(library: Library, stored: int, value: str) -> None:
    response = ranged(library, stored, value)
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(DATA)}"
    assert detail_of(response, 416)


@pytest.mark.parametrize(
    "value",
    [
        "bytes=",
        "bytes=x-y",
        "bytes=9-2",
        "lines=1-2",
        "bytes",
        "=",
        "bytes=1",
        "bytes=0-1,x",
        "bytes=-",
    ],
)
def test_a_range_that_is_none_is_left_out_of_account(
    library: Library, stored: int, value: str
) -> None:
    response = ranged(library, stored, value)
    assert (response.status_code, response.content) == (200, DATA)


def test_of_several_ranges_those_outside_are_left_out(library: Library, stored: int) -> None:
    response = ranged(library, stored, "bytes=0-4, 99999999-")
    assert (response.status_code, response.content) == (206, DATA[:5])


def test_a_range_of_another_version_is_the_whole(library: Library, stored: int) -> None:
    whole = ranged(library, stored, "bytes=0-9", **{"If-Range": '"another"'})
    assert (whole.status_code, whole.content) == (200, DATA)
    etag = f'"{hashlib.sha256(DATA).hexdigest()}"'
    part = ranged(library, stored, "bytes=0-9", **{"If-Range": etag})
    assert (part.status_code, part.content) == (206, DATA[:10])
    outside = ranged(library, stored, "bytes=99999999-", **{"If-Range": '"another"'})
    assert (outside.status_code, outside.content) == (200, DATA)
