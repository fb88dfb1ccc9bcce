"""What a worker may ask while it works, and the parent's answers: tables, and vectors of texts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import orjson

from engine.workers.frames import Kind
from engine.workers.pure_data import dump_data, load_data
from engine.workers.tasks import EmbeddingBinding, TableBinding

Resolve = Callable[[tuple[str, ...]], Awaitable[Sequence[TableBinding]]]
Embed = Callable[[EmbeddingBinding, str], Awaitable[Sequence[float]]]

QUESTIONS = frozenset({Kind.ASK, Kind.EMBED})


async def _knows_nothing(_name: tuple[str, ...]) -> Sequence[TableBinding]:
    return ()


async def _embeds_nothing(how: EmbeddingBinding, _text: str) -> Sequence[float]:
    return [0.0] * how.width


@dataclass(frozen=True, slots=True)
class Answers:
    """How to find the table of a name, and how to embed a text.

    A task that only plans needs a vector of the right width, and nobody looks at its distances.
    """

    resolve: Resolve = _knows_nothing
    embed: Embed = _embeds_nothing

    async def to(self, question: Kind, body: bytes) -> tuple[Kind, bytes]:
        """Answer one question with one frame."""
        asked = orjson.loads(body)
        if question is Kind.ASK:
            return Kind.TABLES, dump_data(await self.resolve(tuple(asked["name"])))
        how = load_data(EmbeddingBinding, asked["how"])
        return Kind.VECTOR, orjson.dumps([*await self.embed(how, asked["text"])])


NO_ANSWERS = Answers()
