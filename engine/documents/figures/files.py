"""The images of a document, written into its folder under names that are safe and differ.

The invariant: a file is written only if its bytes are an image of a kind that is read, and is named after that
kind. So a name out of a document leads nowhere but into the folder, and hides nothing.
"""

import re
from pathlib import Path, PurePosixPath

from engine.documents.content import IMAGES_MAX
from engine.documents.media_types import IMAGE_SUFFIXES, image_type

IMAGE_BYTES_MAX = 64 << 20
ALL_IMAGES_BYTES_MAX = 1 << 30
_STEM_CHARS_MAX = 80


def figure_name(href: str) -> str:
    """The last component of a reference, in letters, digits, points and dashes of ASCII.

    >>> figure_name("../a b/F1 (large).TIF"), figure_name("")
    ('F1_large_.TIF', 'image')
    """
    last = re.split(r"[/\\]", href)[-1]
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", last).lstrip("._-")
    path = PurePosixPath(name or "image")
    return path.stem[:_STEM_CHARS_MAX] + path.suffix[:8]


class FigureFiles:
    """Writes images into a folder, counts them and their bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()
        self._bytes_left = ALL_IMAGES_BYTES_MAX

    def add(self, data: bytes, wanted: str) -> str | None:
        """Write one image and return the name it got.

        Args:
            data: the bytes of the file.
            wanted: what the document calls it, any text.

        Returns:
            A name of the folder; None when the bytes are no image that is read, or too many.
        """
        kind = image_type(data)
        if kind is None or len(data) > min(IMAGE_BYTES_MAX, self._bytes_left):
            return None
        if len(self._taken) >= IMAGES_MAX:
            return None
        name = self._free_name(PurePosixPath(figure_name(wanted)), IMAGE_SUFFIXES[kind])
        (self._folder / name).write_bytes(data)
        self._bytes_left -= len(data)
        return name

    def _free_name(self, wanted: PurePosixPath, suffixes: tuple[str, ...]) -> str:
        suffix = wanted.suffix.lower()
        known = suffix in suffixes
        # "fig.1" has no suffix, though it looks as if it had.
        stem = wanted.stem if known or suffix in _ALL_SUFFIXES else wanted.name
        ending = suffix if known else suffixes[0]
        name, count = f"{stem}{ending}", 1
        while name.lower() in self._taken:
            count += 1
            name = f"{stem}-{count}{ending}"
        self._taken.add(name.lower())
        return name


_ALL_SUFFIXES = {suffix for suffixes in IMAGE_SUFFIXES.values() for suffix in suffixes}
