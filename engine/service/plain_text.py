"""Text a client gives for a name or a note: trimmed, not blank, bounded and storable."""

from engine import errors


def check_text(what: str, text: str, *, chars_max: int, may_be_empty: bool = False) -> str:
    """Return the text without white space around it.

    Args:
        what: how a message calls it.
        text: as the client sent it.
        chars_max: most characters after trimming.
        may_be_empty: whether nothing may be left.

    Raises:
        InvalidRequest: the text breaks a rule.

    >>> check_text("Name", "  cars ", chars_max=10)
    'cars'
    """
    trimmed = text.strip()
    if not trimmed and not may_be_empty:
        raise errors.InvalidRequest(f"{what} cannot be empty")
    if len(trimmed) > chars_max:
        raise errors.InvalidRequest(f"{what} cannot exceed {chars_max} characters")
    # Postgres cannot store NUL in a text, UTF-8 cannot spell half a surrogate pair.
    if "\x00" in trimmed or not _is_unicode(trimmed):
        raise errors.InvalidRequest(f"{what} must not contain NUL or surrogate characters")
    return trimmed


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
