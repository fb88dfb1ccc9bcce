"""Pages of HTML: what is written on them, and nothing from around or outside of them."""

import base64
from pathlib import Path

import pytest

from engine.documents.content import Content
from engine.documents.markup.web_page import extract_html
from engine.errors import DocumentInvalid
from tests.documents.markup_files import accuracy, png, read

IMAGE = base64.b64encode(png()).decode()
PAGE = f"""<!DOCTYPE html><html lang="en"><head><title>Shore &amp; sea</title>
<meta name="author" content="Ada Okafor"><meta name="keywords" content="tide, sea">
<style>p {{ color: red }}</style><script>var hidden = "no";</script></head><body>
<nav><a href="/">Home page</a></nav><h1>The shore</h1><!-- a remark -->
<p>Text with <a href="http://example.org/x">a link</a>,<br>a break &mdash; and <b>bold </b>words.
<form><p>CO<sub>2</sub> and 10<sup>-3</sup>.</p><button>Buy</button></form>
<h2>Lists</h2><ul><li>one<ul><li>inner</li></ul></li><li><p>two</p></li></ul><ol start=3><li>three</ol>
<dl><dt>Tide<dd>the sea moving</dl>
<table><caption>Levels</caption><thead><tr><th>Station<th>cm</thead><tr><td rowspan=2>Oslo|Moss</td><td>1</td></tr><tr><td>2</td></tr></table>
<pre>code  here
 indented</pre><blockquote><p>said</p></blockquote>
<img src="http://127.0.0.1:9/x.png" alt="far away">
<figure><img src="data:image/png;base64,{IMAGE}" alt="alt"><figcaption>Near</figcaption></figure>
<table><tr><td><h2>Side</h2><p>cell</p></td><td>by side</td></tr></table></body></html>"""
TEXT = """# The shore

Text with a link,
a break — and **bold** words.

CO2 and 10^-3.

## Lists

- one
  - inner
- two

3. three

- **Tide**: the sea moving

Levels

| Station | cm |
| --- | --- |
| Oslo\\|Moss | 1 |
| Oslo\\|Moss | 2 |

```
code  here
 indented
```

> said

far away

![Near](image.png)

## Side

cell

by side"""


def read_html(folder: Path, data: str | bytes) -> Content:
    return read(extract_html, folder, data, "a.html")


def test_a_page_becomes_markdown(tmp_path: Path) -> None:
    content = read_html(tmp_path, PAGE)
    assert accuracy(TEXT, content.text) >= 0.99
    assert content.text == TEXT
    assert content.title == "Shore & sea"
    assert content.metadata == {
        "authors": ["Ada Okafor"],
        "keywords": ["tide", "sea"],
        "language": "en",
    }
    assert [(each.name, each.caption) for each in content.figures] == [("image.png", "Near")]
    assert (tmp_path / "out" / "image.png").read_bytes() == png()


@pytest.mark.parametrize(
    "src",
    [
        "file:///etc/passwd",
        "x.png",
        "data:image/png;base64,####",
        "data:image/png;base64,aGVsbG8=",
        "data:text/html,<p>x</p>",
        "data:image/svg+xml,<svg/>",
    ],
)
def test_only_an_image_in_the_page_is_kept(tmp_path: Path, src: str) -> None:
    content = read_html(tmp_path, f"<p>a</p><img src='{src}' alt='a picture'>")
    assert content.text == "a\n\na picture"
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("", "cp1252"),
        ("", "utf-16"),
        ("<meta charset='iso-8859-2'>", "iso-8859-2"),
        ("<meta charset='unheard-of'>", "cp1252"),
        ("<?xml version='1.0' encoding='utf-8'?>", "utf-8"),
    ],
)
def test_encodings_are_found(tmp_path: Path, head: str, encoding: str) -> None:
    assert read_html(tmp_path, f"<html>{head}<p>Ö äß".encode(encoding)).text == "Ö äß"


def test_mistaken_markup_loses_no_text(tmp_path: Path) -> None:
    page = (
        "<p>q0<b>q1<i>q2</b>q3</i><td>q4</td><li>q5<div>q6<span><p>q7</span>q8<h9>q9</h9></zz>q10"
    )
    text = read_html(tmp_path, page).text
    assert all(f"q{number}" in text for number in range(11))


@pytest.mark.parametrize("tag", ["div", "b", "ul><li", "table><tr><td", "blockquote", "font"])
def test_deep_nesting_is_no_harm(tmp_path: Path, tag: str) -> None:
    words = read_html(tmp_path, f"<p>before</p>{f'<{tag}>' * 300}inside").text.split()
    assert words[0] == "before"
    assert words[-1].strip("*") == "inside"
    with pytest.raises(DocumentInvalid, match="nested too deeply"):
        read_html(tmp_path, f"<p>before</p>{f'<{tag}>' * 100_000}inside")


def test_a_huge_image_does_not_end_the_page(tmp_path: Path) -> None:
    page = f"<p>before<img src='data:image/png;base64,{'A' * 12_000_000}'><p>after"
    assert read_html(tmp_path, page).text == "before\n\nafter"


def test_spans_of_a_bomb_are_refused(tmp_path: Path) -> None:
    table = f'<table><tr><td>a<td colspan="1000">{"x" * 5000}</td></tr></table>'
    with pytest.raises(DocumentInvalid, match="characters of text"):
        read_html(tmp_path, table * 12)


@pytest.mark.parametrize("page", ["", "<html></html>", "<script>x</script>", "\0\0"])
def test_a_page_without_text_is_refused(tmp_path: Path, page: str) -> None:
    with pytest.raises(DocumentInvalid, match="no text"):
        read_html(tmp_path, page)


def test_entities_of_a_page_expand_to_nothing_more(tmp_path: Path) -> None:
    evil = '<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd">]><html><p>a &x; b</p></html>'
    assert "root:" not in read_html(tmp_path, evil).text
