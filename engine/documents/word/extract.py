"""A Word document (DOCX) to Markdown, by way of the HTML that mammoth makes of it.

The invariant: mammoth sees a file only after its ZIP and each of its XML parts were found harmless, by the very
parser that mammoth uses; another parser might see another document. The trap: Word marks titles by styles whose
names are the writer's.
"""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from xml.parsers.expat import ExpatError

import mammoth

from engine.documents.archives import Archive
from engine.documents.content import Content, Source
from engine.documents.figures.files import FigureFiles
from engine.documents.markup.markdown_blocks import one_line
from engine.documents.markup.web_page import read_page
from engine.documents.markup.xml_input import Element, local_name, parse_html, plain_text
from engine.documents.word.formulas import with_formulas_as_text
from engine.documents.word.parts import check_parts, core_properties
from engine.errors import DocumentInvalid

_STYLES = """
p[style-name='Title'] => h1.title:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='Quote'] => blockquote:fresh
p[style-name='Intense Quote'] => blockquote:fresh
p[style-name='caption'] => p.caption:fresh
p[style-name='Caption'] => p.caption:fresh
"""
_DAMAGED = "The Word document is damaged; open it in Word, save it again as DOCX and upload it."
_FILE = "data-file"
"""The attribute in which an image of mammoth's HTML carries the name of its file."""


def extract_docx(
    source: Source,
    output: Path,
    parameters: Mapping[str, Any],
    report: Callable[[int, int], None],
) -> Content:
    """Read a document; its images go to ``output``.

    Raises:
        DocumentInvalid: it is damaged, a bomb, encrypted, or has XML that no Word document has.
    """
    del parameters
    with Archive(source.path) as archive:
        check_parts(archive)
        metadata = core_properties(archive)
        copy = with_formulas_as_text(archive)
    report(1, 3)
    images = _Images(FigureFiles(output))
    with copy or source.path.open("rb") as file:
        root = parse_html(_html(file, images))
    report(2, 3)
    if root is None:
        raise DocumentInvalid("The document holds no text.")
    _join_captions(root)
    content = read_page(root, lambda image: image.get(_FILE))
    report(3, 3)
    title = _title(root) or content.title or metadata.pop("title", None)
    return replace(content, title=title, metadata=metadata, warnings=images.warnings)


def _html(file: BinaryIO, images: "_Images") -> str:
    try:
        result = mammoth.convert_to_html(
            file,
            style_map=_STYLES,
            # A style map in the file may hide any part of its text.
            include_embedded_style_map=False,
            external_file_access=False,
            convert_image=mammoth.images.img_element(images.keep),
        )
    except RecursionError as exc:
        raise DocumentInvalid("The Word document is nested too deeply to be read.") from exc
    except _FAILURES as exc:
        raise DocumentInvalid(_DAMAGED) from exc
    return str(result.value)


_FAILURES = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ExpatError),
    # What mammoth does with a document that lacks what the standard demands.
    *(KeyError, IndexError, AttributeError, TypeError, ValueError, AssertionError),
)


class _Image(Protocol):
    """An image as mammoth hands it over."""

    def open(self) -> AbstractContextManager[BinaryIO]: ...


class _Images:
    """Writes the images of a document as mammoth meets them."""

    def __init__(self, files: FigureFiles) -> None:
        self._files = files
        self._count = 0
        self._missing = 0

    def keep(self, image: _Image) -> dict[str, str]:
        """Write one image; answers the attributes of its ``img``."""
        self._count += 1
        try:
            with image.open() as stream:
                data = stream.read()
        except (KeyError, ValueError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error):
            data = b""
        name = self._files.add(data, f"image-{self._count}")
        if name is None:
            self._missing += 1
            return {}
        return {_FILE: name}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be kept, in one sentence."""
        if not self._missing:
            return ()
        images = "1 image" if self._missing == 1 else f"{self._missing} images"
        return (f"{images} could not be read: linked from elsewhere, or of a kind such as EMF.",)


def _join_captions(root: Element) -> None:
    """Make figures of pictures with a caption below them; to Word these are two paragraphs."""
    for caption in list(root.iter("p")):
        picture = caption.getprevious()
        if caption.get("class") != "caption" or picture is None or local_name(picture) != "p":
            continue
        if len(list(picture.iter("img"))) == 1 and not plain_text(picture):
            picture.tag, caption.tag = "figure", "figcaption"
            picture.append(caption)


def _title(root: Element) -> str | None:
    found = next((each for each in root.iter("h1") if each.get("class") == "title"), None)
    return None if found is None else one_line("".join(found.itertext(tag="*"))) or None
