"""A MECA archive, or any ZIP with one JATS article in it, to Markdown and the files of its figures.

The manifest says which member is the article; figures are found by what the article calls them. The trap: those
names may lack a folder or an extension, and are never used as paths.
"""

import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from engine.documents.archives import Archive
from engine.documents.content import Content, Source
from engine.documents.figures.files import IMAGE_BYTES_MAX, FigureFiles
from engine.documents.jats.extract import read_article
from engine.documents.markup.xml_input import XML_BYTES_MAX, attribute, children, parse_xml
from engine.documents.media_types import HEAD_BYTES, IMAGE_SUFFIXES, find_articles, is_jats
from engine.errors import DocumentInvalid

MANIFEST = "manifest.xml"
MANIFEST_BYTES_MAX = 8 << 20
_ARTICLE_TYPES = ("article", "manuscript", "article-metadata")
_SUFFIXES = [suffix for suffixes in IMAGE_SUFFIXES.values() for suffix in suffixes]


def extract_meca(
    source: Source,
    output: Path,
    parameters: Mapping[str, Any],
    report: Callable[[int, int], None],
) -> Content:
    """Read the article of an archive; its figures go to ``output``.

    Raises:
        DocumentInvalid: the archive is damaged, a bomb or encrypted, or has not one article.
    """
    del parameters
    with Archive(source.path) as archive:
        name = _article_name(archive)
        if archive.size_bytes(name) > XML_BYTES_MAX:
            raise DocumentInvalid(f"The article is larger than {XML_BYTES_MAX >> 20} MiB of XML.")
        figures = _Figures(archive, posixpath.dirname(name), FigureFiles(output))
        return read_article(archive.read(name), figures.find, report)


def _article_name(archive: Archive) -> str:
    if MANIFEST in archive:
        for name in _named_articles(archive):
            if name in archive and is_jats(archive.head(name, HEAD_BYTES)):
                return name
    found = find_articles(archive)
    if len(found) == 1:
        return found[0]
    count = "no JATS article" if not found else "several JATS articles"
    raise DocumentInvalid(
        f"The archive holds {count}; upload a MECA archive, or a ZIP with one article and its figures."
    )


def _named_articles(archive: Archive) -> list[str]:
    """The files of the manifest that may be the article, the likeliest first."""
    if archive.size_bytes(MANIFEST) > MANIFEST_BYTES_MAX:
        raise DocumentInvalid("The manifest of the archive is too large.")
    ranked: list[tuple[int, str]] = []
    for item in children(parse_xml(archive.read(MANIFEST), "The manifest"), "item"):
        kind = item.get("item-type") or item.get("type") or ""
        rank = _ARTICLE_TYPES.index(kind) if kind in _ARTICLE_TYPES else len(_ARTICLE_TYPES)
        hrefs = (attribute(instance, "href") for instance in children(item, "instance"))
        ranked += [(rank, href) for href in hrefs if rank < len(_ARTICLE_TYPES)]
    return [posixpath.normpath(unquote(href)) for _rank, href in sorted(ranked, key=lambda r: r[0])]


class _Figures:
    """The members of an archive by the names an article calls them, each written once."""

    def __init__(self, archive: Archive, folder: str, files: FigureFiles) -> None:
        self._archive = archive
        self._folder = folder
        self._files = files
        self._written: dict[str, str | None] = {}
        self._by_name: dict[str, str] = {}
        for name in archive.names:
            if name.lower().endswith(tuple(_SUFFIXES)):
                base = posixpath.basename(name).lower()
                self._by_name.setdefault(base, name)
                self._by_name.setdefault(posixpath.splitext(base)[0], name)

    def find(self, href: str) -> str | None:
        """The name in the folder of the image that ``href`` means, None when there is none."""
        member = self._member(unquote(href))
        if member is None:
            return None
        if member not in self._written:
            self._written[member] = self._write(member)
        return self._written[member]

    def _member(self, href: str) -> str | None:
        path = posixpath.normpath(posixpath.join(self._folder, href))
        if path in self._archive:
            return path
        base = posixpath.basename(href).lower()
        stem = posixpath.splitext(base)[0] if base.endswith(tuple(_SUFFIXES)) else base
        return self._by_name.get(base) or self._by_name.get(stem)

    def _write(self, member: str) -> str | None:
        if self._archive.size_bytes(member) > IMAGE_BYTES_MAX:
            return None
        return self._files.add(self._archive.read(member), posixpath.basename(member))
