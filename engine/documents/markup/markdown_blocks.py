"""Pieces of Markdown: headings, paragraphs, lists, images and marks inside a line.

Readers of markup write through these, so that their texts look alike. Text is not escaped, as it is searched
and embedded as it stands; only what would change the structure is: a paragraph that looks like a heading, and
brackets in a caption.
"""

import re
from collections.abc import Iterable

HEADING_LEVEL_MAX = 6
BREAK = "\v"
"""Stands for a line break while the spaces around it are collapsed."""

_LIKE_HEADING = re.compile(r"^(#{1,6})(?=\s|$)", re.MULTILINE)
_LIKE_LIST = re.compile(r"- |\d+\. ")
_ORDINALS = frozenset({"st", "nd", "rd", "th", "®", "™", "©"})


def one_line(text: str) -> str:
    r"""Collapse white space, line breaks too; soft hyphens go.

    >>> one_line("  a\n b\xadc ")
    'a bc'
    """
    return " ".join(text.replace("\xad", "").split())


def paragraph(text: str) -> str:
    """Collapse white space but for breaks; what would be a heading is escaped."""
    lines = (one_line(line) for line in text.split(BREAK))
    return _LIKE_HEADING.sub(r"\\\1", "\n".join(lines).strip())


def join_blocks(blocks: Iterable[str]) -> str:
    """Join blocks by empty lines; empty ones are left out."""
    return "\n\n".join(block for block in blocks if block.strip())


def heading(text: str, level: int) -> str:
    """A heading of level 1 and more; beyond 6 it stays 6. Empty for an empty text."""
    text = one_line(text)
    return f"{'#' * min(max(level, 1), HEADING_LEVEL_MAX)} {text}" if text else ""


def image(caption: str, name: str) -> str:
    """An image where it stands. ``name`` is a safe name, see ``figure_files``."""
    caption = re.sub(r"([\[\]\\])", r"\\\1", one_line(caption))
    return f"![{caption}]({name})"


def captioned(label: str, caption: str) -> str:
    """Label and caption on one line.

    >>> captioned("Figure 1", "A tide."), captioned("Fig. 2.", ""), captioned("", "A tide")
    ('Figure 1. A tide.', 'Fig. 2.', 'A tide')
    """
    if label and caption and label[-1] not in ".:":
        label += "."
    return f"{label} {caption}".strip()


def marked(text: str, mark: str) -> str:
    """Put marks such as ``**`` around a text, inside of the spaces around it.

    >>> marked(" so ", "**"), marked(" ", "*")
    (' **so** ', ' ')
    """
    inner = text.strip()
    if not inner or BREAK in inner:
        return text
    before = text[: len(text) - len(text.lstrip())]
    after = text[len(text.rstrip()) :]
    return f"{before}{mark}{inner}{mark}{after}"


def raised(text: str) -> str:
    """Superscript: ``10^-3``, in parentheses when it is more than one word.

    Plain characters, since ``<sup>`` in a text would be found and embedded as words of it.

    >>> raised("-3"), raised("th"), raised("n + 1")
    ('^-3', 'th', '^(n + 1)')
    """
    return _shifted(text, "^") if text.strip() not in _ORDINALS else text


def lowered(text: str) -> str:
    """Subscript: figures stay as they are, so that CO2 is found as it is written elsewhere.

    >>> lowered("2"), lowered("max")
    ('2', '_max')
    """
    return text if text.strip().isdigit() else _shifted(text, "_")


def _shifted(text: str, mark: str) -> str:
    inner = one_line(text)
    if not inner:
        return text
    return f"{mark}({inner})" if " " in inner else f"{mark}{inner}"


def listing(items: Iterable[str], *, first: int | None) -> str:
    """A list, numbered from ``first``, or with dashes when that is None.

    Args:
        items: each one block or more; lines after the first are indented below their marker.
        first: the number of the first item.
    """
    lines = []
    for place, item in enumerate(item for item in items if item.strip()):
        marker = "- " if first is None else f"{first + place}. "
        lines.append(marker + item.replace("\n", "\n" + " " * len(marker)))
    return "\n".join(line.rstrip(" ") for line in "\n".join(lines).split("\n"))


def joined_item(blocks: Iterable[str]) -> str:
    """The blocks of one item of a list; a list inside of it follows without an empty line."""
    text = ""
    for block in filter(None, blocks):
        nested = _LIKE_LIST.match(block) is not None
        text += (("\n" if nested else "\n\n") if text else "") + block
    return text


def quoted(text: str) -> str:
    """A block quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def fenced(text: str) -> str:
    """A block of code as it stands, in a fence longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text.strip(chr(10))}\n{fence}" if text.strip() else ""
