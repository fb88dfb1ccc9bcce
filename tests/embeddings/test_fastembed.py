"""A model in a folder runs by fastembed, and what is missing is said in a sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import errors
from engine.embeddings import fastembed_local
from engine.embeddings.fastembed_local import FolderEmbedder, check_folder
from engine.embeddings.provider_config import LocalConfig
from tests.embeddings.onnx_model import WIDTH, first_of, mean_of, write_model

TEXTS = ["red shoes", "the blue sea sea", "sea " * 100]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


def open_folder(folder: Path, dimensions: int | None = None, **config: Any) -> FolderEmbedder:
    scratch = folder.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    read = LocalConfig(model="words", model_path=str(folder), **config)
    return FolderEmbedder(read, dimensions, [folder.parent], scratch)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_model_of_ones_own_is_run(folder: Path, pooling: str) -> None:
    embedder = open_folder(folder, pooling=pooling)
    found = embedder.embed(TEXTS)
    vector_of = {"mean": mean_of, "cls": first_of}[pooling]
    np.testing.assert_allclose(found, [vector_of(text) for text in TEXTS], atol=1e-6)
    assert found.dtype == np.float32
    assert embedder.dimensions == WIDTH


def test_the_file_may_lie_where_tools_put_it(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", place="onnx/model.onnx")
    assert open_folder(folder).embed(["sea"]).shape == (1, WIDTH)


def test_blank_texts_are_zero_and_tell_the_width(folder: Path) -> None:
    embedder = open_folder(folder)
    assert not embedder.embed([" ", ""]).any()
    assert embedder.dimensions == WIDTH
    vectors = embedder.embed(["", "sea", ""])
    np.testing.assert_allclose(vectors[1], mean_of("sea"), atol=1e-6)
    assert not vectors[[0, 2]].any()


def test_other_dimensions_than_the_models_are_refused(folder: Path) -> None:
    assert open_folder(folder, WIDTH).embed(["sea"]).shape == (1, WIDTH)
    with pytest.raises(errors.InvalidRequest, match="has 8 dimensions, not 9"):
        open_folder(folder, 9).embed(["sea"])


@pytest.mark.parametrize("gone", ["model.onnx", "tokenizer.json", "tokenizer_config.json"])
def test_a_missing_file_is_named(folder: Path, gone: str) -> None:
    (folder / gone).unlink()
    with pytest.raises(errors.InvalidRequest, match=f"config.model_path: .*{gone}"):
        open_folder(folder)


def test_a_file_that_is_no_model_is_refused_without_its_path(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(errors.InvalidRequest, match="cannot be loaded") as refused:
        open_folder(folder)
    assert str(folder) not in refused.value.message


def test_a_folder_outside_is_refused(folder: Path, tmp_path: Path) -> None:
    read = LocalConfig(model="words", model_path=str(folder))
    for allowed, word in (([], "set TIDEMILL_LOCAL_FILES"), ([tmp_path / "other"], "not below")):
        with pytest.raises(errors.InvalidRequest, match=word):
            check_folder(read, allowed)
    missing = LocalConfig(model="words", model_path=str(tmp_path / "nothing"))
    with pytest.raises(errors.InvalidRequest, match="no such file or folder"):
        check_folder(missing, [tmp_path])


def test_a_link_out_of_the_folders_is_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.onnx"
    (folder / "model.onnx").rename(outside)
    (folder / "model.onnx").symlink_to(outside)
    with pytest.raises(errors.InvalidRequest, match="has none of"):
        open_folder(folder)


def test_without_fastembed_the_command_that_installs_it_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastembed_local, "find_spec", lambda _: None)
    with pytest.raises(errors.InvalidRequest, match=r"pip install 'tidemill\[fastembed\]'"):
        open_folder(folder)
