"""The built-in model: what wordllama computes, in any company, without its package being imported."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import errors
from engine.embeddings.wordllama_local import WordEmbedder

_ROOT = Path(__file__).parents[2]
TEXTS = [
    "red running shoes",
    "Ein Fahrrad, blau.",
    "</s> <unk> [PAD]",
    "数据库 🌊",
    "x" * 3000,
    "word " * 20_000,
]
# Prints nothing, opens no socket, and imports neither the package nor what would go out.
_SILENT = """
import logging, socket, sys
def refuse(*_): raise AssertionError("a socket")
socket.socket.connect = refuse
from engine.embeddings.wordllama_local import WordEmbedder
WordEmbedder(None).embed(["hello"])
assert not logging.getLogger().handlers
assert not {"wordllama", "requests", "huggingface_hub"} & sys.modules.keys()
"""


@pytest.mark.parametrize("dimensions", [64, 128, 256])
def test_the_vectors_are_those_of_the_package(dimensions: int) -> None:
    program = f"""
import os, sys, wordllama, numpy as np
model = wordllama.WordLlama.load(
    cache_dir=os.path.dirname(wordllama.__file__), trunc_dim={dimensions}, disable_download=True)
sys.stdout.buffer.write(model.embed({TEXTS!r}, norm=True).tobytes())
"""
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    expected = np.frombuffer(made, np.float32).reshape(len(TEXTS), dimensions)
    found = WordEmbedder(dimensions).embed(TEXTS)
    assert found.dtype == np.float32
    # The package adds 40,000 word vectors up one by one, in 32 bits.
    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_it_is_silent_and_stays_at_home() -> None:
    command = [sys.executable, "-c", _SILENT]
    finished = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_company_does_not_change_a_vector(texts: list[str]) -> None:
    embedder = WordEmbedder(64)
    together = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    np.testing.assert_array_equal(together, alone)
    assert np.isfinite(together).all()


def test_a_blank_text_is_zero_and_every_other_has_length_one() -> None:
    vectors = WordEmbedder(None).embed(["", " \n\t", "a", "?"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [0, 0, 1, 1], atol=1e-6)


def test_meaning_is_near() -> None:
    car, auto, poem = WordEmbedder(None).embed(["a fast car", "a quick automobile", "a sad poem"])
    assert car @ auto > car @ poem


@pytest.mark.parametrize("dimensions", [1, 100, 512])
def test_other_dimensions_are_refused_by_naming_the_possible_ones(dimensions: int) -> None:
    with pytest.raises(
        errors.InvalidRequest, match=f"64 or 128 or 256 dimensions, not {dimensions}"
    ):
        WordEmbedder(dimensions)
