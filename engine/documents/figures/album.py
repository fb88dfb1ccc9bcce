"""The images of a document as files by number: each converted once, each distinct one kept once.

The invariant: after ``close`` the folder has the named figures and nothing else of this. The trap: numbers
follow the text, and an image on every page is known as such only after the last page; so an
image is written under the digest of its pixels first, and gets its number when it is named.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from engine.documents.content import IMAGES_MAX
from engine.documents.figures.pictures import TooSmall, Unreadable, convert_to_png

SIDE_MIN = 32
"""Pixels; what is smaller is a bullet, a rule or an icon."""
PNG_BYTES_MAX = 2 << 30
"""Of all images of a document."""
_NAMES_SHOWN = 5
_NAME_CHARS_MAX = 60


@dataclass(frozen=True, slots=True)
class Picture:
    """What became of an image: the digest of its PNG, or none; ``is_decoration`` if nobody misses it."""

    digest: str | None
    is_decoration: bool = False


_ABSENT = Picture(None)


class Album:
    """Converts the images of one folder into another, which is empty."""

    def __init__(self, source: Path, output: Path) -> None:
        self._source = source.resolve()
        self._output = output
        self._bytes_left = PNG_BYTES_MAX
        self._targets: dict[str, Picture] = {}
        self._pictures: dict[Path, Picture] = {}
        self._waiting: dict[str, Path] = {}
        self._names: dict[str, str] = {}
        self._unreadable: list[str] = []
        self._is_full = False

    def add(self, target: str) -> Picture:
        """Convert the image that a link leads to, unless it was before."""
        if target not in self._targets:
            path = self._find(target)
            self._targets[target] = self._picture_of(path) if path else _ABSENT
        return self._targets[target]

    def name(self, digest: str) -> str:
        """Return the name of an image, the next number if it has none yet."""
        if digest not in self._names:
            self._names[digest] = f"figure-{len(self._names) + 1}.png"
            self._waiting.pop(digest).rename(self._output / self._names[digest])
        return self._names[digest]

    def close(self) -> None:
        """Remove what was not named."""
        for path in self._waiting.values():
            path.unlink()

    def warnings(self) -> list[str]:
        """Say which images were left out, and why, in at most two sentences."""
        found = []
        if self._unreadable:
            shown = ", ".join(self._unreadable[:_NAMES_SHOWN])
            more = ", …" if len(self._unreadable) > _NAMES_SHOWN else ""
            count = len(self._unreadable)
            images, were = ("1 image", "was") if count == 1 else (f"{count} images", "were")
            found.append(f"{images} could not be read and {were} left out: {shown}{more}.")
        if self._is_full:
            found.append(
                f"The document has more than {IMAGES_MAX:,} images or {PNG_BYTES_MAX >> 30} GiB of"
                " them; the rest was left out."
            )
        return found

    def _find(self, target: str) -> Path | None:
        for name in dict.fromkeys((target, unquote(target))):
            try:
                path = (self._source / name).resolve()
                if path.is_relative_to(self._source) and path.is_file():
                    return path
            except (OSError, ValueError):  # too long for a name, or none at all
                continue
        return None

    def _picture_of(self, path: Path) -> Picture:
        if path not in self._pictures:
            self._pictures[path] = self._convert(path)
        return self._pictures[path]

    def _convert(self, path: Path) -> Picture:
        try:
            data = convert_to_png(path, side_min=SIDE_MIN)
        except TooSmall:
            return Picture(None, is_decoration=True)
        except Unreadable:
            self._unreadable.append(path.name[:_NAME_CHARS_MAX])
            return _ABSENT
        return self._keep(data)

    def _keep(self, data: bytes) -> Picture:
        digest = hashlib.sha256(data).hexdigest()
        if digest in self._waiting:
            return Picture(digest)
        if len(self._waiting) >= IMAGES_MAX or len(data) > self._bytes_left:
            self._is_full = True
            return _ABSENT
        self._bytes_left -= len(data)
        self._waiting[digest] = self._output / f"converted-{digest}"
        self._waiting[digest].write_bytes(data)
        return Picture(digest)
