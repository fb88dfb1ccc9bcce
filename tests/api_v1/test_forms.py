"""Uploads as other clients write them: forms in odd orders, in small pieces, cut off, or no forms."""

from collections.abc import Iterator

import httpx
import pytest

from tests.api_v1.library import Library, detail_of, problems_of
from tests.system.polling import wait_for_status

pytestmark = pytest.mark.system

BOUNDARY = "----boundary-7MA4YWxk"
DATA = b"first line\r\n--\r\n------boundary-7MA4YWx\r\n\x00\xff" * 3


@pytest.fixture
def entry_id(library: Library) -> int:
    return int(library.entry(library.dataset()["id"])["id"])


def part(name: str, data: bytes, *headers: str, file_name: str | None = None) -> bytes:
    shown = "" if file_name is None else f'; filename="{file_name}"'
    lines = [f'Content-Disposition: form-data; name="{name}"{shown}', *headers]
    return "\r\n".join([f"--{BOUNDARY}", *lines, "", ""]).encode() + data + b"\r\n"


FILE = part("file", DATA, "Content-Type: application/octet-stream", file_name="x.bin")
END = f"--{BOUNDARY}--\r\n".encode()


def send(
    library: Library, entry_id: int, content: bytes | Iterator[bytes], boundary: str = BOUNDARY
) -> httpx.Response:
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return library.ask("POST", f"/entries/{entry_id}/upload", content=content, headers=headers)


def check_stored(library: Library, entry_id: int, kind: str = "original") -> None:
    params = {"file_type": kind}
    assert library.ask("GET", f"/entries/{entry_id}/download", params=params).content == DATA


@pytest.mark.parametrize(
    "content",
    [
        FILE + part("file_type", b"processed") + END,
        part("file_type", b"processed") + FILE + END,
        part("other", b"x") + FILE + part("file_type", b"processed") + part("more", b"y") + END,
        b"a preamble\r\n" + part("file_type", b"processed") + FILE + END,
        part("file_type", b"processed") + FILE + END + b"an epilogue",
        part("file_type", b"processed") + FILE + END.rstrip(b"\r\n"),
        part("file_type", b"processing") + part("file_type", b"processed") + FILE + END,
    ],
    ids=["after", "before", "between", "preamble", "epilogue", "no last line", "twice"],
)
def test_fields_stand_in_any_order(library: Library, entry_id: int, content: bytes) -> None:
    response = send(library, entry_id, content)
    if b"preamble" in content:
        # The standard has text before the first boundary ignored; the parser refuses it.
        assert response.status_code in {200, 400}
        if response.status_code == 400:
            return
    assert response.status_code == 200, response.text
    check_stored(library, entry_id, "processed")


@pytest.mark.parametrize("size", [1, 2, 7, 61])
def test_a_form_may_come_in_small_pieces(library: Library, entry_id: int, size: int) -> None:
    content = part("before", b"x") + FILE + part("file_type", b"original") + END
    pieces = (content[start : start + size] for start in range(0, len(content), size))
    assert send(library, entry_id, pieces).status_code == 200
    check_stored(library, entry_id)


@pytest.mark.parametrize("cut", [1, 20, 60, len(FILE) - 3, len(FILE) + 4, len(FILE) + len(END) - 4])
def test_a_form_that_ends_too_early_is_refused(library: Library, entry_id: int, cut: int) -> None:
    response = send(library, entry_id, (FILE + END)[:cut])
    assert response.status_code in {400, 422}, response.text
    entry = library.call("GET", f"/entries/{entry_id}")
    assert entry["status"] == "pending"
    assert entry["manifest"]["original"]["files"] == []


@pytest.mark.parametrize(
    "content",
    [
        FILE + FILE + END,
        part("attachment", DATA, file_name="x.bin") + END,
        FILE + part("other", DATA, file_name="x.bin") + END,
        part("file", DATA, "X-Long: " + "x" * 20_000, file_name="x.bin") + END,
        part("file", DATA, *["X-Many: y"] * 3000, file_name="x.bin") + END,
        part("field", b"x" * (1 << 21)) + FILE + END,
        b"".join(part(f"field{number}", b"x") for number in range(40)) + FILE + END,
        FILE + part("file_type", b"\xff\xfe") + END,
        b"no form at all",
        FILE.replace(b"\r\n", b"\n") + END,
        b"{}",
    ],
    ids=[
        "two files",
        "another field",
        "a file more",
        "a long header",
        "many headers",
        "a large field",
        "many fields",
        "no text",
        "no form",
        "bare lines",
        "JSON",
    ],
)
def test_a_form_out_of_form_is_refused(library: Library, entry_id: int, content: bytes) -> None:
    assert detail_of(send(library, entry_id, content), 400)
    assert library.call("GET", f"/entries/{entry_id}")["status"] == "pending"


@pytest.mark.parametrize("content", [part("file_type", b"original") + END, END])
def test_a_form_without_a_file_names_the_field(
    library: Library, entry_id: int, content: bytes
) -> None:
    assert problems_of(send(library, entry_id, content)) == [(("body", "file"), "missing")]


def test_a_file_without_a_name_is_a_file(library: Library, entry_id: int) -> None:
    content = part("file", DATA) + END
    assert send(library, entry_id, content).status_code == 200
    check_stored(library, entry_id)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 300,
        "multipart/mixed; boundary=x",
    ],
)
def test_a_body_of_another_type_is_refused(
    library: Library, entry_id: int, content_type: str
) -> None:
    path = f"/entries/{entry_id}/upload"
    response = library.ask("POST", path, content=FILE, headers={"Content-Type": content_type})
    assert "multipart/form-data" in detail_of(response, 400)


def test_a_quoted_boundary_and_odd_letters_are_read(library: Library, entry_id: int) -> None:
    odd = "a'()+_,-./:=?b"
    content = (FILE + END).replace(BOUNDARY.encode(), odd.encode())
    response = send(library, entry_id, content, boundary=f'"{odd}"')
    assert response.status_code == 200, response.text


def test_the_names_of_headers_are_read_in_any_case(library: Library, entry_id: int) -> None:
    content = (FILE + END).replace(b"Content-Disposition", b"CONTENT-disposition")
    assert send(library, entry_id, content).status_code == 200
    check_stored(library, entry_id)


def test_two_uploads_at_once_leave_one_whole_file(library: Library, entry_id: int) -> None:
    """While one is coming, another comes and is done; the first ends as the newer one."""

    def slow() -> Iterator[bytes]:
        yield FILE[:80]
        wait_for_status(library.client, f"{library.base}/entries/{entry_id}", "uploading")
        assert send(library, entry_id, other + END).status_code == 200
        yield FILE[80:] + END

    other = part("file", b"the other", file_name="other.bin")
    assert send(library, entry_id, slow()).status_code == 200
    check_stored(library, entry_id)
    assert library.call("GET", f"/entries/{entry_id}")["status"] == "uploaded"


def test_an_entry_that_goes_during_its_upload_is_not_found(library: Library, entry_id: int) -> None:
    def slow() -> Iterator[bytes]:
        yield FILE[:80]
        wait_for_status(library.client, f"{library.base}/entries/{entry_id}", "uploading")
        assert library.ask("DELETE", f"/entries/{entry_id}").status_code == 204
        yield FILE[80:] + END

    response = send(library, entry_id, slow())
    assert detail_of(response, 404) == f"Entry with id {entry_id} not found"
