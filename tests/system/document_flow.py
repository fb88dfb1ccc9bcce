"""Documents over HTTP, from the upload to SQL; for every way to store what they leave behind."""

from dataclasses import dataclass

import httpx

from tests.api_v1.documents import pdf
from tests.api_v1.library import Library

TEXTS = {
    "mill.pdf": pdf("The tide mill grinds barley when the sea goes out."),
    "gauge.md": b"# Gauges\n\nA float in a well writes the level of the water on a drum.",
    "gone.txt": b"A page of barley that nobody keeps.",
}
BY_WORDS = "SELECT entry_id FROM bm25_search('documents.{slug}.chunks', 'text', 'barley', 9)"
JOINED = (
    "SELECT e.name FROM vector_search('documents.{slug}.chunks', 'text', 'grinding grain', 1) c"
    " JOIN documents.{slug}.entries e ON e.id = c.entry_id"
)


@dataclass(frozen=True, slots=True)
class KeptDocuments:
    """What the flow left behind, to be looked for later."""

    dataset_id: int
    slug: str
    mill: int
    gauge: int


def run_document_flow(client: httpx.Client) -> KeptDocuments:
    """Upload files, let the pipeline make text, chunks and vectors of them, rename one, delete one."""
    library = _library(client)
    dataset = library.dataset(preset="general_purpose")
    made = {
        name: library.document(dataset["id"], name, data, name=name)["id"]
        for name, data in TEXTS.items()
    }
    library.call("PATCH", f"/entries/{made['gauge.md']}", json={"name": "Limnigraphs"})
    library.call("DELETE", f"/entries/{made['gone.txt']}")
    return KeptDocuments(dataset["id"], dataset["slug"], made["mill.pdf"], made["gauge.md"])


def check_document_flow(client: httpx.Client, left: KeptDocuments) -> None:
    """See that files, text, chunks and vectors are there, and found through every door."""
    library = _library(client)
    file = library.ask("GET", f"/entries/{left.mill}/download")
    assert file.content == TEXTS["mill.pdf"]
    part = library.ask("GET", f"/entries/{left.mill}/download", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"%PDF")
    body = {"dataset_id": left.dataset_id, "entry_ids": [left.mill, left.gauge]}
    contents = library.call("POST", "/entries/batch/content", json=body)
    assert "grinds barley" in str(contents)
    for query, wanted in (("barly", left.mill), ("limnigraph", left.gauge)):
        (hit,) = library.search(query, dataset_ids=[left.dataset_id])["results"]
        assert hit["entry_id"] == wanted
    (near, *_) = library.chunks(query="grinding grain", dataset_ids=[left.dataset_id])["results"]
    assert near["entry_id"] == left.mill
    assert library.rows(BY_WORDS.format(slug=f'"{left.slug}"')) == [[left.mill]]
    assert library.rows(JOINED.format(slug=f'"{left.slug}"')) == [["mill.pdf"]]


def _library(client: httpx.Client) -> Library:
    client.headers["x-organization-id"] = "1"
    return Library(client)
