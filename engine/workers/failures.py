"""Turns what DataFusion raises into one word for the parent and one sentence for the user.

DataFusion raises bare ``Exception`` and ``ValueError``: the text is all there is to go by. What the
user's SQL caused keeps the engine's own words, without its wrapping; what hints at the machine
(paths, tracebacks) never passes.
"""

import re

import pyarrow as pa

from engine.datasets.load import LoadError

_WRAPPING = re.compile(
    r"^(?:DataFusion error: |External error: |Execution error: |Error during planning: |"
    r"Arrow error: |Schema error: |type_coercion\n?|Compute error: |Context: )+"
)
_PARSER = re.compile(r'^SQL error: (?:ParserError|TokenizerError)\("(.*)"\)$', re.DOTALL)
_RESOURCES = re.compile(r"Resources exhausted|Memory Exhausted|max_temp_directory_size|No space")
# What a refused allocation looks like from further away.
_NO_MEMORY = re.compile(
    r"failed to map segment|can't start new thread|memory allocation failed|os error 1[12]\b|"
    # A join that ran out of memory starts its input again, which DataFusion 55 answers by a panic.
    r"partition not used yet"
)
_TOO_DEEP = re.compile(r"RecursionLimitExceeded")
_FORBIDDEN = re.compile(
    r"(?:DDL|DML|Statement) not supported: |"
    r"Query (?:INSERT|UPDATE|DELETE|MERGE)\b.* not implemented",
    re.DOTALL,
)
_MISSING = re.compile(r"Object at location .* not found|No such file or directory|NotFound")
_MISSING_TABLE = re.compile(r"table '(.+?)' not found")
_INTERNAL = re.compile(r"^Internal error: |panicked|External error: Python")
_PATH = re.compile(r"(?<![\w.])/(?:[\w.@+-]+/)+[\w.@+-]*")


class ForbiddenStatement(Exception):
    """The statement parsed, and is not one a reader may run."""


class RowsExceeded(Exception):
    """The answer is larger than the limits of the task."""


def describe_failure(error: BaseException) -> tuple[str, str]:
    """Say what kind of failure this is, and what a user may read of it.

    Returns:
        The kind (a key of the parent's table in ``engine.workers.execution``) and one sentence.
    """
    if isinstance(error, LoadError):
        return "data", str(error)
    if isinstance(error, ForbiddenStatement):
        return "forbidden", str(error)
    if isinstance(error, RowsExceeded):
        return "resources", str(error)
    if isinstance(error, MemoryError | pa.ArrowMemoryError) or _NO_MEMORY.search(str(error)):
        return "resources", "The query needs more memory than its limit allows."
    if not isinstance(error, Exception):  # how a Rust panic arrives
        return "internal", "The query engine failed on this statement."
    return _describe_text(str(error))


def _describe_text(text: str) -> tuple[str, str]:
    if _RESOURCES.search(text):
        return "resources", _PATH.sub("…", _clean(text))
    if _MISSING.search(text) and not _MISSING_TABLE.search(text):
        return "missing", "Stored data of a table is missing."
    if _INTERNAL.search(_clean(text)):
        return "internal", "The query engine failed on this statement."
    if _FORBIDDEN.search(text):
        return "forbidden", ""
    if _TOO_DEEP.search(text):
        return "SqlTooComplex", "The SQL nests too deeply."
    return "sql", _PATH.sub("…", _clean(text))


def missing_table(error: BaseException) -> str | None:
    """The dotted name a plan asked for and nobody had bound, if that is what failed."""
    found = _MISSING_TABLE.search(str(error))
    return found.group(1) if found else None


def _clean(text: str) -> str:
    # The last cause says what went wrong; what stands before it names optimizer rules.
    text = text.rsplit("caused by\n", maxsplit=1)[-1].strip()
    text = text.split("\n\nbacktrace:")[0].split("Traceback (most recent call last)")[0]
    parsed = _PARSER.match(text)
    if parsed:
        return "SQL parse error: " + parsed.group(1).replace('\\"', '"')
    return _WRAPPING.sub("", text).strip()
