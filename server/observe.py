"""What the operator sees: log lines on standard error, numbers at ``GET /metrics``.

A log line holds an event name and fields such as ids, counts and times; never SQL, a parameter, a
body or a header. That is why a logged exception keeps its class and its frames but not its text:
drivers put values of the caller into it.
"""

import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger
from typing_extensions import override

from catalog.settings import Settings

if TYPE_CHECKING:
    from engine.service.context import Engine

_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})
_LATENCY_BUCKETS_S = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
)
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_frames_of = ExceptionDictTransformer(show_locals=False)


def configure_logging(settings: Settings) -> None:
    """Send every log line of this process, libraries included, to standard error as an event."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _frames_without_values,
    ]
    level = _LEVELS[settings.log_level]
    if settings.log_format == "json":
        structlog.configure(
            processors=[*shared, structlog.processors.JSONRenderer(serializer=_dump)],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
            cache_logger_on_first_use=True,
        )
    else:
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
    logging.basicConfig(handlers=[_ToEvents()], level=max(level, logging.WARNING), force=True)


def _dump(value: EventDict, **_: Any) -> bytes:  # noqa: ANN401 - structlog passes json.dumps options
    return orjson.dumps(value, default=repr)


def _frames_without_values(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    exc_info = event.pop("exc_info", None)
    error = exc_info if isinstance(exc_info, BaseException) else sys.exc_info()[1]
    if exc_info and error is not None:
        stacks = _frames_of((type(error), error, error.__traceback__))
        event["exception"] = [
            {
                "type": stack["exc_type"],
                "frames": [f"{f['filename']}:{f['lineno']} {f['name']}" for f in stack["frames"]],
            }
            for stack in stacks
        ]
    return event


class _ToEvents(logging.Handler):
    """Turns a line of the standard library's logging into an event."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            "library.log",
            logger=record.name,
            text=record.msg if record.args else record.getMessage(),
            exc_info=record.exc_info[1] if record.exc_info else None,
        )


class Metrics:
    """The meters of one server process, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "tidemill_http_requests",
            "Finished requests.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._latency = Histogram(
            "tidemill_http_request_seconds",
            "Seconds from the first byte of a request to the last of its answer.",
            ("method", "route"),
            buckets=_LATENCY_BUCKETS_S,
            registry=self._registry,
        )

    def watch(self, engine: "Engine") -> None:
        """Also report the state of the engine's workers whenever somebody asks."""
        self._registry.register(_WorkerCollector(engine))

    def count(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count one finished request; an unknown method counts as ``OTHER``."""
        method = method if method in _METHODS else "OTHER"
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(method, route).observe(elapsed_s)

    def render(self) -> bytes:
        """Write every meter in the Prometheus text format."""
        return generate_latest(self._registry)


class _WorkerCollector:
    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """Read the pool once per scrape."""
        counts = self._engine.pool.counts
        for name, text, value in (
            ("tidemill_queries_running", "Queries and loads under way.", counts["busy"]),
            ("tidemill_queries_queued", "Queries that wait for a worker.", counts["waiting"]),
            ("tidemill_workers", "Worker processes alive.", counts["idle"] + counts["busy"]),
        ):
            yield GaugeMetricFamily(name, text, value=value)
