"""A model of one's own: ONNX files in a folder of this machine, run by fastembed.

Nothing is downloaded: the folder is given, and fastembed is told so. The model runs in the source
process only, never in the server: what a model file does to a native library ends there.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from connectors.errors import ConnectorError
from connectors.local_paths import check_file, check_path
from engine.embeddings.base import Vectors, check_dimensions, is_blank
from engine.embeddings.provider_config import LocalConfig
from engine.errors import InvalidRequest

# Where tools that convert models put the one file that matters.
_MODEL_FILES = ("model.onnx", "onnx/model.onnx", "model_optimized.onnx")
_NEEDED = ("tokenizer.json", "tokenizer_config.json")
# Attention takes memory by the square of the longest text of a batch.
_BATCH_TEXTS = 32


def check_folder(config: LocalConfig, local_files: Sequence[Path]) -> tuple[Path, str]:
    """Find the model of a configuration without loading it.

    Returns:
        The folder, and the name of the model's file in it.

    Raises:
        InvalidRequest: fastembed is not installed, the folder may not be read, or a file is missing.
    """
    if find_spec("fastembed") is None:
        raise InvalidRequest(
            "Models in a folder need fastembed, which is not installed here:"
            " pip install 'tidemill[fastembed]'"
        )
    assert config.model_path is not None
    try:
        folder = check_path(config.model_path, local_files)
    except ConnectorError as error:
        raise InvalidRequest(f"config.model_path: {error}") from error
    for name in _NEEDED:
        if not _has(folder, name, local_files):
            raise InvalidRequest(f"config.model_path: the folder has no {name}")
    for name in _MODEL_FILES:
        if _has(folder, name, local_files):
            return folder, name
    raise InvalidRequest(f"config.model_path: the folder has none of {', '.join(_MODEL_FILES)}")


class FolderEmbedder:
    """Runs the model of a folder; texts longer than it takes are cut by its tokenizer."""

    texts_at_once = 4 * _BATCH_TEXTS

    def __init__(
        self,
        config: LocalConfig,
        dimensions: int | None,
        local_files: Sequence[Path],
        scratch: Path,
    ) -> None:
        """Load the model.

        Args:
            config: has a ``model_path``.
            dimensions: that the vectors must have.
            local_files: folders that may be read.
            scratch: an empty folder that fastembed may write to.

        Raises:
            InvalidRequest: the model is not there, or cannot be loaded.
        """
        self.dimensions: int | None = None
        self._wanted = dimensions
        self._config = config
        folder, model_file = check_folder(config, local_files)
        try:
            self._model = _open(config, folder, model_file, scratch)
        except (
            Exception
        ) as error:  # onnxruntime and its like raise many kinds, with paths in the text
            raise InvalidRequest(
                f"The model in config.model_path cannot be loaded ({type(error).__name__})"
            ) from error

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of the texts.

        Raises:
            InvalidRequest: the model fails on them, or its vectors have other dimensions than wanted.
        """
        rows = [row for row, text in enumerate(texts) if not is_blank(text)]
        # The width is known from a vector only.
        asked = [texts[row] for row in rows] or ([] if self.dimensions else ["width"])
        try:
            found = np.array(list(self._model.embed(asked, batch_size=_BATCH_TEXTS)), np.float32)
        except Exception as error:  # as above
            raise InvalidRequest(
                f"The model '{self._config.model}' failed ({type(error).__name__})"
            ) from error
        if asked:
            self._check(found, len(asked))
        assert self.dimensions is not None
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        if rows:
            vectors[rows] = found
        return vectors

    def _check(self, found: Vectors, count: int) -> None:
        name = self._config.model
        if found.ndim != 2 or len(found) != count:  # noqa: PLR2004 - rows and columns
            raise InvalidRequest(f"The model '{name}' gives no vector for each text: see pooling")
        if not np.isfinite(found).all():
            raise InvalidRequest(f"The model '{name}' gives vectors that are not finite")
        self.dimensions = check_dimensions(self._wanted, [found.shape[1]], name)


def _has(folder: Path, name: str, local_files: Sequence[Path]) -> bool:
    try:
        check_file(folder / name, local_files)  # a link in the folder may lead out of it
    except ConnectorError:
        return False
    return True


def _open(config: LocalConfig, folder: Path, model_file: str, scratch: Path) -> Any:  # noqa: ANN401 - fastembed has no types of use
    """Load a model under a name of ours, so that fastembed takes these files and no others."""
    from fastembed import TextEmbedding  # noqa: PLC0415 - an extra
    from fastembed.common.model_description import ModelSource, PoolingType  # noqa: PLC0415 - as above
    from loguru import logger  # noqa: PLC0415 - as above

    logger.remove()  # it writes to standard error, with texts
    name = uuid4().hex
    TextEmbedding.add_custom_model(
        model=name,
        pooling=PoolingType[config.pooling.upper()],
        normalization=True,
        sources=ModelSource(url="none:"),  # demanded; never asked, because the folder is given
        dim=1,  # demanded; the vectors say it
        model_file=model_file,
    )
    return TextEmbedding(
        model_name=name,
        cache_dir=str(scratch),
        specific_model_path=str(folder),
        local_files_only=True,
        cuda=False,
    )
