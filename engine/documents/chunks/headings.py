"""The outline of a Markdown text: its headings, and where its blocks and rows begin.

The invariant: all offsets are code points of the text and ascend; between two starts of blocks lies a
heading with what follows it, a paragraph, a table, a list or a fence of code. The trap: a line of a
fence that looks like a heading is code, and a fence that nothing closes goes on to the end of the text.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|\Z)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*\Z")
_FENCE = re.compile(r" {0,3}(`{3,}(?![^\r\n]*`)|~{3,})")
_TABLE_RULE = re.compile(r"\s*+\|?\s*+:?-+:?\s*+(?:\|\s*+:?-+:?\s*+)*+\|?\s*+\Z")
_ROW = re.compile(r"\s*(?:\||[-*+][ \t]|\d{1,9}[.)][ \t])")
_TITLE_CHARS_MAX = 1000
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_MARKS = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)|\\(?=\W)")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: from its first character to the end of its line or underline, level 1 to 6."""

    start: int
    end: int
    level: int
    title: str


@dataclass(slots=True)
class Outline:
    """What :func:`read_outline` finds.

    Attributes:
        headings: in the order of the text.
        blocks: where a block begins that is not held by the heading before it.
        rows: where a further row of a table, item of a list or line of code begins.
        fences: of code, each from its first line to the end of its last line of code (exclusive).
    """

    headings: list[Heading] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    fences: list[tuple[int, int]] = field(default_factory=list)


class _Kind(Enum):
    BLANK = 0
    TEXT = 1
    HEADING = 2
    ROW = 3
    CODE = 4


def read_outline(text: str) -> Outline:
    r"""Read the outline of a Markdown text, in time that grows with its length.

    >>> [heading.title for heading in read_outline("# Tides\n\nEbb.\n\nNeap *tides*\n---\n").headings]
    ['Tides', 'Neap tides']
    """
    scan = _Scan()
    for line in _LINE.finditer(text):
        scan.add(line.start(), line[0].rstrip("\r\n"))
    return scan.outline


def heading_paths(outline: Outline) -> list[list[str]]:
    """Return for each heading the titles that are in force below it, from the outermost to its own."""
    stack: list[Heading] = []
    paths = []
    for heading in outline.headings:
        while stack and stack[-1].level >= heading.level:
            stack.pop()
        stack.append(heading)
        paths.append([above.title for above in stack if above.title])
    return paths


def heading_runs(text: str, headings: list[Heading]) -> Iterator[list[Heading]]:
    """Group headings between which there is nothing."""
    run: list[Heading] = []
    for heading in headings:
        if run and text[run[-1].end : heading.start].strip():
            yield run
            run = []
        run.append(heading)
    if run:
        yield run


def last_at(starts: list[int], offset: int) -> int:
    """Return the index of the last of the ascending ``starts`` that is not after ``offset``, or -1."""
    return bisect_right(starts, offset) - 1


class _Scan:
    """Reads line after line; knows the line before, and the fence that is open."""

    def __init__(self) -> None:
        self.outline = Outline()
        self._fence = ""
        self._last = _Kind.BLANK
        self._paragraph: list[tuple[int, str]] = []
        self._held = False  # by the heading above
        self._under_rule = False

    def add(self, start: int, line: str) -> None:
        if self._fence:
            self._add_code(start, line)
        elif not line or line.isspace():
            self._last = _Kind.BLANK
        elif fence := _FENCE.match(line):
            self._begin(start, _Kind.CODE)
            self._fence = fence[1]
            self.outline.fences.append((start, start))
        elif self._is_underline(line):
            self._add_underline(start, line)
        elif heading := _ATX.match(line):
            title = _without_closing_marks(line[heading.end() :].strip())
            self._add_heading(start, line, len(heading[1]), title)
        else:
            self._add_content(start, line)

    def _add_code(self, start: int, line: str) -> None:
        closing = line.strip(" \t")
        if len(closing) >= len(self._fence) and not closing.strip(self._fence[0]):
            self._fence = ""
            self._last = _Kind.BLANK
        else:
            self.outline.rows.append(start)
            self.outline.fences[-1] = (self.outline.fences[-1][0], start + len(line))

    def _is_underline(self, line: str) -> bool:
        if self._last is not _Kind.TEXT or len(self._paragraph) != 1:
            return False
        return _SETEXT.match(line) is not None

    def _add_underline(self, start: int, line: str) -> None:
        # The paragraph above was a heading, so it begins once more, held by what held it.
        first, title = self._paragraph[0]
        self._held = self.outline.blocks[-1:] != [first]
        if not self._held:
            self.outline.blocks.pop()
        level = 1 if line.strip().startswith("=") else 2
        self._add_heading(first, title, level, title.strip(), end=start + len(line))

    def _add_heading(
        self, start: int, line: str, level: int, title: str, *, end: int | None = None
    ) -> None:
        self._begin(start, _Kind.HEADING)
        first = start + len(line) - len(line.lstrip())
        last = start + len(line) if end is None else end
        self.outline.headings.append(Heading(first, last, level, _plain(title)))
        self._held = True

    def _add_content(self, start: int, line: str) -> None:
        kind = _Kind.ROW if _ROW.match(line) else _Kind.TEXT
        if kind is _Kind.ROW and self._last is _Kind.ROW:
            self._add_row(start, line)
        elif kind is self._last:
            self._paragraph.append((start, line))
        elif kind is _Kind.TEXT and self._last is _Kind.ROW:
            pass  # the item of a list goes on
        else:
            self._begin(start, kind)
            self._paragraph = [(start, line)]

    def _add_row(self, start: int, line: str) -> None:
        # Names of columns alone say nothing: they and the rule keep the first row.
        is_rule = _TABLE_RULE.match(line) is not None
        if not is_rule and not self._under_rule:
            self.outline.rows.append(start)
        self._under_rule = is_rule

    def _begin(self, start: int, kind: _Kind) -> None:
        if not self._held:
            self.outline.blocks.append(start)
        self._held = self._under_rule = False
        self._last = kind


def _without_closing_marks(title: str) -> str:
    bare = title.rstrip("#")
    return bare.rstrip() if not bare or bare[-1].isspace() else title


def _plain(title: str) -> str:
    return _MARKS.sub("", _LINK.sub(r"\1", title[:_TITLE_CHARS_MAX])).strip()
