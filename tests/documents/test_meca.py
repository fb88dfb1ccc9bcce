"""MECA archives: the article, its figures beside it, and no bomb."""

import io
import struct
import zipfile
from pathlib import Path

import pytest

from engine.documents.content import Content
from engine.documents.jats.meca import extract_meca
from engine.errors import DocumentInvalid
from tests.documents.markup_files import MANIFEST, article, png, read, zipped

FIGURES = '<body><fig><label>Fig {0}</label><graphic xlink:href="{1}"/></fig></body>'


def meca(**changes: bytes | str) -> bytes:
    members: dict[str, bytes | str] = {
        "manifest.xml": MANIFEST,
        "content/shore.xml": article(),
        "content/shore.pdf": b"%PDF-1.4",
        "content/figures/f1.png": png(),
    }
    return zipped({**members, **changes})


def read_meca(folder: Path, data: bytes) -> Content:
    return read(extract_meca, folder, data, "a.zip")


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(DocumentInvalid) as caught:
        read_meca(folder, data)
    assert str(folder) not in caught.value.message
    return caught.value.message


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())


def test_the_article_of_the_manifest_is_read_with_its_figure(tmp_path: Path) -> None:
    content = read_meca(tmp_path, meca())
    assert content.title == "Tides of the northern shore"
    assert [(each.name, each.label) for each in content.figures] == [("f1.png", "Figure 1")]
    assert content.figures[0].caption == "The stations. Nine of them, *north* to south."
    assert "![Figure 1. The stations. Nine of them, *north* to south.](f1.png)" in content.text
    assert (tmp_path / "out" / "f1.png").read_bytes() == png()
    assert content.warnings == ()


def test_other_articles_do_not_confuse_a_manifest(tmp_path: Path) -> None:
    other = article("<body><p>other</p></body>")
    content = read_meca(tmp_path, meca(**{"content/a-review.xml": other, "peer.xml": other}))
    assert "harbour" in content.text


def test_a_zip_with_one_article_needs_no_manifest(tmp_path: Path) -> None:
    data = zipped({"x/a.nxml": article(), "x/figures/f1.png": png(), "x/notes.xml": "<notes/>"})
    assert len(read_meca(tmp_path, data).figures) == 1


def test_a_zip_with_two_articles_or_none_is_refused(tmp_path: Path) -> None:
    assert "several" in refusal(tmp_path, zipped({"a.xml": article(), "b.xml": article()}))
    assert "no JATS" in refusal(tmp_path, zipped({"manifest.xml": "<manifest/>"}))


@pytest.mark.parametrize(
    "href",
    ["figures/f1.png", "f1.png", "F1.PNG", "f1", "f1.tif", "./figures/f1.png", "figures%2Ff1.png"],
)
def test_a_figure_is_found_by_what_the_article_calls_it(tmp_path: Path, href: str) -> None:
    data = meca(**{"content/shore.xml": article(FIGURES.format(1, href))})
    assert [each.name for each in read_meca(tmp_path, data).figures] == ["f1.png"]


def test_figures_of_one_name_get_names_that_differ(tmp_path: Path) -> None:
    body = FIGURES.format(1, "a/f.png").replace("</body>", "") + (
        '<fig><graphic xlink:href="b/f.png"/></fig><fig><graphic xlink:href="a/f.png"/></fig></body>'
    )
    data = zipped({"a.xml": article(body), "a/f.png": png(8), "b/f.png": png(9)})
    content = read_meca(tmp_path, data)
    assert [each.name for each in content.figures] == ["f.png", "f-2.png", "f.png"]
    assert (tmp_path / "out" / "f-2.png").read_bytes() == png(9)


def test_a_figure_that_is_no_image_is_not_written(tmp_path: Path) -> None:
    content = read_meca(tmp_path, meca(**{"content/figures/f1.png": b"#!/bin/sh"}))
    assert content.figures == ()
    assert written(tmp_path) == []


def test_names_that_climb_are_only_keys(tmp_path: Path) -> None:
    body = FIGURES.format(1, "../../../evil.png").replace("</body>", "") + (
        '<fig><graphic xlink:href="/etc/abs.png"/></fig>'
        '<fig><graphic xlink:href="..\\\\..\\\\win.png"/></fig></body>'
    )
    data = zipped(
        {
            "c/a.xml": article(body),
            "../../evil.png": png(),
            "/etc/abs.png": png(9),
            "..\\\\..\\\\win.png": png(10),
        }
    )
    content = read_meca(tmp_path, data)
    assert written(tmp_path) == sorted({each.name for each in content.figures})
    assert {path.name for path in tmp_path.iterdir()} == {"input", "out"}
    assert not (tmp_path.parent / "evil.png").exists()
    assert all(not set("/\\") & set(each.name) for each in content.figures)


def test_a_member_of_a_thousand_to_one_is_refused(tmp_path: Path) -> None:
    assert "times its size" in refusal(tmp_path, meca(big=b"\0" * (64 << 20)))


def test_many_members_are_refused(tmp_path: Path) -> None:
    assert "more than 5,000 files" in refusal(
        tmp_path, zipped({f"f{n}": b"" for n in range(5_001)})
    )


def test_a_member_without_a_name_is_passed_over(tmp_path: Path) -> None:
    data = meca(x=b"nothing")
    entry = data.rindex(b"PK\x01\x02")
    # The name becomes one character of a comment.
    nameless = data[: entry + 28] + struct.pack("<HHH", 0, 0, 1) + data[entry + 34 :]
    assert "harbour" in read_meca(tmp_path, nameless).text


def test_a_nested_archive_is_not_opened(tmp_path: Path) -> None:
    inner = zipped({"inner.xml": article()})
    assert "no JATS" in refusal(tmp_path, zipped({"manifest.xml": MANIFEST, "inner.zip": inner}))
    assert "harbour" in read_meca(tmp_path, meca(**{"inner.zip": inner})).text


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    data = zipped({"a.xml": article(), "b.xml": article("<body/>")})
    start = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    # The directory's second entry now points at the first member's bytes.
    twice = data[: start + 42] + struct.pack("<I", 0) + data[start + 46 :]
    assert "overlap" in refusal(tmp_path, twice)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.xml": article()}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    assert "encrypted" in refusal(tmp_path, bytes(data))


def test_a_method_that_needs_much_memory_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.xml", article())
    assert "Deflate" in refusal(tmp_path, buffer.getvalue())


def test_a_member_larger_than_it_declares_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.xml": article()}))
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 1_000)
    assert refusal(tmp_path, bytes(data)).endswith(".")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_refused(tmp_path: Path, share: float) -> None:
    data = meca()
    assert "cut short" in refusal(tmp_path, data[: int(len(data) * share)])


def test_damaged_bytes_of_a_member_are_refused(tmp_path: Path) -> None:
    data = bytearray(meca())
    at = data.index(b"content/shore.xml") + 60
    data[at : at + 40] = bytes(40)
    assert "damaged" in refusal(tmp_path, bytes(data))


def test_entities_in_the_article_or_the_manifest_are_refused(tmp_path: Path) -> None:
    evil = '<!DOCTYPE {0} [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    hidden = article("<body><p>&x;</p></body>", doctype=evil.format("article"))
    assert "entities" in refusal(tmp_path, meca(**{"content/shore.xml": hidden}))
    manifest = MANIFEST.replace("<manifest", evil.format("manifest") + "<manifest", 1)
    assert "entities" in refusal(tmp_path, meca(**{"manifest.xml": manifest}))
