"""What the documents say is what the program does: their examples run, their links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from server.commands.settings_text import markdown_lines
from tests.patience import PATIENCE_S
from tests.server.running import TOKEN, serving

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md") for path in ROOT.glob(pattern)
)
_LINK = re.compile(r"\]\((?!https?://)([^)#]+)\)")


def blocks(marker: str) -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(rf"<!-- {marker} -->\n```\w+\n(.*?)```", text, re.DOTALL))


@pytest.fixture
def tour_folder(tmp_path: Path) -> Path:
    """A folder like the clone after ``make serve``: data, facts, and the command on the PATH."""
    (tmp_path / "tidemill-data").mkdir()
    (tmp_path / "tidemill-data" / "api-key").write_text(TOKEN)
    (tmp_path / "server").symlink_to(ROOT / "server")
    command = tmp_path / "bin" / "tidemill"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m server.cli "$@"\n'
    )
    command.chmod(0o755)
    return tmp_path


def run_commands(commands: str, folder: Path, url: str) -> "subprocess.CompletedProcess[str]":
    """Run commands as a reader does, with ``tidemill`` on the path and a server to speak to."""
    return subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=commands,
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "TIDEMILL_URL": url,
            "TIDEMILL_DATA_DIR": str(folder / "tidemill-data"),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.system
@pytest.mark.skipif(shutil.which("curl") is None, reason="the tour is told with curl")
def test_the_tour_of_the_readme_prints_what_it_says(tour_folder: Path) -> None:
    with serving(tour_folder / "real") as server:
        commands = blocks("tour").replace("http://127.0.0.1:8000", server.url)
        finished = run_commands(commands, tour_folder, server.url)
    assert finished.returncode == 0, finished.stderr
    assert '"error"' not in finished.stdout
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for said in (
        '"table_name":"elements","status":"ready"',
        '"rows":[["Ds","Darmstadtium",281.0],["Rg","Roentgenium",282.0],["Cn","Copernicium",285.0]]',
        "symbol,name,atomic_mass\nDs,Darmstadtium,281.0\n",
        "datasets.main.countries\n",
        "│ Asia          │ 4746571000 │",
        "│ La     │ Makes lenses of cameras and <b>batteries</b> of hybrid cars        │",
        "│ Handling alkali metals │ Fire    │        6 │       1939 │",
    ):
        assert said in finished.stdout
        assert said in readme


@pytest.mark.system
def test_the_client_example_of_the_readme_runs(tour_folder: Path) -> None:
    pytest.importorskip("hotdata", reason="the example uses the client from PyPI")
    with serving(tour_folder / "real") as server, server.client() as client:
        content = (ROOT / "server/demo_data/elements.csv").read_text()
        source = {"inline": {"format": "csv", "content": content}}
        made = client.post("/v1/datasets", json={"label": "Elements", "source": source})
        assert made.status_code == 201, made.text
        finished = subprocess.run(
            [sys.executable, "-c", blocks("sdk").replace("http://127.0.0.1:8000", server.url)],
            cwd=tour_folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "['category', 'n'] 11\n"


@pytest.mark.system
def test_the_examples_of_the_page_on_search_run(tour_folder: Path) -> None:
    page = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"<!-- search -->\n```sh\n(.*?)```", page, re.DOTALL)
    statements = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    assert len(statements) > 5
    with serving(tour_folder / "real") as server, server.client() as client:
        made = run_commands(commands, tour_folder, server.url)
        assert made.returncode == 0, made.stderr
        plans = ""
        for sql in statements:
            answer = client.post("/v1/query", json={"sql": sql})
            assert answer.status_code == 200, (sql, answer.text)
            assert answer.json()["rows"], sql
            plans += answer.text if sql.startswith("EXPLAIN") else ""
    for said in ("by vector index meaning", "by sorted index by_mass"):
        assert said in plans
        assert said in page


@pytest.mark.system
@pytest.mark.skipif(shutil.which("curl") is None, reason="the page is told with curl")
def test_the_examples_of_the_page_on_documents_run(tour_folder: Path) -> None:
    page = (ROOT / "docs" / "documents.md").read_text(encoding="utf-8")
    commands = "\n".join(re.findall(r"<!-- documents -->\n```sh\n(.*?)```", page, re.DOTALL))
    statements = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    assert len(statements) > 5
    with serving(tour_folder / "real") as server, server.client() as client:
        told = commands.replace("http://127.0.0.1:8000", server.url)
        told += "\ntidemill upload server/demo_data/elements.csv\n"
        finished = run_commands(told, tour_folder, server.url)
        assert finished.returncode == 0, finished.stderr
        assert '"detail"' not in finished.stdout
        for said in ('"preset":"general_purpose"', "<mark>thermometer</mark>", "a person faints"):
            assert said in finished.stdout
        for sql in statements:
            answer = client.post("/v1/query", json={"sql": sql})
            assert answer.status_code == 200, (sql, answer.text)
            assert answer.json()["rows"], sql


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_document_lead_to_files(path: Path) -> None:
    for target in _LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_a_document_names_exists(path: Path) -> None:
    known = "\n".join(markdown_lines())
    for name in re.findall(r"TIDEMILL_[A-Z0-9_]+", path.read_text(encoding="utf-8")):
        # "TIDEMILL_S3_*" names a family.
        assert f"`{name}`" in known or (name.endswith("_") and f"`{name}" in known), name


def test_the_page_of_settings_is_what_the_program_prints() -> None:
    assert (ROOT / "docs" / "settings.md").read_text().endswith("\n".join(markdown_lines()) + "\n")


def test_every_file_the_architecture_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:catalog|connectors|engine|server)/[\w/]+\.py)`", text))
    assert len(named) > 30
    for name in named:
        assert (ROOT / name).exists(), name
