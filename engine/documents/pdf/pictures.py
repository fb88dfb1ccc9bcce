"""The images of a page, written as PNG into the folder of the content.

The invariant: an image is decoded only after its size in pixels is known to be within ``PIXELS_MAX``, and
the same image is written once however often the document shows it. The trap: a scan is one image as large
as its page; that is a page to be read and not a figure.
"""

import ctypes
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium

from engine.documents.content import IMAGES_MAX
from engine.documents.pdf.rules import Placed, box_of
from engine.documents.pdf.shapes import Box, Picture
from engine.documents.pdf.view import View

PIXELS_MAX = 40_000_000
_PIXELS_MIN = 32
"""Of each side; smaller ones are bullets, rules and logos."""
_POINTS_MIN = 24
_RAW_BYTES_MAX = 200 * 1024**2
_PNG_EFFORT = 3
"""Of 9: a third of the time of the usual 6 for a few percent more bytes."""


class Pictures:
    """The images written for one document."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._names: dict[bytes, str] = {}
        self.warnings: list[str] = []

    def write(
        self, page: pypdfium2.PdfPage, number: int, images: Sequence[Placed], view: View
    ) -> list[Picture]:
        """Write the images of a page that are figures.

        Args:
            page: of pypdfium2.
            number: of the page, from 1.
            images: objects of the page that are images.
            view: how the page is shown.
        """
        pictures: list[Picture] = []
        for placed in images:
            box = box_of(placed, view)
            if _is_figure(box):
                name = self._write(page, number, placed, view)
                pictures += [Picture(box, name)] if name else []
        return pictures

    def drop(self, names: set[str]) -> None:
        """Delete files that the text does not name."""
        for name in names:
            (self._output / name).unlink(missing_ok=True)

    @property
    def names(self) -> set[str]:
        """The files that were written."""
        return set(self._names.values())

    def _write(
        self, page: pypdfium2.PdfPage, number: int, placed: Placed, view: View
    ) -> str | None:
        image = pypdfium2.PdfObject(placed.handle, page=page, pdf=page.pdf)
        try:
            width, height = image.get_px_size()
        except pypdfium2.PdfiumError:
            return None
        if min(width, height) < _PIXELS_MIN:
            return None
        if width * height > PIXELS_MAX:
            self._warn(f"An image on page {number} has more than {PIXELS_MAX:,} pixels.")
            return None
        digest = _digest(placed.handle)
        if digest not in self._names:
            if len(self._names) >= IMAGES_MAX:
                self._warn(f"Only the first {IMAGES_MAX:,} images were kept.")
                return None
            if not self._save(image, number, digest, view):
                return None
        return self._names[digest]

    def _save(self, image: pypdfium2.PdfImage, number: int, digest: bytes, view: View) -> bool:
        earlier = sum(name.startswith(f"page-{number}-") for name in self._names.values())
        name = f"page-{number}-image-{earlier + 1}.png"
        try:
            shown = _bitmap(image).to_pil()
        except (pypdfium2.PdfiumError, ValueError, MemoryError):
            self._warn(f"An image on page {number} could not be decoded.")
            return False
        if view.turned:
            shown = shown.rotate(-view.turned, expand=True)
        shown.save(self._output / name, compress_level=_PNG_EFFORT)
        self._names[digest] = name
        return True

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)


def _bitmap(image: pypdfium2.PdfImage) -> pypdfium2.PdfBitmap:
    """Return the image as it is shown, or as it is stored where that is the same or fails."""
    a, b, c, d, _, _ = image.get_matrix().get()
    is_upright = a > 0 and d > 0 and not b and not c
    if is_upright and not pdfium.FPDFPageObj_HasTransparency(image.raw):
        return image.get_bitmap(render=False)
    try:
        return image.get_bitmap(render=True)
    except pypdfium2.PdfiumError:
        return image.get_bitmap(render=False)


def _is_figure(box: Box) -> bool:
    return box.is_near and min(box.width, box.height) >= _POINTS_MIN


def _digest(handle: pdfium.FPDF_PAGEOBJECT) -> bytes:
    """Return what tells an image from others: its stored bytes, and its size."""
    length = pdfium.FPDFImageObj_GetImageDataRaw(handle, None, 0)
    if not 0 < length <= _RAW_BYTES_MAX:
        return str(ctypes.addressof(handle.contents)).encode()
    data = ctypes.create_string_buffer(length)
    pdfium.FPDFImageObj_GetImageDataRaw(handle, data, length)
    return hashlib.sha256(data.raw).digest()
