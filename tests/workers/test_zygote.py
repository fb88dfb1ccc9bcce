"""What the process that forks workers has imported."""

import subprocess
import sys

import pytest

_PROGRAM = """
import importlib, sys
from engine.workers import zygote
zygote.import_child(sys.argv[1])
print(*sorted({"pandas", "polars", "rich"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("kind", ["query", "source", "document"])
def test_workers_import_nothing_that_nobody_uses(kind: str) -> None:
    command = [sys.executable, "-c", _PROGRAM, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
