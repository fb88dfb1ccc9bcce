"""What a forked process does with the tasks it is sent: take one, do it, say END, wait for the next.

It never decides to stop: the parent closes the socket or kills the process. Whatever a task raises
becomes one FAILED frame; only a dead process says nothing.
"""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from engine.errors import EngineError
from engine.workers.channel import Channel, ParentGone
from engine.workers.failures import dump_failure
from engine.workers.frames import Kind

TaskT = TypeVar("TaskT")

_REPORT_S = 0.2


def serve_tasks(
    channel: Channel,
    *,
    load: Callable[[bytearray], TaskT],
    do: Callable[[TaskT], None],
    as_engine_error: Callable[[BaseException], EngineError],
    after_task: Callable[[], object] = lambda: None,
) -> None:
    """Say READY, then do one task after the other until the parent hangs up.

    Args:
        channel: to the parent.
        load: reads a task's bytes; it may not raise.
        do: does a task and sends what comes of it, but for END.
        as_engine_error: what the parent hears of what ``do`` raised.
        after_task: called when the parent has the whole answer.
    """
    try:
        channel.send(Kind.READY)
        channel.flush()
        while True:
            _, body = channel.receive()
            _do_or_tell(load(body), channel, do, as_engine_error)
            channel.send(Kind.END)
            channel.flush()
            after_task()
    except ParentGone:
        return


def _do_or_tell(
    task: TaskT,
    channel: Channel,
    do: Callable[[TaskT], None],
    as_engine_error: Callable[[BaseException], EngineError],
) -> None:
    try:
        do(task)
    except ParentGone:
        raise
    except BaseException as error:  # noqa: BLE001 - also Rust panics; the parent hears of all
        channel.send_json(Kind.FAILED, dump_failure(as_engine_error(error)))


class Report(Protocol):
    """Tells the parent how far a task is."""

    def __call__(self, **counts: int) -> None:
        """Send these counts, unless others have just been sent."""


def sparse_report(channel: Channel) -> Report:
    """Make a report that sends five times a second at most."""
    told_at = 0.0

    def report(**counts: int) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at > _REPORT_S:
            told_at = now
            channel.send_json(Kind.PROGRESS, counts)
            channel.flush()

    return report
