"""Turns what DataFusion raises into an engine error, and carries it to the parent.

DataFusion raises bare ``Exception`` and ``ValueError``: the text is all there is to go by. What the
user's SQL caused keeps the engine's own words, without its wrapping; what hints at the machine
(paths, tracebacks) never passes.
"""

import re
from typing import Any

import pyarrow as pa

from engine import errors
from engine.errors import (
    EngineError,
    QueryCrashed,
    ResourceExhausted,
    SqlInvalid,
    SqlTooComplex,
    StatementForbidden,
    Unavailable,
)

# What Python raises when this code is wrong; DataFusion raises none of them.
_OUR_MISTAKES = (AssertionError, AttributeError, LookupError, NameError, TypeError)
_BROKEN = "The query engine failed on this statement."

_WRAPPING = re.compile(
    r"^(?:DataFusion error: |External error: |Execution error: |Error during planning: |"
    r"Arrow error: |Schema error: |type_coercion\n?|Compute error: |Context: )+"
)
_PARSER = re.compile(r'^SQL error: (?:ParserError|TokenizerError)\("(.*)"\)$', re.DOTALL)
_RESOURCES = re.compile(r"Resources exhausted|Memory Exhausted|max_temp_directory_size|No space")
# What a refused allocation looks like from further away.
_NO_MEMORY = re.compile(
    r"failed to map segment|can't start new thread|memory allocation failed|os error 1[12]\b|"
    r"(?:offset|capacity) overflow|"  # panics: no array or vector can be that large
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
# A function that does not take its arguments: DataFusion calls that an internal error.
_NO_SIGNATURE = re.compile(
    r"Function '(?P<function>\w+)' failed to match any signature"
    r"(?:.*?but received .*? \(DataType: (?P<dtype>.+?)\)[.,])?",
    re.DOTALL,
)
# Others that are called so, and are what a statement asks for in vain.
_UNSUPPORTED = re.compile(
    r"Internal error: (Unavailable default cast .+?|Failed to coerce types .+?|"
    r"[^\n]+ not implemented for type .+?)\.?(?:\n|$)"
)
# What stays in a plan because no rule could make a join of it.
_SUBQUERY = re.compile(
    r"Physical plan does not support logical expression "
    r"(OuterReferenceColumn|ScalarSubquery|InSubquery|Exists|SetComparison)\b"
)
_AS_A_JOIN = "Write it as a join, or compare columns by = in its WHERE."
_SUBQUERIES = {
    "OuterReferenceColumn": f"A correlated subquery or LATERAL of this form is not supported. {_AS_A_JOIN}",
    "ScalarSubquery": f"A correlated subquery of this form is not supported. {_AS_A_JOIN}",
    "InSubquery": "IN (SELECT …) is supported in WHERE only. Write a join instead.",
    "Exists": "EXISTS (SELECT …) is supported in WHERE only. Write a join instead.",
    "SetComparison": "ANY and ALL (SELECT …) are supported in WHERE only. Write a join instead.",
}
# How a cause begins that is the statement's own, whatever names and values it repeats.
_OF_STATEMENT = re.compile(
    r"(?:DataFusion error: |External error: |Execution error: )*"
    r"(?:Arrow error: (?:(?:Cast|Parser|Compute) error|Divide by zero)|"
    r"Schema error: |SQL error: |Error during planning: (?!Internal error))"
)
_QUOTED = re.compile(r"(?<!\w)'[^']*'|\"[^\"]*\"")
_PATH = re.compile(r"(?<![\w.])/(?:[\w.@+-]+/)+[\w.@+-]*")


def as_engine_error(error: BaseException) -> EngineError:
    """Say what a failure means to the one who asked, in a sentence that may be read."""
    if isinstance(error, EngineError):
        return error
    is_statement = isinstance(error, Exception) and _OF_STATEMENT.match(_cause(str(error)))
    lacks_memory = not is_statement and _NO_MEMORY.search(str(error))
    if isinstance(error, MemoryError | pa.ArrowMemoryError) or lacks_memory:
        return ResourceExhausted("The query needs more memory than its limit allows.")
    if isinstance(error, KeyError) and isinstance(error.args[0], int):  # pyarrow's, of a type's id
        return SqlInvalid("A column of the answer has a type that cannot be sent: cast it.")
    is_ours = isinstance(error, _OUR_MISTAKES) and not isinstance(error, pa.ArrowException)
    if is_ours or not isinstance(error, Exception):  # how a Rust panic arrives
        return QueryCrashed(_BROKEN)
    return _read(str(error))


def dump_failure(error: EngineError) -> dict[str, Any]:
    """Make plain data of an engine error, to cross the process border."""
    known = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    return {"error": known.__name__, "message": error.message}


def load_failure(fields: dict[str, Any]) -> EngineError:
    """Read what :func:`dump_failure` made."""
    kind: type[EngineError] = getattr(errors, fields["error"])
    return kind(fields["message"])


def _read(text: str) -> EngineError:
    if not _OF_STATEMENT.match(_cause(text)):
        bare = _QUOTED.sub("''", text)
        if _RESOURCES.search(bare):
            return ResourceExhausted(_PATH.sub("…", _clean(text)))
        if _MISSING.search(bare):
            return Unavailable("Stored data of a table is missing.")
        if _INTERNAL.search(_clean(bare)) and _mistake(text) is None:
            return QueryCrashed(_BROKEN)
    return _mistake(text) or SqlInvalid(_PATH.sub("…", _clean(text)))


def _mistake(text: str) -> SqlInvalid | None:
    """Read what DataFusion reports as an error of its own, or in too many words."""
    if subquery := _SUBQUERY.search(text):
        return SqlInvalid(_SUBQUERIES[subquery[1]])
    if unmatched := _NO_SIGNATURE.search(text):
        return SqlInvalid(_not_taken(unmatched["function"], unmatched["dtype"]))
    if unsupported := _UNSUPPORTED.search(text):
        return SqlInvalid(unsupported[1])
    bare = _QUOTED.sub("''", text)
    if _FORBIDDEN.search(bare):
        return StatementForbidden()
    if _TOO_DEEP.search(bare):
        return SqlTooComplex("The SQL nests too deeply.")
    return None


def _not_taken(function: str, dtype: str | None) -> str:
    what = "these arguments" if dtype is None else f"a value of type {dtype}"
    return f"Function '{function}' does not take {what}. Cast it to a type it takes."


def missing_table(error: BaseException) -> str | None:
    """The dotted name a plan asked for and nobody had bound, if that is what failed."""
    found = _MISSING_TABLE.search(str(error))
    return found.group(1) if found else None


def _cause(text: str) -> str:
    """The last cause says what went wrong; what stands before it names optimizer rules."""
    return text.rsplit("caused by\n", maxsplit=1)[-1].strip()


def _clean(text: str) -> str:
    text = _cause(text)
    text = text.split("\n\nbacktrace:")[0].split("Traceback (most recent call last)")[0]
    parsed = _PARSER.match(text)
    if parsed:
        return "SQL parse error: " + parsed.group(1).replace('\\"', '"')
    return _WRAPPING.sub("", text).strip()
