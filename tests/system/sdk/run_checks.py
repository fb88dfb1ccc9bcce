"""Run every check with the SDK that is installed: ``python -m ... HOST TOKEN VERSION FILE``.

Writes one JSON line for each check to standard output: its name, and its traceback if it failed.
"""

import json
import sys
import traceback

from tests.system.sdk import (
    check_connections,
    check_data,
    check_embeddings,
    check_indexes,
    check_queries,
    check_rest,
)
from tests.system.sdk.client import User


def main() -> None:
    host, token, version, duckdb_path = sys.argv[1:]
    user = User(host, token, version, duckdb_path)
    modules = (
        check_connections,
        check_data,
        check_embeddings,
        check_indexes,
        check_queries,
        check_rest,
    )
    for module in modules:
        for name, check in vars(module).items():
            if not name.startswith("check_"):
                continue
            failure = None
            try:
                check(user)
            except Exception:  # noqa: BLE001 - reported by the test that started this process
                failure = traceback.format_exc()
            print(json.dumps({"check": name, "failure": failure}), flush=True)


if __name__ == "__main__":
    main()
