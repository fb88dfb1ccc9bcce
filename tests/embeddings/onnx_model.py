"""Makes a real model in a folder: one ONNX node that looks words up, and its tokenizer.

The file is written by hand after ``onnx.proto``: a message is a list of fields, each a number and bytes.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WORDS = ("[PAD]", "[UNK]", "red", "blue", "shoes", "sea")
WIDTH = 8
_FLOAT, _INT64 = 1, 7


def word_vectors() -> "np.ndarray[Any, Any]":
    """The table that the model looks words up in."""
    return np.random.default_rng(7).normal(size=(len(WORDS), WIDTH)).astype(np.float32)


def write_model(folder: Path, *, place: str = "model.onnx") -> Path:
    """Write the model and all that belongs to it; returns the folder."""
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(_model())
    tokenizer = Tokenizer(WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"model_max_length": 16, "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"pad_token_id": 0}))
    return folder


def mean_of(text: str) -> "np.ndarray[Any, Any]":
    """The vector of a text: the mean of its first 16 words, of length one."""
    words = [WORDS.index(w) if w in WORDS else 1 for w in text.split()][:16]
    mean: np.ndarray[Any, Any] = word_vectors()[words].mean(axis=0)
    mean /= np.linalg.norm(mean)
    return mean


def first_of(text: str) -> "np.ndarray[Any, Any]":
    """The vector of a text whose first word stands for it."""
    return mean_of(text.split(maxsplit=1)[0])


def _model() -> bytes:
    node = _text(1, "table") + _text(1, "input_ids") + _text(2, "words") + _text(4, "Gather")
    table = word_vectors()
    initializer = (
        b"".join(_number(1, n) for n in table.shape)
        + _number(2, _FLOAT)
        + _text(8, "table")
        + _bytes(9, table.tobytes())
    )
    graph = (
        _bytes(1, node)
        + _text(2, "lookup")
        + _bytes(5, initializer)
        + _bytes(11, _value("input_ids", _INT64, ["texts", "tokens"]))
        + _bytes(12, _value("words", _FLOAT, ["texts", "tokens", WIDTH]))
    )
    opset = _text(1, "") + _number(2, 13)
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, opset)


def _value(name: str, kind: int, shape: list[str | int]) -> bytes:
    dims = [_number(1, d) if isinstance(d, int) else _text(2, d) for d in shape]
    tensor = _number(1, kind) + _bytes(2, b"".join(_bytes(1, dim) for dim in dims))
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
