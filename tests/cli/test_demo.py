"""The demo as a newcomer runs it, and the facts it is made of."""

import csv
import itertools
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from server.demo import FACT_FILES, FACTS, QUESTIONS, TPCH_TABLES
from tests.cli.conftest import ROOT, TIMEOUT_S, Run


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
    found = re.search(r"http://127\.0\.0\.1:(\d+)", text)
    assert found is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(found[1]))) != 0


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
        timeout=TIMEOUT_S,
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
