"""Waiting for a server to get somewhere, with an end to the patience."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
import pytest

from tests.patience import PATIENCE_S

T = TypeVar("T")


def wait_for(look: Callable[[], T | None], what: str) -> T:
    """Look again and again until something is there; returns it."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.02)
    pytest.fail(f"waited in vain for {what}")


def wait_for_status(client: httpx.Client, path: str, *statuses: str) -> dict[str, Any]:
    """Poll a run, a result or a job until it has one of these statuses."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(path).raise_for_status().json()
        return found if found["status"] in statuses else None

    return wait_for(look, f"{path} to become {' or '.join(statuses)}")
