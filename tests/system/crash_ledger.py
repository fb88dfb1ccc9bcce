"""What the clients of the crash test were told, written down before they go on.

Everything has one of three states: there, gone, or unsure, because the server died between request
and answer. Unsure settles at the first look after the restart, and must stay as it was seen.
"""

import json
import os
import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path


class State(Enum):
    UNSURE = auto()
    THERE = auto()
    GONE = auto()


@dataclass
class UploadFact:
    rows: int
    consumed: State = State.GONE


@dataclass
class DatasetFact:
    """``version`` is the least that must be there; a refresh without an answer may have made one more."""

    rows: int
    state: State = State.UNSURE
    id: str | None = None
    version: int = 1


@dataclass
class SavedQueryFact:
    """``sqls[i]`` is version i + 1; ``unsure_sql`` was sent and never confirmed."""

    state: State = State.UNSURE
    id: str | None = None
    sqls: list[str] = field(default_factory=list)
    unsure_sql: str | None = None


@dataclass
class SecretFact:
    """``values``: the one confirmed last, and those sent since."""

    state: State = State.UNSURE
    values: list[str] = field(default_factory=list)


@dataclass
class ResultFact:
    rows: int
    was_ready: bool = False


@dataclass
class RunFact:
    rows: int
    has_succeeded: bool


class Ledger:
    """Every fact, by the name or id the client knows; and the log they are written to."""

    def __init__(self, log: Path) -> None:
        self.uploads: dict[str, UploadFact] = {}
        self.rows_by_upload_size: dict[int, int] = {}
        self.datasets: dict[str, DatasetFact] = {}
        self.jobs: dict[str, str] = {}
        self.saved_queries: dict[str, SavedQueryFact] = {}
        self.secrets: dict[str, SecretFact] = {}
        self.results: dict[str, ResultFact] = {}
        self.runs: dict[str, RunFact] = {}
        self.surprises: list[str] = []
        self.acknowledged = 0
        self._log = log.open("a")
        self._lock = threading.Lock()

    def note(self, what: str, **facts: object) -> None:
        """Write an acknowledgement down; it is on disk when this returns."""
        with self._lock:
            self._log.write(json.dumps({"what": what, **facts}) + "\n")
            self._log.flush()
            os.fsync(self._log.fileno())
            self.acknowledged += 1

    def close(self) -> None:
        self._log.close()
