"""Finds the paragraph that is the caption of an image.

The invariant: a caption belongs to one image, or to several that nothing separates. The trap: "Figure 2
shows the coast" begins as a caption does and is none; after the number comes a mark or a capital.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_CAPTION_CHARS_MAX = 2000
_PARAGRAPHS_MAX = 2
"""So far from its image a caption may be."""
_BLANK_LINE = re.compile(r"(?:\r\n|\r|\n)[ \t]*(?:\r\n|\r|\n)")
_LABELLED = re.compile(
    r"(?P<label>(?:(?:Supplementary|Extended[ ]Data)[ ])?"
    r"(?:Figure|Fig\.?|Abbildung|Abb\.?|Scheme|Schema)\s?"
    r"(?:[A-Z]{1,2}[.-]?)?\d{1,4}(?:[.-]\d{1,4}){0,3}[a-z]?)(?!\w)"
    r"(?P<mark>[*_]*\s*[.:|\u2013\u2014-])?[*_]*\s*(?P<text>.*)",
    re.IGNORECASE | re.DOTALL,
)
_EMPHASIZED = re.compile(r"(?<!\w)(\*{1,3}|_{1,3})([^*_]+)\1(?!\w)")
_EMPHASIS = "*_"
_OPENING = "([\"'\u201c\u201e\u2018$"


@dataclass(frozen=True, slots=True)
class Caption:
    """A label such as "Figure 2", and what the caption says after it, if anything."""

    label: str
    text: str | None


def read_caption(paragraph: str) -> Caption | None:
    """Read a paragraph that begins with a label; None for any other.

    >>> read_caption("**Fig. 2:** The coast.")
    Caption(label='Fig. 2', text='The coast.')
    >>> read_caption("Figure 2 shows the coast.") is None
    True
    """
    bare = paragraph[:_CAPTION_CHARS_MAX].strip().lstrip(_EMPHASIS)
    found = _LABELLED.match(bare)
    if found is None:
        return None
    text = _EMPHASIZED.sub(r"\2", " ".join(found["text"].split()))
    if text and not found["mark"] and not (text[0].isupper() or text[0] in _OPENING):
        return None
    if paragraph.strip()[:1] in _EMPHASIS:
        text = text.rstrip(_EMPHASIS)
    return Caption(" ".join(found["label"].split()), text or None)


def claim_captions(gaps: Sequence[str]) -> list[Caption | None]:
    """Find the caption of each image.

    Captions are below the images or above them, whichever gives more images one; those that get none may
    have one of the other side that is nobody's.

    Args:
        gaps: the texts before the first image, between the images, and after the last.
    """
    places = range(len(gaps) - 1)
    below: list[_Claim] = [_first_caption(gaps[image + 1], image + 1) for image in places]
    above: list[_Claim] = [_last_caption(gaps[image], image) for image in places]
    is_below = sum(map(bool, below)) >= sum(map(bool, above))
    first, second = (below, above) if is_below else (above, below)
    _share(first, gaps, is_below=is_below)
    taken = {claim[0] for claim in first if claim}
    chosen = [
        one or (other if other and other[0] not in taken else None)
        for one, other in zip(first, second, strict=True)
    ]
    return [claim[1] if claim else None for claim in chosen]


# The gap and the paragraph in it, and what that says.
_Claim = tuple[tuple[int, int], Caption] | None


def _share(claims: list[_Claim], gaps: Sequence[str], *, is_below: bool) -> None:
    """Give an image that directly meets another one the caption of that."""
    places = range(len(claims) - 2, -1, -1) if is_below else range(1, len(claims))
    for image in places:
        neighbour = image + 1 if is_below else image - 1
        if claims[image] is None and not gaps[max(image, neighbour)].strip():
            claims[image] = claims[neighbour]


def _first_caption(gap: str, place: int) -> _Claim:
    for number, paragraph in enumerate(_paragraphs(gap)[:_PARAGRAPHS_MAX]):
        if paragraph.startswith("#"):
            return None
        if caption := read_caption(paragraph):
            return (place, number), caption
    return None


def _last_caption(gap: str, place: int) -> _Claim:
    paragraphs = _paragraphs(gap)
    for number in reversed(range(len(paragraphs))):
        if paragraphs[number].startswith("#") or number < len(paragraphs) - _PARAGRAPHS_MAX:
            return None
        if caption := read_caption(paragraphs[number]):
            return (place, number), caption
    return None


def _paragraphs(gap: str) -> list[str]:
    paragraphs = (paragraph.strip() for paragraph in _BLANK_LINE.split(gap))
    return [paragraph for paragraph in paragraphs if paragraph]
