"""The parameters of reading PDF files and images, checked before anything is read.

The invariant: what comes out can be used as it is; a language is one that there is data for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

from engine.documents.scans.ocr import DEFAULT_LANGUAGE, check_language
from engine.errors import DocumentInvalid

PAGES_MAX = 2_000
Ocr: TypeAlias = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class ReadParameters:
    """How a document is to be read.

    Attributes:
        ocr: of pages without text, of all, or of none.
        language: of the OCR, as Tesseract names it.
        pages_max: more are refused.
    """

    ocr: Ocr
    language: str
    pages_max: int


def check_parameters(parameters: Mapping[str, Any]) -> ReadParameters:
    """Check ``ocr``, ``language`` and ``pages_max``; others are left to other stages.

    Raises:
        DocumentInvalid: one of them is wrong.
    """
    ocr = parameters.get("ocr", "auto")
    if ocr not in get_args(Ocr):
        raise DocumentInvalid(f"Parameter 'ocr' must be one of {', '.join(get_args(Ocr))}.")
    language = parameters.get("language", DEFAULT_LANGUAGE)
    if not isinstance(language, str):
        raise DocumentInvalid("Parameter 'language' must be text, such as 'eng'.")
    pages_max = parameters.get("pages_max", PAGES_MAX)
    if not isinstance(pages_max, int) or isinstance(pages_max, bool) or pages_max < 1:
        raise DocumentInvalid("Parameter 'pages_max' must be a whole number from 1.")
    if ocr != "never":
        check_language(language)
    return ReadParameters(cast("Ocr", ocr), language, pages_max)
