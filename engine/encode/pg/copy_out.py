"""CopyData messages of `COPY … TO STDOUT`: text, csv and binary.

Invariant: one message a line or row, as Postgres sends them; the door adds CopyOutResponse before
and CopyDone behind.
Trap: in binary, the signature shares a message with the first row, or with the trailer when there
are no rows: drivers look for a row behind it.
"""

import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from engine.encode.chunks import Chunk, Pacer, pieces
from engine.encode.pg.arrays import PLAIN_TYPES
from engine.encode.pg.binary import binary_cells
from engine.encode.pg.cells import DATA, data_of, mask_of, text_of, uniform
from engine.encode.pg.few_rows import few_rows_messages
from engine.encode.pg.messages import messages
from engine.encode.pg.pg_types import PgType
from engine.encode.pg.rows import BINARY_FORMAT, COLUMNS_MAX, types_of
from engine.encode.pg.text import text_cells
from engine.encode.pg.zones import check_zone
from engine.encode.strings import (
    TEXT,
    Array,
    Replacements,
    Text,
    concat,
    kernels,
    literal,
    nulled,
    payload,
    replaced,
)

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_LENGTH_BYTES = 4
_TAG = b"d"
_HEADER = np.dtype([("tag", "S1"), ("length", ">i4")])
_NAMED = {0x08: rb"\b", 0x09: rb"\t", 0x0A: rb"\n", 0x0B: rb"\v", 0x0C: rb"\f", 0x0D: rb"\r"}
# Types whose text has only these characters, and some always.
_SAFE_TYPES = PLAIN_TYPES | {"timestamp", "timestamptz", "interval"}
_SAFE_CHARACTERS = frozenset(f"{string.ascii_letters}{string.digits}+-.: ")
# A line of these two characters alone ended a COPY before protocol 3.
_END_OF_DATA = "\\."


@dataclass(frozen=True, slots=True)
class CopyOptions:
    r"""The options of one COPY, checked by whoever parsed them.

    Attributes:
        format: how rows are written.
        header: whether the first line has the names of the columns; not for binary.
        delimiter: one ASCII character; by default a tab in text and a comma in csv.
        null: what NULL is written as; by default `\N` in text and nothing in csv.
        quote: one ASCII character around values of csv.
        escape: before quotes in values of csv; by default the quote.
        force_quote: names of columns whose csv values are always quoted, or "all".
    """

    format: Literal["text", "csv", "binary"] = "text"
    header: bool = False
    delimiter: str | None = None
    null: str | None = None
    quote: str = '"'
    escape: str | None = None
    force_quote: tuple[str, ...] | Literal["all"] = ()

    @property
    def separator(self) -> str:
        """The delimiter, given or default."""
        if self.delimiter is not None:
            return self.delimiter
        return "," if self.format == "csv" else "\t"

    def is_forced(self, name: str) -> bool:
        """Whether values of the column called `name` are always quoted."""
        return self.format == "csv" and (self.force_quote == "all" or name in self.force_quote)

    def is_safe(self, kind: PgType) -> bool:
        """Whether no value of this type needs an escape, or quotes that were not asked for."""
        special = {self.separator, self.quote, self.null_text[:1]} - {""}
        return kind.name in _SAFE_TYPES and special.isdisjoint(_SAFE_CHARACTERS)

    @property
    def null_text(self) -> str:
        """The text of NULL, given or default."""
        if self.null is not None:
            return self.null
        return "" if self.format == "csv" else "\\N"


class PgCopyEncoder:
    """Encodes rows as the CopyData messages of one COPY.

    Attributes:
        types: what each column would be announced as.
    """

    media_type = "application/octet-stream"

    def __init__(self, schema: pa.Schema, options: CopyOptions, *, time_zone: str = "UTC") -> None:
        """Prepare one response.

        Raises:
            ValueError: too many columns, or an unknown time zone.
        """
        check_zone(time_zone)
        if len(schema) > COLUMNS_MAX:
            raise ValueError(f"a row has at most {COLUMNS_MAX:,} columns")
        self.types = types_of(schema)
        self._names = schema.names
        self._options = options
        self._time_zone = time_zone
        self._pacer = Pacer()
        self._lines = _CsvLines(options) if options.format == "csv" else _TextLines(options)
        # What the first message of binary begins with; then nothing.
        self._signature = _SIGNATURE

    def begin(self) -> bytes:
        """Return the line of names, if asked for."""
        if self._options.format == "binary" or not self._options.header:
            return b""
        is_only = len(self._names) == 1
        columns = [
            self._lines.escaped(pa.array([name], TEXT), is_forced=False, is_only=is_only)
            for name in self._names
        ]
        return bytes(self._sent(columns, 1))

    def encode(self, batch: pa.RecordBatch) -> Iterator[Chunk]:
        """Yield a CopyData for each row.

        Raises:
            SqlInvalid: a value has no form as its Postgres type.
        """
        encode = self._binary if self._options.format == "binary" else self._text
        for part in self._pacer.slices(batch):
            sent = encode(part)
            self._pacer.note(part.num_rows, len(sent))
            yield from pieces(sent)

    def finish(self) -> bytes:
        """Return the trailer of the binary format, behind the signature if there were no rows."""
        if self._options.format != "binary":
            return b""
        return _message(self._signature + _TRAILER)

    def _binary(self, part: pa.RecordBatch) -> Chunk:
        formats = [BINARY_FORMAT] * part.num_columns
        sent: Chunk | None = few_rows_messages(_TAG, part, self.types, formats, self._time_zone)
        if sent is None:
            columns = zip(part.columns, self.types, strict=True)
            cells = [binary_cells(column, kind) for column, kind in columns]
            sent = messages(_TAG, cells, part.num_rows)
        if not self._signature:
            return sent
        end = 1 + int.from_bytes(sent[1 : 1 + _LENGTH_BYTES], "big")
        first = _message(self._signature + sent[1 + _LENGTH_BYTES : end])
        self._signature = b""
        return first + sent[end:]

    def _text(self, part: pa.RecordBatch) -> Chunk:
        is_only = part.num_columns == 1
        columns = []
        for name, column, kind in zip(self._names, part.columns, self.types, strict=True):
            text = text_of(text_cells(column, kind, self._time_zone))
            is_forced = self._options.is_forced(name)
            if is_forced or not self._options.is_safe(kind):
                text = self._lines.escaped(text, is_forced=is_forced, is_only=is_only)
            columns.append(text)
        return self._sent(columns, part.num_rows)

    def _sent(self, columns: list[Text], rows: int) -> memoryview:
        """Join lines and write a header before each."""
        separators = max(len(columns) - 1, 0)
        lengths = np.full(rows, _LENGTH_BYTES + separators + 1)
        null = self._options.null_text.encode()
        parts: list[Array] = []
        for column in columns:
            lengths += _shown_lengths(column, len(null))
            parts += [pa.scalar(self._options.separator.encode(), DATA), data_of(column)]
        headers = np.empty(rows, _HEADER)
        headers["tag"], headers["length"] = _TAG, lengths
        joined = kernels.binary_join_element_wise(
            *(uniform(headers), *parts[1:], pa.scalar(b"\n", DATA), pa.scalar(b"", DATA)),
            null_handling="replace",
            null_replacement=null,
        )
        return payload(joined)[1].data


class _TextLines:
    """Values of the text format: control characters, backslash and delimiter escaped."""

    def __init__(self, options: CopyOptions) -> None:
        # Backslash first: the other replacements are made of it.
        table = {0x5C: rb"\\"} | _NAMED
        delimiter = ord(options.separator)
        if delimiter not in table:
            table[delimiter] = b"\\" + options.separator.encode()
        self._escapes = Replacements(table)

    def escaped(self, text: Text, *, is_forced: bool, is_only: bool) -> Text:
        """Return values as they stand in a line; nulls stay null; the rest is for csv."""
        del is_forced, is_only
        return replaced(text, self._escapes)


class _CsvLines:
    """Values of csv: quoted when they could be read as something else, or when asked for."""

    def __init__(self, options: CopyOptions) -> None:
        self._options = options
        quote = options.quote.encode()
        escape = (options.escape or options.quote).encode()
        # The escape first: the quote's replacement has one.
        self._escapes = Replacements({one: escape + bytes((one,)) for one in escape + quote})
        special = {*b"\n\r", *quote, *options.separator.encode()}
        self._special = Replacements(dict.fromkeys(special, b""))

    def escaped(self, text: Text, *, is_forced: bool, is_only: bool) -> Text:
        """Return values as they stand in a line; nulls stay null.

        Args:
            text: values, or a name of a column.
            is_forced: all are quoted.
            is_only: the line has no other value.
        """
        if is_forced:
            needs = np.ones(len(text), np.bool_)
        else:
            needs = self._needs_quotes(text, is_only=is_only)
        if not needs.any():
            return text
        quote = kernels.if_else(pa.array(needs), literal(self._options.quote), literal(""))
        inside = replaced(text, self._escapes)
        if inside is not text and not needs.all():
            # An escape alone needs no quotes, and without quotes it is not doubled.
            inside = kernels.if_else(pa.array(needs), inside, text)
        return nulled(concat(quote, inside, quote), text)

    def _needs_quotes(
        self, text: Text, *, is_only: bool
    ) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        offsets, data = payload(text)
        special = np.flatnonzero(self._special.find(data))
        below = np.searchsorted(special, offsets)
        needs = below[1:] > below[:-1]
        same = kernels.equal(text, literal(self._options.null_text)).fill_null(False)
        needs |= same.to_numpy(zero_copy_only=False)
        if is_only:
            ends = kernels.equal(text, literal(_END_OF_DATA)).fill_null(False)
            needs |= ends.to_numpy(zero_copy_only=False)
        return needs


def _shown_lengths(text: Text, null_bytes: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    lengths = np.diff(payload(text)[0])
    valid = mask_of(text)
    return lengths if valid is None else np.where(valid, lengths, null_bytes)


def _message(body: bytes) -> bytes:
    return _TAG + (_LENGTH_BYTES + len(body)).to_bytes(_LENGTH_BYTES, "big") + body
