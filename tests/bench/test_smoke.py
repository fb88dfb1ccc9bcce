"""Every benchmark runs with tiny sizes, so that its code cannot rot."""

import decimal
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.common import at_least, at_most, median_ratio, percentile
from bench.tpch import compare, read_queries
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
OURS = {"vector_search as text", "vector_search by params", "order by distance"}


def run_quick(name: str, out_folder: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"bench.{name}", "--quick", "--out", str(out_folder)]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    report: dict[str, Any] = json.loads(done.stdout)
    assert report == json.loads((out_folder / f"{name}.json").read_text())
    return report


def goal_names(report: dict[str, Any]) -> set[str]:
    assert all(isinstance(goal["met"], bool) for goal in report["goals"])
    return {goal["goal"].partition(":")[0] for goal in report["goals"]}


@pytest.mark.slow
def test_short_queries_are_measured_against_every_peer(tmp_path: Path) -> None:
    has_roapi = Path(sys.executable).with_name("roapi").exists()
    report = run_quick("http_query", tmp_path, *([] if has_roapi else ["--without-roapi"]))
    targets = {row["target"] for row in report["rows"]}
    assert {"tidemill", "datafusion_in_process", "fastapi_inline", "fastapi_thread"} <= targets
    assert ("roapi_parquet" in targets) is has_roapi
    assert all(row["errors"] == 0 and row["requests"] > 0 for row in report["rows"])
    assert {"point c=1", "SELECT 1 c=8"} <= goal_names(report)
    assert len(report["goals"]) == 3 + has_roapi


@pytest.mark.slow
def test_all_tpch_answers_equal_duckdbs_at_a_small_scale(tmp_path: Path) -> None:
    report = run_quick("tpch", tmp_path)
    assert len(report["rows"]) == 23
    assert [row["difference"] for row in report["rows"][:22] if not row["equal"]] == []


@pytest.mark.slow
def test_large_answers_are_measured_in_both_encodings(tmp_path: Path) -> None:
    report = run_quick("encode", tmp_path)
    assert [row["rows"] for row in report["rows"]] == [20_000, 20_000, 200_000, 200_000]
    assert goal_names(report) == {"json", "arrow"}


@pytest.mark.slow
def test_loads_are_measured_for_every_format(tmp_path: Path) -> None:
    report = run_quick("load", tmp_path)
    measured = [(row["format"], row["target"]) for row in report["rows"]]
    assert len(set(measured)) == 6
    assert {"CSV", "csv", "json", "parquet"} == goal_names(report)


@pytest.mark.slow
def test_syncs_are_measured_against_their_peers(tmp_path: Path) -> None:
    report = run_quick("sync", tmp_path)
    measured = {(row["source"], row["target"]) for row in report["rows"]}
    assert {
        ("postgres", "tidemill"),
        ("postgres", "connectorx_stream"),
        ("postgres", "psycopg_rows"),
        ("duckdb", "duckdb_copy"),
        ("lookup", "copy"),
    } <= measured
    assert {"postgres", "duckdb", "lookup", "aggregate", "discovery / its query"} <= goal_names(
        report
    )


@pytest.mark.slow
def test_listings_are_measured_in_a_small_and_a_large_workspace(tmp_path: Path) -> None:
    report = run_quick("listings", tmp_path)
    assert {row["tables"] for row in report["rows"]} == {20, 200}
    assert len(report["goals"]) == 4


@pytest.mark.slow
def test_searches_are_measured_against_the_peers_that_are_there(tmp_path: Path) -> None:
    report = run_quick("search", tmp_path)
    targets = {(row["part"], row["target"]) for row in report["rows"]}
    assert {
        ("words", "bm25_search"),
        ("vectors", "vector_search as text"),
        ("vectors, 10 % pass", "order by distance"),
        ("numbers, range", "with index"),
    } <= targets
    for peer in ("lancedb", "bm25s", "hnswlib"):
        is_told = f"{peer} is not installed" in report["notes"]
        assert is_told or any(target.startswith(peer) for _, target in targets)
    assert all(row["recall"] >= 0.95 for row in report["rows"] if row["target"] in OURS)


@pytest.mark.slow
def test_postgres_clients_are_measured_against_postgres(tmp_path: Path) -> None:
    report = run_quick("pgwire", tmp_path)
    clients = {"psycopg text", "psycopg binary", "ADBC COPY", "SELECT 1 on 8 connections"}
    if "JDBC is not installed: not measured" not in report["notes"]:
        clients.add("JDBC")
    measured = {(row["client"], row["target"]) for row in report["rows"]}
    expected = {(client, target) for client in clients for target in ("tidemill", "postgres")}
    assert measured == {*expected, ("20 idle", "tidemill")}
    assert len(report["goals"]) == len(clients) + 1


@pytest.mark.slow
def test_flight_is_measured_against_bare_servers(tmp_path: Path) -> None:
    report = run_quick("flight", tmp_path)
    assert [row["way"] for row in report["rows"]] == [
        *("Tidemill", "Tidemill by ADBC", "bare, from memory", "bare, from Parquet"),
        *("tiny: Flight", "tiny: ADBC", "tiny: ADBC, prepared once"),
    ]
    assert goal_names(report) == {"rate / bare, from memory", "rate / bare, from Parquet"}


def test_a_goal_is_met_at_its_bound_and_missed_past_it() -> None:
    assert at_most("latency", 1.5, 1.5).met
    assert not at_most("latency", 1.51, 1.5).met
    assert at_least("rate", 2.5, 2.5).met
    assert not at_least("rate", 2.49, 2.5).met


def test_figures_are_medians_of_rounds() -> None:
    assert percentile([5.0, 1.0, 3.0], 0.5) == 3.0
    assert percentile(list(map(float, range(100))), 0.99) == 99.0
    assert median_ratio([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == 2.0


def test_answers_are_compared_to_1e_9_and_decimals_to_their_last_place() -> None:
    exact = compare([("a", 1.0)], [("a", 1.0 + 1e-12)])
    assert exact.is_equal
    assert exact.is_exact
    rounded = compare([(decimal.Decimal("0.049985"),)], [(0.0499852958,)])
    assert rounded.is_equal
    assert not rounded.is_exact
    assert not compare([(1.0,)], [(1.0 + 1e-8,)]).is_equal
    assert not compare([(decimal.Decimal("0.04998"),)], [(0.0501,)]).is_equal
    assert not compare([("a",)], [("b",)]).is_equal
    assert not compare([(None,)], [(0,)]).is_equal
    assert not compare([], [(1,)]).is_equal


def test_the_fraction_of_query_11_follows_the_scale_factor() -> None:
    assert "* 0.0001\n" in read_queries(1.0)["q11"]
    assert "* 0.01\n" in read_queries(0.01)["q11"]
    assert len(read_queries(1.0)) == 22


@pytest.mark.slow
def test_documents_are_measured_against_the_bare_libraries(tmp_path: Path) -> None:
    report = run_quick("documents", tmp_path)
    assert goal_names(report) == {"pipeline", "scan", "batch", "searches"}
    assert {row["part"] for row in report["rows"]} == {"pipeline", "scan", "batch", "searches"}
