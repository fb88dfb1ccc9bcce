"""Run every benchmark, or the named ones: tables on stderr, one JSON object each on stdout.

A failure of one does not stop the others; the exit code tells.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from bench.common import OUT_FOLDER, ROOT

_NAMES = (
    *("http_query", "tpch", "encode", "load", "sync", "listings", "search"),
    *("pgwire", "flight", "documents"),
)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_NAMES)}")
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--out", type=Path, default=OUT_FOLDER)
    chosen = arguments.parse_args()
    failed = 0
    for name in chosen.names or _NAMES:
        # A process of its own: what one benchmark leaves in memory must not slow down the next.
        command = [sys.executable, "-m", f"bench.{name}", "--out", str(chosen.out.absolute())]
        failed += subprocess.run(
            [*command, *(["--quick"] if chosen.quick else [])], cwd=ROOT, check=False
        ).returncode
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
