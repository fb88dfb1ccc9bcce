"""How the demo asks: the question, its SQL, the answer as a table, and the time it took."""

import time
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from server.client import Client
from server.commands.rows import table_of


@dataclass(frozen=True, slots=True)
class Question:
    """What a person would ask, and the SQL that answers it."""

    text: str
    sql: str
    params: tuple[Any, ...] = ()


def ask(client: Client, console: Console, number: int, question: Question) -> None:
    """Ask, and show the question, its SQL, the answer and the time it took."""
    started = time.perf_counter()
    answer = client.run_query(question.sql, params=question.params)
    elapsed_ms = (time.perf_counter() - started) * 1000
    console.print(f"\n[bold]{number}. {question.text}[/bold]", highlight=False)
    console.print(question.sql, style="dim", markup=False, highlight=False, soft_wrap=True)
    console.print(table_of(answer))
    show_time(console, elapsed_ms, f"{answer['execution_time_ms']} ms in the worker")


def show_time(console: Console, elapsed_ms: float, what: str, through: str = "over HTTP; ") -> None:
    """Show how long something took, and through which door."""
    console.print(f"{elapsed_ms:.0f} ms {through}{what}", style="green", highlight=False)
