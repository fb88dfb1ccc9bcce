"""The demo's searches: a table of texts is indexed and asked by words, by meaning and by both."""

import time

from rich.console import Console

from server.client import Client
from server.demo_questions import Question, ask, show_time

_TABLE = "element_uses"
_INDEXES = (
    {"index_name": "by_words", "index_type": "bm25", "columns": ["uses"]},
    {"index_name": "by_meaning", "index_type": "vector", "columns": ["uses"]},
)
SEARCH_QUESTIONS = (
    Question(
        "By words (BM25): which elements are in batteries, and since when are they known?",
        "SELECT e.name, e.discovered, round(s.score, 2) AS score, "
        "bm25_highlight(s.uses, 'battery') AS uses "
        "FROM bm25_search('element_uses', 'uses', 'battery', 4) s "
        "JOIN elements e ON e.symbol = s.symbol ORDER BY s.score DESC",
    ),
    Question(
        "By meaning (vectors): what are $1 = 'rings and necklaces' made of?",
        "SELECT e.name, e.atomic_mass, round(s._distance, 3) AS distance, s.uses "
        "FROM vector_search('element_uses', 'uses', $1, 4) s "
        "JOIN elements e ON e.symbol = s.symbol ORDER BY s._distance",
        ("rings and necklaces",),
    ),
    Question(
        "By both (hybrid): radiation, and the countries whose names the elements have",
        "SELECT e.name, round(s.score, 4) AS score, s.uses, "
        "coalesce(string_agg(c.name, ', '), '') AS named_after "
        "FROM hybrid_search('element_uses', 'uses', 'uses', 'deadly radiation of radioactive metal', 5) s "
        "JOIN elements e ON e.symbol = s.symbol LEFT JOIN element_names n ON n.symbol = e.symbol "
        "LEFT JOIN countries c ON c.iso2 = n.iso2 GROUP BY e.name, s.score, s.uses "
        "ORDER BY s.score DESC",
    ),
)
SEARCH_STEPS = len(SEARCH_QUESTIONS) + 1


def show_searches(client: Client, console: Console, *, first: int) -> None:
    """Index what elements are used for, and search it.

    Args:
        client: of the demo's server.
        console: where to show it.
        first: the number of the first step.
    """
    console.print(f"\n[bold]{first}. Texts become searchable in SQL[/bold]")
    known = client.send("GET", "/v1/datasets", params={"limit": 1000}).json()["datasets"]
    dataset_id = next(each["id"] for each in known if each["table_name"] == _TABLE)
    path = f"/v1/datasets/{dataset_id}/indexes"
    there = {each["index_name"] for each in client.send("GET", path).json()["indexes"]}
    for order in _INDEXES:
        if order["index_name"] not in there:
            started = time.perf_counter()
            made = client.send("POST", path, json=order).json()
            what = (
                f"index {made['index_name']} ({made['index_type']}) over {made['row_count']} rows"
            )
            show_time(console, (time.perf_counter() - started) * 1000, what)
    for number, question in enumerate(SEARCH_QUESTIONS, start=first + 1):
        ask(client, console, number, question)
