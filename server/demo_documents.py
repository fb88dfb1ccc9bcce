"""The demo's documents: rules for a store of chemicals, uploaded, read, found by meaning, joined with tables."""

import time
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from server.client import Client, ClientError
from server.commands.documents_api import open_documents
from server.commands.documents_board import Board, Stage
from server.commands.documents_upload import find_files, open_dataset, send_files
from server.demo_questions import Question, ask, show_time

DOCUMENTS = Path(__file__).parent / "demo_data" / "documents"
DOCUMENT_TAGS = MappingProxyType(
    {
        "alkali-metals.md": ("Li", "Na", "K", "Rb", "Cs"),
        "cold-gases.md": ("He", "Ne", "Ar", "N"),
        "halogens.md": ("F", "Cl", "Br", "I"),
        "mercury.md": ("Hg",),
        "radioactive-elements.md": ("Ra", "Po", "Th", "U", "Pu", "Am"),
    }
)
"""The elements that a document is about; they are the tags of its entry."""
_SLUG = "handling"
_UPLOADS_AT_ONCE = 4
DOCUMENT_QUESTION = Question(
    "By meaning in documents, joined with tables: $1 = 'which fires may not be put out with water'",
    "SELECT d.title, c.heading, round(c._distance, 3) AS distance, "
    "string_agg(e.name, ', ' ORDER BY e.number) AS elements, max(e.discovered) AS last_found "
    "FROM vector_search('documents.handling.chunks', 'text', $1, 2) c "
    "JOIN documents.handling.entries d ON d.id = c.entry_id "
    "JOIN elements e ON array_has(d.tags, e.symbol) "
    "GROUP BY d.title, c.heading, c._distance ORDER BY c._distance",
    ("which fires may not be put out with water",),
)
DOCUMENT_STEPS = 2


def show_documents(client: Client, console: Console, *, first: int) -> None:
    """Upload the documents, wait until they are processed, and ask.

    Args:
        client: of the demo's server.
        console: where to show it.
        first: the number of the first step.

    Raises:
        ClientError: a document could not be processed.
    """
    console.print(f"\n[bold]{first}. Documents become searchable, and tables of SQL[/bold]")
    started = time.perf_counter()
    documents = open_documents(client, None)
    dataset = open_dataset(documents, _SLUG, preset=None, create=True)
    files = find_files(DOCUMENTS, "*.md")
    for file in files:
        file.metadata = {"tags": DOCUMENT_TAGS[file.slug]}
    board = Board(console, files)
    send_files(documents, dataset["id"], board, concurrency=_UPLOADS_AT_ONCE, waits=True)
    if board.count(Stage.FAILED):
        raise ClientError("A document of the demo could not be processed.")
    elapsed_ms = (time.perf_counter() - started) * 1000
    show_time(console, elapsed_ms, f"{len(files)} documents of dataset '{_SLUG}'")
    ask(client, console, first + 1, DOCUMENT_QUESTION)
