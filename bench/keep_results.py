"""A second client, in a process of its own: one large result after the other, until stdin closes.

Prints one line when the first result is kept, and at the end the number of results.
"""

import os
import select
import sys

from bench.service import Service

_POLL_S = 0.02


def main() -> None:
    service, sql, kept = Service(os.getpid(), int(sys.argv[1])), sys.argv[2], 0
    while not _is_over(0):
        answer = service.call("POST", "/v1/query", {"sql": sql, "async": True})
        run = {"status": "running"}
        while run["status"] == "running" and not _is_over(_POLL_S):
            run = service.call("GET", f"/v1/query-runs/{answer['query_run_id']}")
        assert run["status"] in {"running", "succeeded"}, run
        kept += run["status"] == "succeeded"
        if kept == 1:
            print(flush=True)
    print(kept)


def _is_over(timeout_s: float) -> bool:
    return bool(select.select([sys.stdin], [], [], timeout_s)[0])


if __name__ == "__main__":
    main()
