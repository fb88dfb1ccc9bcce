"""The command line as people use it: a process, its output, its exit code."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from typing_extensions import override

from server.client import Client
from server.commands.rows import print_query
from tests.cli.conftest import ROOT, Finished, Run
from tests.patience import PATIENCE_S
from tests.server.running import TOKEN, RunningServer, serving


def assert_one_sentence(finished: Finished, *words: str) -> None:
    text = finished.stderr.decode()
    assert finished.returncode == 1, text
    assert text.startswith("Error: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    for word in words:
        assert word in text


def test_help_and_version_name_every_command(tidemill: Run) -> None:
    finished = tidemill("--help")
    text = finished.stdout.decode()
    assert finished.returncode == 0
    for command in (
        "serve",
        "query",
        "upload",
        "connection",
        "documents",
        "indexes",
        "embedding-providers",
        "token",
        "secrets",
        "settings",
        "demo",
    ):
        assert command in text
    assert tidemill("-h").stdout == finished.stdout
    assert b"--table" in tidemill("upload", "-h").stdout
    assert tidemill("--version").stdout.startswith(b"tidemill ")


def test_help_does_not_load_the_engine(tidemill: Run) -> None:
    loaded = tidemill("--help").stderr + _imports_of_help()
    assert b"typer" in loaded
    for heavy in (b"fastapi", b"uvicorn", b"datafusion", b"duckdb", b"polars", b"pyarrow"):
        assert heavy not in loaded
    for heavy in (b"sqlalchemy", b"pydantic_settings"):
        assert heavy not in loaded


def _imports_of_help() -> bytes:
    program = "import sys, server.cli; print(*sys.modules, file=sys.stderr)"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stderr


def test_a_query_is_printed_as_a_table_with_a_note_about_its_size(online: Run) -> None:
    finished = online("query", "SELECT * FROM (VALUES (1, NULL), (2, '[b]')) AS t(number, word)")
    text = finished.stdout.decode()
    assert finished.returncode == 0, finished.stderr
    assert "number" in text
    assert "null" in text
    assert "[b]" in text  # no markup is read in data
    assert b"2 rows, " in finished.stderr


def test_a_table_shows_only_the_first_rows(online: Run) -> None:
    finished = online("query", "SELECT value FROM generate_series(1, 100000)", "--rows", "3")
    assert b"the first 3 of 100000 rows" in finished.stderr
    assert finished.stdout.count(b"\n") < 10


def test_json_csv_and_arrow_go_to_standard_output_whole(online: Run) -> None:
    sql = "SELECT 7 AS a, 'x' AS b"
    answer = json.loads(online("query", sql, "--format", "json").stdout)
    assert (answer["columns"], answer["rows"]) == (["a", "b"], [[7, "x"]])
    assert online("query", sql, "--format", "csv").stdout.splitlines() == [b"a,b", b"7,x"]
    table = pa.ipc.open_stream(online("query", sql, "--format", "arrow").stdout).read_all()
    assert table.to_pylist() == [{"a": 7, "b": "x"}]


def test_an_interrupt_stops_the_query_on_the_server_too(cli_server: RunningServer) -> None:
    sql = "SELECT count(*) FROM generate_series(1, 10000000) a, generate_series(1, 10000000) b"
    environment = {**os.environ, "TIDEMILL_URL": cli_server.url, "TIDEMILL_API_KEY": TOKEN}
    command = [sys.executable, "-m", "server.cli", "query", sql]
    with (
        cli_server.client() as client,
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process,
    ):
        run_id = _wait_for_run_of(client, sql)
        process.send_signal(signal.SIGINT)
        _, noise = process.communicate(timeout=PATIENCE_S)
        assert process.returncode not in {0, None}
        assert b"Traceback" not in noise
        assert client.get(f"/v1/query-runs/{run_id}").json()["status"] == "cancelled"


def test_an_interrupt_while_the_query_is_being_submitted_stops_it_too(
    cli_server: RunningServer,
) -> None:
    run_ids = []

    class Interrupted(Client):
        @override
        def run_query(self, sql: str, **options: Any) -> dict[str, Any]:
            signal.raise_signal(signal.SIGINT)
            submitted = super().run_query(sql, **options)
            run_ids.append(submitted["query_run_id"])
            return submitted

    before = signal.getsignal(signal.SIGINT)
    sql = "SELECT count(*) FROM generate_series(1, 10000000) a, generate_series(1, 10000001) b"
    with Interrupted(cli_server.url, TOKEN) as client:
        with pytest.raises(KeyboardInterrupt):
            print_query(client, sql, encoding="table", rows_max=1)
        run = client.send("GET", f"/v1/query-runs/{run_ids[0]}").json()
    assert run["status"] == "cancelled"
    assert signal.getsignal(signal.SIGINT) is before


def _wait_for_run_of(client: httpx.Client, sql: str) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        runs = client.get("/v1/query-runs", params={"status": "running"}).json()["query_runs"]
        for run in runs:
            if run["sql_text"] == sql:
                return str(run["id"])
    raise AssertionError("the query did not start")


def test_sql_may_come_from_standard_input(online: Run) -> None:
    finished = online("query", "-", "--format", "csv", stdin=b"SELECT 1 AS one")
    assert finished.stdout.splitlines() == [b"one", b"1"]


@pytest.mark.parametrize("encoding", ["table", "json", "csv", "arrow"])
def test_a_failing_query_is_one_sentence_in_every_format(online: Run, encoding: str) -> None:
    finished = online("query", "SELECT * FROM nowhere", "--format", encoding)
    assert_one_sentence(finished, "nowhere")
    assert finished.stdout == b""


def test_an_uploaded_file_is_a_table_named_like_it(online: Run, tmp_path: Path) -> None:
    path = tmp_path / "Small Cars.csv"
    path.write_text("name,doors\nMini,3\nPolo,5\n")
    finished = online("upload", path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == b"datasets.main.small_cars\n"
    counted = online("query", "SELECT sum(doors) AS n FROM small_cars", "--format", "csv")
    assert counted.stdout.splitlines() == [b"n", b"8"]


def test_the_table_and_the_format_of_an_upload_can_be_chosen(online: Run, tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_text('{"a": 1}\n{"a": 2}\n')
    finished = online("upload", path, "--table", "chosen", "--format", "json")
    assert finished.stdout == b"datasets.main.chosen\n"
    assert_one_sentence(online("upload", path, "--table", "chosen", "--format", "json"), "chosen")


def test_a_mixed_case_name_is_printed_as_sql_needs_it(online: Run, tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_text("a\n1\n\n")
    name = online("upload", path, "--table", "Mixed").stdout.decode().strip()
    assert name == 'datasets.main."Mixed"'
    counted = online("query", f"SELECT count(*) AS n FROM {name}", "--format", "csv")
    assert counted.stdout.splitlines() == [b"n", b"2"]


def test_a_file_that_is_no_table_is_one_sentence(online: Run, tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"not a parquet file at all")
    assert_one_sentence(online("upload", path))


def test_a_wrong_usage_is_exit_code_2(tidemill: Run) -> None:
    for arguments in (("query",), ("nonsense",), ("upload", "/does/not/exist"), ("serve", "--x")):
        finished = tidemill(*arguments)
        assert finished.returncode == 2, arguments
        assert b"Traceback" not in finished.stderr


def test_an_absent_server_and_an_absent_token_are_explained(tidemill: Run, tmp_path: Path) -> None:
    with socket.socket() as reserved:  # bound, never listening: a connection is refused
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        finished = tidemill("query", "SELECT 1", url=url, api_key="tm_x")
    assert_one_sentence(finished, "No server answers", "tidemill serve")
    finished = tidemill("query", "SELECT 1", "--data-dir", tmp_path)
    assert_one_sentence(finished, "No API token", "TIDEMILL_API_KEY")


def test_a_wrong_token_is_explained(online: Run) -> None:
    assert_one_sentence(online("query", "SELECT 1", api_key="tm_wrong"), "token")


def test_a_bad_setting_is_named_without_its_value(tidemill: Run) -> None:
    finished = tidemill("settings", query_timeout_s="soon")
    assert_one_sentence(finished, "TIDEMILL_QUERY_TIMEOUT_S")
    assert b"soon" not in finished.stderr


def test_settings_are_printed_and_secrets_masked(tidemill: Run) -> None:
    finished = tidemill(
        "settings",
        api_key="tm_hidden",
        catalog_url="postgresql://u:hidden@h/d",
        cors_origins="https://a.example,https://b.example",
        workers=3,
    )
    text = finished.stdout.decode()
    assert "hidden" not in text
    assert "# TIDEMILL_API_KEY=********" in text
    assert "\nTIDEMILL_WORKERS=3\n" in text
    assert "TIDEMILL_CORS_ORIGINS=https://a.example,https://b.example" in text


def test_tokens_are_made_listed_used_and_revoked_beside_a_running_server(
    tidemill: Run, online: Run, cli_folder: Path
) -> None:
    folder = cli_folder
    made = tidemill("token", "create", "laptop", "--data-dir", folder)
    assert made.returncode == 0, made.stderr
    secret = made.stdout.decode().strip()
    assert secret.startswith("tm_")
    assert online("query", "SELECT 1", api_key=secret).returncode == 0
    listed = tidemill("token", "list", "--data-dir", folder).stdout.decode()
    assert "laptop" in listed
    assert secret not in listed
    assert tidemill("token", "revoke", "laptop", "--data-dir", folder).returncode == 0
    assert_one_sentence(tidemill("token", "revoke", "laptop", "--data-dir", folder), "laptop")


def test_a_workspace_is_chosen_when_the_token_sees_several(tidemill: Run, tmp_path: Path) -> None:
    path = tmp_path / "fish.csv"
    path.write_text("name\nCod\n")
    with serving(tmp_path / "data") as server, server.client() as client:
        made = client.post("/v1/workspaces", json={"name": "second"}).json()["workspace"]
        place = {"url": server.url, "api_key": TOKEN}
        for encoding in ("table", "csv"):
            finished = tidemill("query", "SELECT 1", "--format", encoding, **place)
            assert_one_sentence(finished, "--workspace", "TIDEMILL_WORKSPACE")
        assert_one_sentence(tidemill("upload", path, **place), "--workspace")
        chosen = ("--workspace", made["public_id"])
        assert tidemill("upload", path, *chosen, **place).returncode == 0
        asked = ("query", "SELECT name FROM fish", "--format", "csv")
        assert tidemill(*asked, *chosen, **place).stdout.split() == [b"name", b"Cod"]
        place["workspace"] = made["public_id"]
        assert tidemill(*asked, **place).stdout.split() == [b"name", b"Cod"]
        place["workspace"] = "work_unknown"
        assert_one_sentence(tidemill(*asked, **place), "Workspace")


def test_a_list_of_tokens_shows_whole_ids_on_a_narrow_page(tidemill: Run, tmp_path: Path) -> None:
    made = tidemill("token", "create", "a name that is rather long " * 3, "--data-dir", tmp_path)
    identifier = made.stderr.decode().split()[1]
    listed = tidemill("token", "list", "--data-dir", tmp_path)  # piped: 80 columns
    assert identifier in listed.stdout.decode()
    assert "…" not in listed.stdout.decode()


def test_secrets_are_rotated(tidemill: Run, tmp_path: Path) -> None:
    finished = tidemill("secrets", "rotate", "--data-dir", tmp_path / "data")
    assert finished.returncode == 0, finished.stderr
    assert b"0 secrets encrypted" in finished.stderr
    assert len((tmp_path / "data" / "secret-keys").read_text().split()) == 2


def test_serve_refuses_a_port_and_a_folder_in_use(
    tidemill: Run, cli_server: RunningServer, cli_folder: Path
) -> None:
    port = cli_server.url.rpartition(":")[2]
    finished = tidemill("serve", "--port", port)
    assert_one_sentence(finished, f"Cannot listen on 127.0.0.1:{port}")
    finished = tidemill("serve", "--port", "0", "--data-dir", cli_folder)
    assert_one_sentence(finished, "Another server is using this data folder")


def test_serve_explains_a_catalog_that_is_away(tidemill: Run, tmp_path: Path) -> None:
    with socket.socket() as reserved:  # bound, never listening: a connection is refused
        reserved.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://u:hidden@127.0.0.1:{reserved.getsockname()[1]}/d"
        finished = tidemill("serve", "--port", "0", "--data-dir", tmp_path, catalog_url=url)
    assert_one_sentence(finished, "catalog")
    assert b"hidden" not in finished.stderr
