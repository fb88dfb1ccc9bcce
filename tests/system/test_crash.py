"""Eight writers, a server that is killed again and again: nothing acknowledged is ever lost."""

import random
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.patience import PATIENCE_S
from tests.server.running import RunningServer, server_command, server_environment, serving
from tests.system.crash_checks import Checker, check_secret_values, wait_for_clean_blobs
from tests.system.crash_ledger import Ledger
from tests.system.crash_writers import Writers, seeded

pytestmark = [pytest.mark.crash, pytest.mark.system]

_SURPRISE = re.compile(r'"exception"|Traceback|panicked')
# A job is killed with its server more often here than in the worst of lives.
_SETTINGS = {"JOB_ATTEMPTS_MAX": 100, "JOB_POLL_S": 0.1}


def test_nothing_acknowledged_is_lost_and_nothing_is_half_visible(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = request.config.getoption("--kills")
    seed = request.config.getoption("--crash-seed") or random.SystemRandom().randrange(2**32)
    print(f"to repeat: pytest -m crash --kills {kills} --crash-seed {seed}")
    rng = seeded(seed)
    data_dir, ledger = tmp_path / "data", Ledger(tmp_path / "acknowledged.jsonl")
    checker = Checker(ledger)
    try:
        for _ in range(kills):
            if rng.random() < 0.2:
                _kill_during_start(data_dir, after_s=rng.uniform(0.1, 1.5))
            with _restarted(data_dir) as server:
                with server.client() as client:
                    checker.check(client)
                writers = Writers(server.url, ledger, rng)
                time.sleep(rng.uniform(0.05, 2.0))
                _kill(server)
                writers.join()
        collecting = _restarted(data_dir, BLOB_GRACE_S=1, BLOB_GC_INTERVAL_S=1)
        with collecting as server, server.client() as client:
            checker.check(client)
            wait_for_clean_blobs(data_dir, timeout_s=PATIENCE_S)
            checker.check(client, whole=True)
        check_secret_values(ledger, data_dir)
    finally:
        ledger.close()
    print(f"{kills} kills, {ledger.acknowledged} acknowledgements")


@contextmanager
def _restarted(data_dir: Path, **settings: object) -> Iterator[RunningServer]:
    """A server over the same folder that logs no surprise while it lives."""
    with serving(data_dir, **_SETTINGS, **settings) as server:
        with server.client() as client:
            assert client.get("/health").status_code == 200
        yield server
    surprises = [n for n, line in enumerate(server.log) if _SURPRISE.search(line)]
    assert not surprises, "".join(server.log[surprises[0] :][:50])


def _kill(server: RunningServer) -> None:
    """Kill the server alone; what it forked must end by itself."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert children
    server.process.kill()
    server.process.wait()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert not alive, f"outlived the server: {alive}"


def _kill_during_start(data_dir: Path, *, after_s: float) -> None:
    with subprocess.Popen(
        server_command(), env=server_environment(data_dir, _SETTINGS), stderr=subprocess.DEVNULL
    ) as process:
        time.sleep(after_s)
        process.kill()
