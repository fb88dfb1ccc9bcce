"""How long a test waits for what must come, and how. Programs of other environments import it too."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 300
"""No speed is tested by it: it only ends what would hang, on a machine many times slower than any."""


def wait_for(look: Callable[[], T | None], what: str) -> T:
    """Look again and again until something is there; returns it."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")
