"""Markdown and plain text: kept as they are, but for how they were encoded and where their pages end.

The trap: text has no declared encoding. UTF-8 is told by its own rules, UTF-16 by its mark; what is neither is
read as cp1252, in which no text is invalid and some would be wrong.
"""

import codecs
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.documents.content import TEXT_CHARS_MAX, Content, PageSpan, Source
from engine.errors import DocumentInvalid

_PAGE_BREAK = "\f"
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"([A-Za-z][\w .-]{0,60}):[ \t]*(.*)")
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(?=\S)")
_UNDERLINED = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")


def extract_markdown(
    source: Source,
    output: Path,
    parameters: Mapping[str, Any],
    report: Callable[[int, int], None],
) -> Content:
    """Read Markdown as it is; its front matter goes to the metadata.

    The title is that of the front matter, else the first heading. Images it names are not at hand.

    Raises:
        DocumentInvalid: it is no text, empty, or longer than a document may be.
    """
    del output, parameters
    text = _text(source.path)
    matter = _FRONT_MATTER.match(text)
    metadata = _fields(matter[1]) if matter else {}
    # A rule between two paragraphs looks like front matter that says nothing.
    body = text[matter.end() :].lstrip("\n") if matter and metadata else text
    title = metadata.get("title")
    report(1, 1)
    return Content(
        text=_not_empty(body),
        title=title if isinstance(title, str) else first_heading(body),
        metadata=metadata,
    )


def extract_text(
    source: Source,
    output: Path,
    parameters: Mapping[str, Any],
    report: Callable[[int, int], None],
) -> Content:
    """Read plain text; form feeds end its pages. Raises like ``extract_markdown``."""
    del output, parameters
    text = _text(source.path)
    report(1, 1)
    if _PAGE_BREAK not in text:
        return Content(text=_not_empty(text))
    parts = text.removesuffix(_PAGE_BREAK).split(_PAGE_BREAK)
    spans, start = [], 0
    for number, part in enumerate(parts, start=1):
        spans.append(PageSpan(number, start, start + len(part)))
        start += len(part) + 1
    # One character for one, so that the spans are right.
    joined = _not_empty("\n".join(parts))
    return Content(text=joined, pages=tuple(spans), page_count=len(parts))


def decode_text(data: bytes) -> str:
    r"""The text of a file, with ``\n`` for all ends of lines.

    Raises:
        DocumentInvalid: these bytes are no text.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise DocumentInvalid("The file is not text: it holds NUL characters.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def first_heading(text: str) -> str | None:
    """The text of the first heading of Markdown outside of code, None when there is none."""
    fence, before = "", ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark is not None and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence:
            found = _HEADING.match(line)
            if found is not None:
                return line[found.end() :].rstrip().rstrip("#").rstrip() or None
            if before and _UNDERLINED.match(line):
                return before
            before = line.strip()
    return None


def _text(path: Path) -> str:
    text = decode_text(path.read_bytes())
    if len(text) > TEXT_CHARS_MAX:
        raise DocumentInvalid(
            f"The document has more than {TEXT_CHARS_MAX:,} characters of text; split it."
        )
    return text


def _not_empty(text: str) -> str:
    if not text.strip():
        raise DocumentInvalid("The document holds no text.")
    return text


def _fields(matter: str) -> dict[str, Any]:
    """Fields of front matter: ``name: value``, with lists in brackets or as lines of dashes."""
    found: dict[str, Any] = {}
    name = ""
    for line in matter.splitlines():
        field = _FIELD.match(line)
        if field is not None:
            name = field[1].strip()
            found[name] = _value(field[2].strip())
        elif name and line.strip().startswith("- ") and not isinstance(found[name], str):
            found[name].append(_scalar(line.strip()[2:]))
    return {name: value for name, value in found.items() if value}


def _value(text: str) -> str | list[str]:
    if not text:
        return []
    if text.startswith("[") and text.endswith("]"):
        return [value for part in text[1:-1].split(",") if (value := _scalar(part))]
    return _scalar(text)


def _scalar(text: str) -> str:
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text
