"""What the commands show on a terminal while they wait, and how they count and quote."""

import getpass
import sys

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

_WIDTH_MAX = 1000


def job_bar(console: Console) -> Progress:
    """A bar for a job: what it does, how far it is, what is ``done`` in words, how long it takes.

    It vanishes at the end, and never shows where there is no terminal.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def counted(number: int, noun: str) -> str:
    """Write a number with its noun.

    >>> counted(1, "row"), counted(15000, "row")
    ('1 row', '15,000 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def sql_name(name: str) -> str:
    """Quote a name where SQL would not read it as it is.

    >>> sql_name("shop"), sql_name("My-DB")
    ('shop', '"My-DB"')
    """
    is_plain = name.isidentifier() and name.isascii() and name == name.lower()
    return name if is_plain else '"{}"'.format(name.replace('"', '""'))


def read_secret(prompt: str) -> str:
    """Read one line from standard input; ask for it on a terminal, without showing it."""
    if sys.stdin.isatty():
        return getpass.getpass(f"{prompt}: ")
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def print_whole(table: Table) -> None:
    """Print a table without cutting anything: half an id, or half a name, cannot be copied."""
    for column in table.columns:
        column.no_wrap = True
    console = Console()
    needed = Measurement.get(console, console.options.update(max_width=_WIDTH_MAX), table).maximum
    console.width = max(console.width, needed)
    console.print(table)


def note(text: str) -> None:
    """Say something to the person, beside the answer."""
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)
