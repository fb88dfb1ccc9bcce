"""Which encoding of rows a client asked for.

``?format=`` beats ``Accept``; what we do not know falls through to JSON, as the API always did.
"""

from types import MappingProxyType

MEDIA_TYPES = MappingProxyType(
    {
        "json": "application/json",
        "arrow": "application/vnd.apache.arrow.stream",
        "csv": "text/csv; charset=utf-8",
        "md": "text/markdown; charset=utf-8",
        "parquet": "application/vnd.apache.parquet",
    }
)
INLINE_FORMATS = ("json", "arrow", "csv", "md")
RESULT_FORMATS = (*INLINE_FORMATS, "parquet")

_BY_MEDIA_TYPE = MappingProxyType({t.partition(";")[0]: name for name, t in MEDIA_TYPES.items()})
_ALIASES = MappingProxyType({"markdown": "md"})


def chosen_format(text: str | None) -> str | None:
    """Read the ``format`` parameter; None when absent or unknown.

    >>> chosen_format("Markdown"), chosen_format("xml"), chosen_format(None)
    ('md', None, None)
    """
    name = (text or "").strip().lower()
    name = _ALIASES.get(name, name)
    return name if name in MEDIA_TYPES else None


def accepted_format(accept: str | None, formats: tuple[str, ...]) -> str:
    """Choose the format an ``Accept`` header (RFC 9110, 12.5.1) prefers; JSON when none fits.

    >>> accepted_format("text/html, text/csv;q=0.5, text/markdown;q=0.9", INLINE_FORMATS)
    'md'
    >>> accepted_format("*/*", INLINE_FORMATS), accepted_format("text/csv;q=0", INLINE_FORMATS)
    ('json', 'json')
    """
    if accept is None or accept in {"*/*", "application/json"}:
        return "json"
    best, best_quality = "json", 0.0
    for part in accept.split(","):
        media_type, _, parameters = part.partition(";")
        name = _BY_MEDIA_TYPE.get(media_type.strip().lower())
        quality = _quality(parameters)
        if name is not None and name in formats and quality > best_quality:
            best, best_quality = name, quality
    return best


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
