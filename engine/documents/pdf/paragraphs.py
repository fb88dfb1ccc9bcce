"""Lines to paragraphs and items of lists: what belongs together, by space, indent and margin.

Lines of one style with even space make a run. A run is cut where a list's marker starts, where a line
ends although the next word would have fitted, and at indents. The invariant: every word of the lines is in
a block, in the same order; only hyphens at line ends may go. The trap: a line that starts with ``3.`` is an
item only where an item can start, for sentences have numbers too.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from engine.documents.pdf.lines import SOFT_HYPHEN
from engine.documents.pdf.order import Part
from engine.documents.pdf.shapes import Block, Box, Kind, Line, Picture, Table, around
from engine.documents.pdf.tables import table_markdown

_BULLET = re.compile(r"^([•◦▪▫●○■□‣⁃∙·➢➤✓✔❖◆]|[\uf0a7\uf0b7\uf0d8\uf0fc]|[-–—*](?=\s))\s*")  # noqa: RUF001 - these very signs
_NUMBER = re.compile(r"^(\d{1,3}|[a-z])[.)]\s+(?=\S)|^\((\d{1,3}|[a-z])\)\s+")
_LEADERS = re.compile(r"\s*(?:\.\s?){4,}\s*(?=\w{1,6}$)")
"""The dots of a table of contents, before a number."""
_ENDS = re.compile(r"[.!?:;…][\"'”’)\]]*$")  # noqa: RUF001 - these very signs
_EVEN = 1.2
"""How many times the usual pitch of lines still belongs to one paragraph."""
_PITCH_SIZES = 1.3
_PITCH_SIZES_MIN, _PITCH_SIZES_MAX = 0.8, 2.4
_PITCHES_MIN = 8
_SAME_SIZE = 0.11
"""Typewriter letters among others are often smaller by a tenth."""
_SAME_BOLD_SIZE = 0.04
_INDENT_SIZES = 0.7
_INDENT_LINES_MIN = 3
_ALIGNED_POINTS = 2.0
_MOSTLY = 0.6

Words = frozenset[str]
"""The words of a document in lower case, with their hyphens: what tells which hyphens to keep."""


def known_words(lines: Sequence[Line]) -> Words:
    """Collect the words of the lines, if there are hyphens at line ends for which they are needed."""
    if not any(line.text.endswith((SOFT_HYPHEN, "-")) for line in lines):
        return frozenset()
    words = (word.strip(".,;:()[]\"'“”") for line in lines for word in line.text.lower().split())
    return frozenset(word for word in words if word and not word.endswith((SOFT_HYPHEN, "-")))


def usual_pitch(parts: Sequence[Part], otherwise: float | None = None) -> float:
    """Return how far lines of a paragraph are apart, in sizes of their letters.

    Args:
        parts: of one page, or of several one after another.
        otherwise: what to return when there are few lines.
    """
    lines = [part for part in parts if isinstance(part, Line)]
    pitches = sorted(
        (line.box.bottom - last.box.bottom) / max(line.size, 1)
        for last, line in pairwise(lines)
        if last.region == line.region and _alike(last, line)
    )
    near = [pitch for pitch in pitches if _PITCH_SIZES_MIN < pitch < _PITCH_SIZES_MAX]
    if len(near) < _PITCHES_MIN and otherwise is not None:
        return otherwise
    # Not the median: on many pages most paragraphs have one line.
    return near[len(near) // 3] if near else _PITCH_SIZES


def page_blocks(
    parts: Sequence[Part], page: int, words: Words, pitch: float | None = None
) -> list[Block]:
    """Turn the parts of a page, in the order of reading, into blocks.

    Args:
        parts: of the page.
        page: its number, from 1.
        words: of the document.
        pitch: of the document, for pages with few lines.
    """
    pitch = usual_pitch(parts, pitch)
    blocks: list[Block] = []
    run: list[Line] = []
    for part in parts:
        if run and not (isinstance(part, Line) and _goes_on(run[-1], part, pitch)):
            blocks += _run_blocks(run, page, words)
            run = []
        if isinstance(part, Line):
            run.append(part)
        else:
            blocks.append(_other_block(part, page))
    return [*blocks, *(_run_blocks(run, page, words) if run else [])]


def continues(block: Block, after: Block) -> bool:
    """Tell whether a block is the rest of the one before it, over the end of a column or page."""
    if after.kind is not Kind.TEXT or block.kind not in {Kind.TEXT, Kind.ITEM}:
        return False
    if (block.page, block.region) == (after.page, after.region):
        return False
    if not _alike(block, after):
        return False
    return block.text.endswith(SOFT_HYPHEN) or (
        after.text[:1].islower() and not _ENDS.search(block.text)
    )


def joined(text: str, line: str, words: Words) -> str:
    r"""Put a line after a text; a word that a hyphen divides becomes one.

    >>> joined("a compre\u00ad", "hensive view", frozenset())
    'a comprehensive view'
    >>> joined("a well-", "known view", frozenset({"well-known"}))
    'a well-known view'
    """
    bare = text.rstrip(SOFT_HYPHEN)
    soft = bare != text
    if not soft and not (text.endswith("-") and text[-2:-1].isalpha() and line[:1].islower()):
        return f"{text} {line}"
    bare = bare.removesuffix("-")
    head = bare.rsplit(None, 1)[-1].lower() if bare.strip() else ""
    tail = line.split(None, 1)[0].lower().strip(".,;:()[]\"'“”") if line else ""
    is_compound = f"{head}-{tail}" in words and f"{head}{tail}" not in words
    return f"{bare}-{line}" if is_compound or not tail[:1].isalpha() else bare + line


def finished(block: Block) -> Block:
    """Return a block whose text is complete: a hyphen at its end is one."""
    if not block.text.endswith(SOFT_HYPHEN):
        return block
    return replace(block, text=block.text.rstrip(SOFT_HYPHEN) + "-")


def _alike(one: Line | Block, other: Line | Block) -> bool:
    tolerance = _SAME_BOLD_SIZE if one.bold else _SAME_SIZE
    return one.bold == other.bold and abs(one.size - other.size) <= tolerance * other.size


def _goes_on(last: Line, line: Line, pitch: float) -> bool:
    """Tell whether a line belongs to the same run as the one above it."""
    if last.region != line.region or not _alike(last, line):
        return False
    if line.paragraph is not None:
        return True
    return 0 < line.box.bottom - last.box.bottom <= max(pitch, 1.0) * _EVEN * line.size


def _other_block(part: Table | Picture, page: int) -> Block:
    if isinstance(part, Table):
        return Block(Kind.TABLE, table_markdown(part), page, part.box)
    return Block(Kind.PICTURE, part.name, page, part.box)


def _run_blocks(run: Sequence[Line], page: int, words: Words) -> list[Block]:
    starts = [number for number in range(len(run)) if number == 0 or _starts(run, number)]
    ends = [*starts[1:], len(run)]
    return [_block(run[start:end], page, words) for start, end in zip(starts, ends, strict=True)]


def _starts(run: Sequence[Line], number: int) -> bool:
    """Tell whether a line of a run starts a paragraph or an item of its own."""
    last, line = run[number - 1], run[number]
    if _BULLET.match(line.text) or _LEADERS.search(last.text):
        return True
    might_end = bool(_ENDS.search(last.text)) or _has_room(run, number)
    if _NUMBER.match(line.text) and (might_end or _NUMBER.match(run[0].text)):
        return True
    starts_word = not line.text[:1].islower()
    if line.paragraph is not None:
        return line.paragraph != last.paragraph and might_end and starts_word
    if _marker(run, number - 1):
        return line.box.x0 < last.box.x0 + _ALIGNED_POINTS and might_end
    return (might_end and starts_word and _has_room(run, number)) or _is_indented(run, number)


def _marker(run: Sequence[Line], number: int) -> bool:
    return bool(_BULLET.match(run[number].text) or _NUMBER.match(run[number].text))


def _has_room(run: Sequence[Line], number: int) -> bool:
    """Tell whether the first word of a line would have fitted on the line above it."""
    last, line = run[number - 1], run[number]
    right = max(other.box.x1 for other in run)
    letters = len(line.text.split(None, 1)[0]) + 2
    word = line.box.width * letters / max(len(line.text), letters)
    return last.box.x1 + word < right


def _is_indented(run: Sequence[Line], number: int) -> bool:
    """Tell whether a line stands further in or out than most of its run, as the first of a paragraph.

    Where lines start at many places (centred ones) there are no indents.
    """
    left = min(line.box.x0 for line in run)
    deep = [line.box.x0 - left for line in run]
    at_left = [indent <= _ALIGNED_POINTS for indent in deep]
    inner = [indent for indent in deep if indent > _ALIGNED_POINTS]
    if not inner or max(inner) - min(inner) > _ALIGNED_POINTS:
        return False
    if min(inner) < _INDENT_SIZES * run[0].size or len(run) < _INDENT_LINES_MIN:
        return False
    mostly_left = sum(at_left) >= _MOSTLY * len(run)
    mostly_inner = len(inner) >= _MOSTLY * len(run)
    return (mostly_left and not at_left[number]) or (mostly_inner and at_left[number])


def _block(lines: Sequence[Line], page: int, words: Words) -> Block:
    text = lines[0].text
    for line in lines[1:]:
        text = joined(text, line.text, words)
    kind, text = _item(_LEADERS.sub(" … ", text))
    box: Box = around(line.box for line in lines)
    return Block(kind, text, page, box, max(line.size for line in lines),
                 bold=all(line.bold for line in lines), region=lines[0].region)  # fmt: skip


def _item(text: str) -> tuple[Kind, str]:
    """Tell an item of a list from a paragraph, and write its marker as Markdown has it."""
    if bullet := _BULLET.match(text):
        rest = text[bullet.end() :]
        return (Kind.ITEM, f"- {rest}") if rest else (Kind.TEXT, text)
    number = _NUMBER.match(text)
    mark = number and (number[1] or number[2])
    if number and mark and mark.isdigit():
        return Kind.ITEM, f"{mark}. {text[number.end() :]}"
    if number:
        return Kind.ITEM, f"- {text}"
    return Kind.TEXT, text
