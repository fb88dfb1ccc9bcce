"""The labelled set for the quality of search: short documents, and questions with the right ones.

The invariant: documents were written without regard to any model, and questions as a user would ask. A third
of them has the words of the document, a third a misspelled one, a third other words.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "quality"
KINDS = ("keyword", "typo", "paraphrase")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, the stems of the documents that answer it, and one of ``KINDS``."""

    query: str
    relevant: tuple[str, ...]
    kind: str


@cache
def load() -> tuple[dict[str, str], list[Question]]:
    """Return the documents as Markdown by their stem, in the order of these, and the questions."""
    paths = sorted((_FOLDER / "documents").glob("*.md"))
    documents = {path.stem: path.read_text(encoding="utf-8") for path in paths}
    entries = json.loads((_FOLDER / "questions.json").read_text(encoding="utf-8"))
    questions = [Question(**{**entry, "relevant": tuple(entry["relevant"])}) for entry in entries]
    return documents, questions
