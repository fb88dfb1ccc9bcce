"""What a person sees while a folder is uploaded: a live table of stages, and a line for each finished file.

Without a terminal there are the lines alone. The trap: threads change the files while they are drawn, so
drawing only reads, and nothing is counted that was not looked at in this very drawing.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from server.commands.terminal import counted

_REFRESHES_PER_S = 8
_LINES_AROUND = 6
_ROWS_MIN = 3


class Stage(StrEnum):
    """Where a file is; what comes after ``PROCESSING`` is an end."""

    WAITING = "waiting"
    UPLOADING = "uploading"
    PROCESSING = "processing"
    PROCESSED = "processed"
    UPLOADED = "uploaded"
    UNCHANGED = "unchanged"
    FAILED = "failed"


_MOVING = (Stage.UPLOADING, Stage.PROCESSING)
_STYLES = {Stage.FAILED: "red", Stage.PROCESSED: "green"}


@dataclass
class Upload:
    """One file on its way.

    Attributes:
        path: of the file.
        slug: of its entry, unique in the dataset.
        size_bytes: of the file.
        stage: where it is.
        detail: the step of the pipeline; at the end what came of it.
        sent_bytes: of the file so far.
        entry_id: once there is an entry.
        metadata: that a new entry gets.
    """

    path: Path
    slug: str
    size_bytes: int
    stage: Stage = Stage.WAITING
    detail: str = ""
    sent_bytes: int = 0
    entry_id: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def progress(self) -> str:
        """What is shown of its stage."""
        if self.stage is not Stage.UPLOADING:
            return self.detail or str(self.stage)
        share = self.sent_bytes / self.size_bytes if self.size_bytes else 1.0
        return f"uploading {min(share, 1.0):.0%}"


@dataclass
class Board:
    """The files of one command, and where they are shown."""

    console: Console
    files: Sequence[Upload]
    started: float = field(default_factory=time.monotonic)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the live table inside the block, on a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(
            console=self.console,
            get_renderable=self.table,
            refresh_per_second=_REFRESHES_PER_S,
            transient=True,
        ):
            yield

    def table(self) -> Table:
        """Draw the files that move, as many as fit, below how many are where."""
        table = Table(title=self.summary(), title_justify="left", header_style="bold", expand=True)
        table.add_column("File", overflow="ellipsis", no_wrap=True, ratio=2)
        table.add_column("Stage", overflow="ellipsis", no_wrap=True, ratio=1)
        rows_max = max(_ROWS_MIN, self.console.height - _LINES_AROUND)
        moving = [file for file in self.files if file.stage in _MOVING]
        for file in moving[:rows_max]:
            table.add_row(escape(file.slug), escape(file.progress))
        if len(moving) > rows_max:
            table.add_row(f"… and {len(moving) - rows_max} more", "")
        return table

    def end(self, file: Upload, stage: Stage, detail: str) -> None:
        """Say what came of a file."""
        file.stage, file.detail = stage, detail
        line = f"{stage:<10} {file.slug}" + (f": {detail}" if detail else "")
        self.console.print(
            line, style=_STYLES.get(stage), markup=False, highlight=False, soft_wrap=True
        )

    def count(self, stage: Stage) -> int:
        """How many files are in a stage."""
        return sum(file.stage is stage for file in self.files)

    def summary(self) -> str:
        """How many files are where, and for how long they have been on their way."""
        counts = Counter(file.stage for file in self.files)
        parts = [f"{counts[stage]:,} {stage}" for stage in Stage if counts[stage]]
        elapsed_s = time.monotonic() - self.started
        return f"{counted(len(self.files), 'file')}: {', '.join(parts)}; {elapsed_s:.1f} s"
