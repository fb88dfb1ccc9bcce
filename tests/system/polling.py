"""Waiting for a server to get somewhere, with an end to the patience."""

from typing import Any

import httpx

from tests.patience import wait_for


def wait_for_status(client: httpx.Client, path: str, *statuses: str) -> dict[str, Any]:
    """Poll a run, a result or a job until it has one of these statuses."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(path).raise_for_status().json()
        return found if found["status"] in statuses else None

    return wait_for(look, f"{path} to become {' or '.join(statuses)}")
