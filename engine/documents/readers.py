"""Which reader reads which kind of file.

Every reader is called with a source, an existing empty folder for the images of the document, parameters of the
pipeline's step, and ``report(done, total)`` for progress in any unit. Readers are imported when they are needed:
together they take a second, and a process reads one document.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.documents import media_types
from engine.documents.content import Content, Source
from engine.errors import DocumentInvalid

Report = Callable[[int, int], None]
Reader = Callable[[Source, Path, Mapping[str, Any], Report], Content]

_KINDS = (
    "PDF, DOCX, HTML, Markdown, plain text, JATS XML, MECA and PNG, JPEG, TIFF, WebP, GIF or BMP"
)
_ADVICE = {
    media_types.EMPTY: "The file is empty.",
    media_types.ZIP: (
        "The ZIP file is neither a Word document nor a MECA archive, or it is cut short; "
        f"kinds that are read: {_KINDS}."
    ),
    media_types.RTF: "RTF is not read; save the document as DOCX or PDF.",
    media_types.OFFICE_97: (
        "Files of Office 97-2003, and Office files with a password, are not read; "
        "save the document as DOCX or PDF without a password."
    ),
}


def read_document(
    source: Source,
    output: Path,
    parameters: Mapping[str, Any],
    report: Callable[[int, int], None],
) -> Content:
    """Read a document of any kind.

    Args:
        source: the file; ``media_type`` is what ``media_types.sniff`` said.
        output: an existing, empty folder; images of the document are written into it.
        parameters: of the step, such as the languages of optical character recognition.
        report: called with what is done and what there is in all.

    Raises:
        DocumentInvalid: the kind is not read, the file is not what its kind demands, or it has
            neither text nor an image: nothing of it could be found.
    """
    advice = _ADVICE.get(source.media_type)
    if advice is not None:
        raise DocumentInvalid(advice)
    if source.media_type not in media_types.MEDIA_TYPES:
        raise DocumentInvalid(
            f"Files of the kind {source.media_type} are not read; kinds that are: {_KINDS}."
        )
    content = _reader(source.media_type)(source, output, parameters, report)
    if not content.text.strip():
        raise DocumentInvalid("The document holds no text.")
    return content


def _reader(media_type: str) -> Reader:
    if media_type in media_types.IMAGE_SUFFIXES or media_type == media_types.PDF:
        return _page_reader(media_type)
    return _markup_reader(media_type)


def _page_reader(media_type: str) -> Reader:
    if media_type == media_types.PDF:
        from engine.documents.pdf.extract import extract_pdf  # noqa: PLC0415 - see above

        return extract_pdf
    from engine.documents.scans.images import extract_image  # noqa: PLC0415 - see above

    return extract_image


def _markup_reader(media_type: str) -> Reader:
    if media_type == media_types.DOCX:
        from engine.documents.word.extract import extract_docx  # noqa: PLC0415 - see above

        return extract_docx
    if media_type == media_types.MECA:
        from engine.documents.jats.meca import extract_meca  # noqa: PLC0415 - see above

        return extract_meca
    if media_type == media_types.JATS:
        from engine.documents.jats.extract import extract_jats  # noqa: PLC0415 - see above

        return extract_jats
    if media_type == media_types.HTML:
        from engine.documents.markup.web_page import extract_html  # noqa: PLC0415 - see above

        return extract_html
    from engine.documents.markup.plain import extract_markdown, extract_text  # noqa: PLC0415 - see above

    return extract_markdown if media_type == media_types.MARKDOWN else extract_text
