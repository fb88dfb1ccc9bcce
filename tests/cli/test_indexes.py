"""``tidemill indexes`` and ``tidemill embedding-providers``: made, listed, deleted, refused."""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console
from typing_extensions import override

from server.client import Client, JobProgress
from server.commands.indexes import build_index
from tests.cli.conftest import Run
from tests.cli.test_commands import assert_one_sentence
from tests.server.running import TOKEN, RunningServer, serving

CONTENT = "id,body\n1,red shoes\n2,blue hat\n3,red hat\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sources")
    with duckdb.connect(str(path / "shop.duckdb")) as database:
        database.execute(
            "CREATE TABLE \"My Items\" AS SELECT i AS id, 'red' AS word FROM range(9) t(i)"
        )
    (path / "fish.csv").write_text(CONTENT)
    return path


@pytest.fixture(scope="module")
def search_server(
    tmp_path_factory: pytest.TempPathFactory, folder: Path
) -> Iterator[RunningServer]:
    data_dir = tmp_path_factory.mktemp("cli-indexes") / "data"
    with serving(data_dir, local_files=folder) as running, running.client() as client:
        config = {"path": str(folder / "shop.duckdb")}
        shop = {"name": "Shop", "source_type": "duckdb", "config": config}
        assert client.post("/v1/connections", json=shop).status_code == 201
        inline = {"format": "csv", "content": CONTENT}
        body = {"label": "Fish", "table_name": "fish", "source": {"inline": inline}}
        assert client.post("/v1/datasets", json=body).status_code == 201
        yield running


@pytest.fixture
def run(tidemill: Run, search_server: RunningServer) -> Run:
    """Runs the command against this module's server."""

    def run(*arguments: object, **more: object) -> Any:
        place = {"url": search_server.url, "api_key": TOKEN}
        return tidemill(*arguments, **{**place, **more})

    return run


def test_an_index_is_made_used_listed_and_deleted(run: Run) -> None:
    made = run("indexes", "create", "fish", "words", "body", "--type", "bm25", "--language", "none")
    assert made.returncode == 0, made.stderr
    assert re.fullmatch(rb"Index 'words' \(bm25\) is built over 3 rows, [\d.]+ kB\.\n", made.stderr)
    assert made.stdout == b""
    sql = "SELECT id FROM bm25_search('fish', 'body', 'red') ORDER BY id"
    assert run("query", sql, "--format", "csv").stdout.split() == [b"id", b"1", b"3"]
    again = run("indexes", "create", "fish", "words", "body")
    assert_one_sentence(again, "Index 'words' already exists on this table")
    listed = run("indexes", "list").stdout.decode()
    assert re.search(r"datasets.main.fish +│ words +│ bm25 +│ body +│ ready +│ +3 │", listed)
    for name in ("fish", "datasets.fish", "main.fish", "Datasets.MAIN.Fish", '"fish"'):
        assert "│ words" in run("indexes", "list", name).stdout.decode()
    assert run("indexes", "delete", "fish", "words").stderr == b"Index 'words' is deleted.\n"
    assert_one_sentence(run("indexes", "delete", "fish", "words"), "Index 'words' not found")
    assert "words" not in run("indexes", "list", "fish").stdout.decode()


def test_a_table_of_a_connection_is_named_as_in_sql(run: Run) -> None:
    table = '"Shop".main."My Items"'
    made = run("indexes", "create", table, "by_id", "id", "word")
    assert made.returncode == 0, made.stderr
    assert b"Index 'by_id' (sorted) is built over 9 rows" in made.stderr
    listed = run("indexes", "list").stdout.decode()
    assert re.search(r'"Shop".main."My Items" +│ by_id +│ sorted', listed)
    assert run("indexes", "delete", table, "by_id").returncode == 0


def test_texts_become_vectors_by_a_named_provider(run: Run) -> None:
    provider = run(
        *("embedding-providers", "create", "short", "local"),
        *("model=wordllama-l2-supercat-256", "dimensions=64", "metric=dot"),
    )
    assert provider.returncode == 0, provider.stderr
    provider_id = provider.stdout.decode().strip()
    assert provider_id.startswith("embp")
    listed = run("embedding-providers", "list").stdout.decode()
    assert listed.index("sys_emb_local") < listed.index(provider_id)
    assert re.search(r"│ short +│ local +│ wordllama-l2-supercat-256 +│ dot +│ no", listed)
    made = run(
        *("indexes", "create", "fish", "meaning", "body", "--type", "vector"),
        *("--provider", "short", "--output-column", "Meaning"),
    )
    assert made.returncode == 0, made.stderr
    assert made.stderr.endswith(b'The vectors are the column "Meaning".\n')
    sql = 'SELECT array_length("Meaning") AS n FROM fish LIMIT 1'
    assert run("query", sql, "--format", "csv").stdout.split() == [b"n", b"64"]
    used = run("embedding-providers", "delete", "short")
    assert run("indexes", "delete", "fish", "meaning").returncode == 0
    assert_one_sentence(used, "short")
    assert run("embedding-providers", "delete", "short").returncode == 0
    gone = run("embedding-providers", "delete", provider_id)
    assert_one_sentence(gone, "no embedding provider", "tidemill embedding-providers list")


def test_the_key_of_a_provider_comes_from_standard_input(
    run: Run, search_server: RunningServer
) -> None:
    options = ("base_url=https://api.example.com/v1", "model=m", "timeout_s=2.5", "batch_size=7")
    made = run(
        *("embedding-providers", "create", "far", "service", *options, "--secret-stdin"),
        stdin=b"canary-key\n",
    )
    assert made.returncode == 0, made.stderr
    with search_server.client() as client:
        path = f"/v1/embedding-providers/{made.stdout.decode().strip()}"
        seen = client.get(path).json()
    assert seen["has_secret"] is True
    assert (seen["config"]["timeout_s"], seen["config"]["batch_size"]) == (2.5, 7)
    assert b"canary" not in made.stdout + made.stderr
    assert re.search(
        r"far +│ service +│ m +│ cosine +│ yes", run("embedding-providers", "list").stdout.decode()
    )
    assert run("embedding-providers", "delete", "far").returncode == 0


def test_what_cannot_be_built_says_why_and_is_listed_as_pending(
    run: Run, search_server: RunningServer
) -> None:
    with search_server.client() as client:
        source = {"sql": "SELECT [1.0, 2.0] AS v UNION ALL SELECT [3.0]"}
        body = {"label": "uneven", "table_name": "uneven", "source": source}
        assert client.post("/v1/datasets", json=body).status_code == 201
    failed = run("indexes", "create", "uneven", "near", "v", "--type", "vector")
    assert_one_sentence(failed)
    reason = failed.stderr.decode().removeprefix("Error: ").strip()
    listed = run("indexes", "list", "uneven")
    assert re.search(r"near +│ vector +│ v +│ pending", listed.stdout.decode())
    assert reason in listed.stderr.decode()
    assert run("indexes", "delete", "uneven", "near").returncode == 0


def test_wrong_arguments_are_explained(run: Run) -> None:
    create = ("indexes", "create")
    assert_one_sentence(run(*create, "none", "x", "id"), "no table 'none'")
    assert_one_sentence(run(*create, "no.such.table", "x", "id"), "no connection 'no'")
    assert_one_sentence(run(*create, "a.b.c.d", "x", "id"), "not the name of a table")
    assert_one_sentence(run(*create, "'fish", "x", "id"), "not the name of a table")
    assert_one_sentence(run(*create, "fish", "x", "none"), "no column 'none'")
    assert_one_sentence(run(*create, "fish", "x y", "id"), "index_name")
    assert_one_sentence(run(*create, "fish", "x", "id", "--type", "tree"), "index_type")
    assert_one_sentence(run(*create, "fish", "x", "id", "--metric", "l2"), "metric")
    assert_one_sentence(run(*create, "fish", "x", "id", "--provider", "no"), "provider 'no'")
    assert_one_sentence(run("indexes", "delete", "fish", "../x"))
    assert_one_sentence(run("indexes", "delete", "fish", ".."), "Index '..' not found")
    assert run(*create, "fish", "x").returncode == 2
    make = ("embedding-providers", "create")
    assert_one_sentence(run(*make, "x", "magic"), "provider_type")
    assert_one_sentence(run(*make, "x", "local", "model"), "key=value")
    assert_one_sentence(run(*make, "x", "local", "model=m", "api_key=k"), "credential")
    assert_one_sentence(run("embedding-providers", "delete", "sys_emb_local"), "system")


def test_the_bar_follows_the_job() -> None:
    class Told(Client):
        @override
        def create_index(
            self, path: str, body: Mapping[str, Any], on_progress: JobProgress | None = None
        ) -> dict[str, Any]:
            assert on_progress is not None
            for progress in (
                {},
                {"texts": 1200, "texts_total": 5000},
                {"texts": 5000, "texts_total": 5000, "rows": 7, "rows_total": 10000},
            ):
                on_progress(progress)
                bars.append(page.file.getvalue())  # type: ignore[attr-defined]
            return {"path": path, **body}

    bars: list[str] = []
    page = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Told("http://127.0.0.1:1", TOKEN) as client:
        made = build_index(client, page, "/v1/x", {"index_name": "x"})
    assert made == {"path": "/v1/x", "index_name": "x"}
    assert isinstance(page.file, io.StringIO)
    shown = page.file.getvalue()
    assert "Indexing" in shown
    assert "7 of 10,000 rows" in shown
