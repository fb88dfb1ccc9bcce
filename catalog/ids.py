"""Ids: a four-letter prefix that names the kind, then 26 random characters of ``[0-9a-z]``.

Ids are opaque to clients, safe in URLs, SQL identifiers without quotes and Kubernetes names.
26 characters of base 36 carry 134 bits, so ids are never checked for collisions.
"""

import hashlib
import re
import secrets
from enum import StrEnum

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARS = 26
_FORM = re.compile(r"[a-z]{4}[0-9a-z]{26}|ws_[0-9a-z]{26}")


class IdKind(StrEnum):
    """The prefix of every kind of id."""

    CONNECTION = "conn"
    DATASET = "data"
    DATASET_VERSION = "dver"
    DELIVERY = "evnt"
    DOCUMENT_SEGMENT = "dseg"
    EMBEDDING_PROVIDER = "embp"
    INDEX = "indx"
    INDEX_BUILD = "ibld"
    JOB = "jobx"
    ORGANIZATION = "orgx"
    QUERY_RUN = "qrun"
    REMOTE_TABLE = "rtbl"
    RESULT = "rslt"
    SAVED_QUERY = "svqr"
    SECRET = "secr"  # noqa: S105 - a prefix
    SNAPSHOT = "snap"
    TABLE_VERSION = "tver"
    TOKEN = "tokn"  # noqa: S105 - a prefix
    UPLOAD = "upld"
    WORKSPACE = "ws_"


def new_id(kind: IdKind) -> str:
    """Make a fresh id.

    >>> new_id(IdKind.RESULT)[:4], len(new_id(IdKind.RESULT))
    ('rslt', 30)
    """
    # One draw of 134 bits, then base 36: five times cheaper than 26 draws, and on the query path.
    return kind.value + _to_base36(secrets.randbelow(36**_RANDOM_CHARS))


def _to_base36(number: int) -> str:
    digits = []
    for _ in range(_RANDOM_CHARS):
        number, digit = divmod(number, 36)
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def is_id(text: str) -> bool:
    """Tell whether the text has the form of an id of any kind.

    >>> is_id("rslt" + "0" * 26), is_id("../etc/passwd")
    (True, False)
    """
    return _FORM.fullmatch(text) is not None


def snapshot_id(workspace_id: str, sql_hash: str) -> str:
    """Derive the id of a SQL text: equal texts of one workspace are one snapshot, unread.

    >>> snapshot_id("ws_1", "ab") == snapshot_id("ws_1", "ab") != snapshot_id("ws_2", "ab")
    True
    """
    digest = hashlib.sha256((workspace_id + sql_hash).encode()).digest()
    # A SHA-256 has at most 50 digits in base 36; the id keeps the first 26 of them.
    return IdKind.SNAPSHOT.value + _to_base36(int.from_bytes(digest) // 36 ** (50 - _RANDOM_CHARS))
