"""From a specification to the embedder it means; only the process that runs it imports its library."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.embeddings.base import Embedder, EmbedderSpec
from engine.embeddings.fastembed_local import FolderEmbedder
from engine.embeddings.provider_config import read_local
from engine.embeddings.service import BlockingService
from engine.embeddings.wordllama_local import WordEmbedder


@contextmanager
def open_embedder(spec: EmbedderSpec, scratch: Path) -> Iterator[Embedder]:
    """Open an embedder for the time of the block.

    Args:
        spec: which one.
        scratch: an empty folder for what a library writes.

    Raises:
        InvalidRequest: it cannot be used so.
    """
    if spec.provider_type == "service":
        with BlockingService(spec) as service:
            yield service
        return
    config = read_local(spec.config)
    dimensions = spec.dimensions or config.dimensions
    if config.is_built_in:
        yield WordEmbedder(dimensions)
    else:
        yield FolderEmbedder(config, dimensions, tuple(map(Path, spec.local_files)), scratch)
