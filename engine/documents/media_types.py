"""What a file is, by its bytes; its name only tells kinds of text apart, as anybody may write any name.

The trap: a ZIP can be a Word document, a MECA archive, a bare article or none of them, and an ``<article>`` may
be of JATS, DocBook or HTML.
"""

import codecs
import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from engine.documents.archives import Archive, is_zip
from engine.documents.markup.xml_input import first_tags
from engine.errors import DocumentInvalid

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
JATS = "application/jats+xml"
MECA = "application/meca+zip"
HTML = "text/html"
MARKDOWN = "text/markdown"
PLAIN = "text/plain"
IMAGE_SUFFIXES = {
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/tiff": (".tif", ".tiff"),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
    "image/bmp": (".bmp",),
}
MEDIA_TYPES = frozenset({PDF, DOCX, JATS, MECA, HTML, MARKDOWN, PLAIN, *IMAGE_SUFFIXES})
"""What can be read as a document."""

EMPTY = "application/x-empty"
ZIP = "application/zip"
XML = "application/xml"
RTF = "application/rtf"
OFFICE_97 = "application/x-ole-storage"
"""A file of Word, Excel or PowerPoint 97-2003, or a newer one with a password."""
UNKNOWN = "application/octet-stream"

HEAD_BYTES = 64 << 10
NAME_BYTES_MAX = 255
ARTICLES_SOUGHT_MAX = 500
"""So many XML files of a ZIP are opened to find an article."""
_PDF_WITHIN_BYTES = 1024
_CONTROL_SHARE_MAX = 0.01

_BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
)
_JATS_CHILDREN = frozenset({"processing-meta", "front", "body", "front-stub"})
_JATS_DOCTYPE = re.compile(
    rb"<!DOCTYPE\s+article\b[^>\[]{0,500}(?:JATS|NLM|journal)", re.IGNORECASE
)
# Atomic groups: a page may begin with thousands of comments, and be no page after all.
_HTML_START = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?>(?><!--.*?-->\s*)*)<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"<[a-z][a-z0-9]*(?:\s[^<>]*)?/?>", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def sniff(path: Path, file_name: str) -> str:
    """The media type of a file: one of ``MEDIA_TYPES``, or what it is instead.

    Reads the first 64 KiB, of a ZIP also its directory and the starts of the XML files in it.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        return EMPTY
    binary = image_type(head) or _binary_type(head)
    if binary == ZIP:
        return _zip_type(path, head)
    return binary or _text_type(head, file_name)


def image_type(head: bytes) -> str | None:
    """The media type of an image by its first 32 bytes, None when it is none."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:2] == b"BM" and head[6:10] == bytes(4) and _bmp_header_bytes(head):
        return "image/bmp"
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


def _bmp_header_bytes(head: bytes) -> bool:
    return int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES


def _binary_type(head: bytes) -> str | None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n\f\0")
    if start.startswith(b"%PDF-"):
        return PDF
    if b"%PDF-" in head[:_PDF_WITHIN_BYTES] and _text_of(head) is None:
        return PDF
    if is_zip(head):
        return ZIP
    if start.startswith(b"{\\rtf"):
        return RTF
    return OFFICE_97 if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") else None


def _zip_type(path: Path, head: bytes) -> str:
    try:
        with Archive(path) as archive:
            return _archive_type(archive)
    except DocumentInvalid:
        # Its reader says what is wrong; only what it was meant to be is asked here.
        return DOCX if b"[Content_Types].xml" in head and b"word/" in head else ZIP


def _archive_type(archive: Archive) -> str:
    if "[Content_Types].xml" in archive.names:
        word = any(name.startswith("word/") for name in archive.names)
        return DOCX if word else ZIP
    if "manifest.xml" in archive.names:
        return MECA
    return MECA if find_articles(archive) else ZIP


def find_articles(archive: Archive) -> list[str]:
    """The names of the members that are JATS articles, in the order of the archive."""
    candidates = [name for name in archive.names if name.lower().endswith((".xml", ".nxml"))]
    return [
        name for name in candidates[:ARTICLES_SOUGHT_MAX] if is_jats(archive.head(name, HEAD_BYTES))
    ]


def is_jats(head: bytes) -> bool:
    """Whether these first bytes of an XML file begin an article of JATS (or NLM, its elder)."""
    tags = first_tags(head)
    if not tags or tags[0].rpartition("}")[2] != "article":
        return False
    if "}" in tags[0] and "jats" not in tags[0].lower():
        return False
    if _JATS_DOCTYPE.search(head) is not None:
        return True
    return len(tags) > 1 and tags[1].rpartition("}")[2] in _JATS_CHILDREN


def _text_type(head: bytes, file_name: str) -> str:
    text = _text_of(head)
    if text is None:
        return UNKNOWN
    if _HTML_START.match(text):
        return HTML
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        marked = _markup_type(head)
        if marked is not None:
            return marked
    return _kind_by_name(text, file_name)


def _markup_type(head: bytes) -> str | None:
    if is_jats(head):
        return JATS
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<?xml") or start.startswith(b"<!DOCTYPE"):
        tags = first_tags(head)
        return HTML if tags and tags[0].rpartition("}")[2].lower() == "html" else XML
    return None


def _kind_by_name(text: str, file_name: str) -> str:
    suffix = PurePosixPath(file_name.lower()).suffix
    if suffix in {".md", ".markdown", ".mdown"}:
        return MARKDOWN
    if suffix in {".html", ".htm", ".xhtml"} and _TAG.search(text):
        return HTML
    return PLAIN


def _text_of(head: bytes) -> str | None:
    """The head as text, None when it is none; the last character may be cut in two."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return codecs.getincrementaldecoder("utf-16")("replace").decode(head)
    if b"\0" in head:
        return None
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        text = head.decode("cp1252", "replace")
    return text if len(_CONTROLS.findall(text)) <= len(text) * _CONTROL_SHARE_MAX else None


def matches(file_name: str, patterns: list[str] | tuple[str, ...]) -> bool:
    """Whether a name fits one of the globs, such as ``*.pdf``, whatever the case.

    >>> matches("Paper.PDF", ["*.pdf"]), matches("paper.pdf.exe", ["*.pdf"])
    (True, False)
    """
    name = file_name.lower()
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns)


def safe_name(file_name: str) -> str:
    r"""The last component of a name that a client sent, fit to be kept and shown.

    Without separators of paths, control characters and leading points, at most 255 bytes of
    UTF-8 with the extension kept; ``file`` when nothing is left, and for ``blob``, which
    programs send that have no name.

    >>> safe_name("..\\..\\Tide tables.pdf"), safe_name("/etc/.passwd"), safe_name("blob")
    ('Tide tables.pdf', 'passwd', 'file')
    """
    last = re.split(r"[/\\]", file_name)[-1]
    name = _UNSAFE.sub("", last).strip().lstrip(". ").rstrip(". ")
    if not name or name == "blob":
        return "file"
    stem, point, suffix = name.rpartition(".")
    ending = f"{point}{suffix}" if stem and len(suffix.encode()) <= NAME_BYTES_MAX // 4 else ""
    kept = name.removesuffix(ending).encode()[: NAME_BYTES_MAX - len(ending.encode())]
    return kept.decode("utf-8", "ignore").rstrip() + ending
