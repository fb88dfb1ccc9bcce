"""No hostile statement makes any process of the server open, make or reach what is not its own.

strace watches the server, the zygote and the workers while the statements run. Where strace is
missing or may not attach, the test is skipped; the canary test beside it needs no tool.
"""

import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.patience import PATIENCE_S
from tests.server.running import RunningServer
from tests.system.conftest import StartServer
from tests.system.hostile import HOST, WRITES
from tests.system.polling import wait_for_status

pytestmark = pytest.mark.system

_CALLS = "open,openat,openat2,creat,connect,execve,rename,renameat,renameat2,unlink,unlinkat"
_CALLS += ",mkdir,mkdirat,symlink,symlinkat,link,linkat,truncate"
# `12 openat(AT_FDCWD, "path", FLAGS) = 3`; the second half of an interrupted call names no path.
_CALL = re.compile(r"^\d+ +(\w+)\((.*)$")
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
_CHANGES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")

SPILLING = (
    "SELECT max(s) FROM (SELECT s, row_number() OVER (ORDER BY s DESC) AS n FROM (SELECT x || "
    "repeat('x', 200) AS s FROM generate_series(1, 600000) AS t(x))) WHERE n % 2 = 0"
)
KEPT = "SELECT x, x * 2 AS y FROM generate_series(1, 200000) AS t(x)"


def test_no_file_of_the_host_is_opened(start_server: StartServer, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    data_dir = tmp_path / "data"
    server = start_server(data_dir, query_memory_bytes=256 * 1024 * 1024, workers=2)
    trace = tmp_path / "trace.txt"
    with server.client() as client:
        _make_cars(client)
        with _traced(server, trace):
            for statement in (*WRITES, *HOST):
                response = client.post("/v1/query", json={"sql": statement.sql})
                assert (response.status_code, response.json()["error"]["code"]) in statement.ends
            for sql in (SPILLING, KEPT):
                answer = client.post("/v1/query", json={"sql": sql})
                assert answer.status_code == 200
            wait_for_status(client, f"/v1/results/{answer.json()['result_id']}?limit=0", "ready")
    calls = list(_calls(trace.read_text()))
    changed = {path for call, path, rest in calls if call not in _READS or _CHANGES.search(rest)}
    read = {path for call, path, rest in calls if call in _READS and not _CHANGES.search(rest)}
    own = f"{data_dir}/"
    for folder in ("spill", "staging", "blobs/results"):
        assert any(path.startswith(own + folder) for path in changed), f"nothing in {folder}"
    assert {path for path in changed if not path.startswith((own, "/dev/null"))} == set()
    foreign = {path for path in read if not path.startswith((own, *_INTERPRETER))}
    assert {path for path in foreign if not _KERNEL.match(path)} == set()
    assert not [call for call, _, _ in calls if call in {"connect", "execve"}]


_READS = {"open", "openat", "openat2"}
_INTERPRETER = (
    *{sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()},
    str(Path(__file__).parents[2]),
    *("/usr/lib", "/lib", "/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache"),
)
# The memory and threads of a process, and how many cores there are.
_KERNEL = re.compile(
    r"/proc/(?:\d+|self)/(?:statm|task|cgroup|mountinfo)$|/proc/(?:meminfo|cpuinfo|stat)$|"
    r"/sys/devices/system/cpu/|/sys/fs/cgroup/|/dev/(?:null|urandom)$"
)


def test_a_canary_is_neither_read_nor_written(start_server: StartServer, tmp_path: Path) -> None:
    canary = tmp_path / "canary.csv"
    canary.write_text("secret\ncanary-41f0\n")
    made = tmp_path / "made.csv"
    server = start_server(workers=2)
    statements = [
        f"SELECT * FROM '{canary}'",
        f'SELECT * FROM "{canary}"',
        f"SELECT * FROM read_csv('{canary}')",
        f"SELECT * FROM 'file://{canary}'",
        f"CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{canary}'",
        f"COPY (SELECT 1) TO '{made}'",
        f"COPY (SELECT 1) TO '{canary}'",
        f"EXPLAIN ANALYZE COPY (SELECT 1) TO '{made}'",
    ]
    with server.client() as client:
        for sql in statements:
            for response in (
                client.post("/v1/query", json={"sql": sql}),
                client.post("/v1/datasets", json={"label": "x", "source": {"sql": sql}}),
            ):
                assert response.status_code == 400
                assert "canary-41f0" not in response.text
    assert canary.read_text() == "secret\ncanary-41f0\n"
    assert not made.exists()


def _make_cars(client: httpx.Client) -> None:
    source = {"sql": "SELECT 'fiat' AS name, 29.0 AS mpg"}
    body = {"label": "cars", "table_name": "cars", "source": source}
    assert client.post("/v1/datasets", json=body).status_code == 201


@contextmanager
def _traced(server: RunningServer, trace: Path) -> Iterator[None]:
    """Attach strace to every process of a server; workers forked later are followed."""
    root = psutil.Process(server.process.pid)
    processes = [str(process.pid) for process in (root, *root.children(recursive=True))]
    attach = [word for pid in processes for word in ("-p", pid)]
    tracer = subprocess.Popen(
        ["strace", "-f", "-s", "4096", "-e", f"trace={_CALLS}", "-o", str(trace), *attach],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tracer.stderr is not None
    try:
        for _ in processes:
            line = tracer.stderr.readline()
            if "attach" not in line or "not permitted" in line:
                pytest.skip(f"strace may not attach: {line.strip()}")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=PATIENCE_S)


def _calls(trace: str) -> Iterator[tuple[str, str, str]]:
    """For every path of every call: the call, the path and all arguments."""
    for line in trace.splitlines():
        if found := _CALL.match(line):
            call, arguments = found.groups()
            for path in _PATH.findall(arguments) or [""]:
                yield call, path, arguments
