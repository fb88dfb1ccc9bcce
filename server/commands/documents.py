"""``tidemill documents datasets`` and ``search``: what document datasets there are, and what is in them."""

import re
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from server.client import ClientError
from server.commands.documents_api import Documents
from server.commands.terminal import counted, note, print_whole

_MARKED = re.compile(r"<mark>(.*?)</mark>", re.DOTALL)


def list_datasets(documents: Documents) -> None:
    """Print the document datasets by their slugs."""
    table = Table("Slug", "Name", "Pipeline", "Starts", header_style="bold")
    for name in ("Entries", "Size"):
        table.add_column(name, justify="right")
    for dataset in sorted(documents.list_datasets(), key=lambda known: str(known["slug"])):
        table.add_row(
            dataset["slug"],
            escape(dataset["name"]),
            *_pipeline_words(dataset["pipeline_config"]),
            f"{dataset['entry_count']:,}",
            decimal(dataset["size_bytes"]),
        )
    print_whole(table)


def search_documents(
    documents: Documents, text: str, *, slugs: list[str], mode: str, limit: int
) -> None:
    """Print the entries that are found, the best first, with where the words are in them.

    Args:
        documents: of the cluster.
        text: to search for.
        slugs: of the datasets; none = all.
        mode: ``keyword`` or ``hybrid``.
        limit: entries at most, 1 to 100.

    Raises:
        ClientError: there is no such dataset, or the server refuses.
    """
    datasets = {known["id"]: known["slug"] for known in documents.list_datasets()}
    if unknown := sorted(set(slugs) - set(datasets.values())):
        raise ClientError(f"There is no document dataset '{unknown[0]}'.")
    body: dict[str, Any] = {"query": text, "mode": mode, "limit": limit, "facets": False}
    if slugs:
        body["dataset_ids"] = [number for number, slug in datasets.items() if slug in slugs]
    found = documents.search(body)
    table = Table("Score", "Dataset", "Entry", "Found", header_style="bold")
    for hit in found["results"]:
        table.add_row(
            f"{hit['score']:.3f}",
            datasets.get(hit["dataset_id"], str(hit["dataset_id"])),
            _named(hit),
            _found_in(hit),
        )
    Console().print(table)
    shown, total = len(found["results"]), found["total"]
    words = counted(total, "document")
    note(words if shown == total else f"the first {shown} of {words}; --limit shows more")


def _pipeline_words(config: dict[str, Any] | None) -> tuple[str, str]:
    if config is None:
        return "none", ""
    name = config["preset"] or counted(len(config["steps"]), "step")
    return escape(name), config["trigger"] if config["enabled"] else "disabled"


def _named(hit: dict[str, Any]) -> Text:
    """Show the title of a hit, and its name below when that is another one."""
    named = Text(hit["title"], overflow="fold")
    if hit["name"] != hit["title"]:
        named.append(f"\n{hit['name']}", style="dim")
    return named


def _found_in(hit: dict[str, Any]) -> Text:
    """Show the passage of a hit with its words in bold; its beginning when none is marked."""
    marked: dict[str, str] = hit["highlighted"] or {}
    passage = marked.get("text") or next(iter(marked.values()), "")
    shown = Text(overflow="fold")
    for number, part in enumerate(_MARKED.split(" ".join(passage.split()))):
        shown.append(part, style="bold" if number % 2 else None)
    return shown
