"""The data folder: its private subfolders, its small files and its lock.

Every file made here has mode 0600 from its first moment and appears whole or not at all: written
aside, fsynced, then linked to its name, which fails instead of overwriting when another process was
faster.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from pydantic import SecretStr

from engine.errors import Conflict

API_KEY_FILE = "api-key"
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class DataFolder:
    """One data folder, known to exist."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> "DataFolder":
        """Make the folder, open to its owner only, unless it is there already."""
        absolute = path.expanduser().absolute()
        absolute.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        return cls(absolute)

    def catalog_url(self, configured: SecretStr | None) -> str:
        """Return the configured catalog, else the embedded one of this folder."""
        if configured is not None and configured.get_secret_value():
            return configured.get_secret_value()
        return f"sqlite:///{self.path / 'catalog.db'}"

    def first_token(self, configured: SecretStr | None) -> tuple[str, str]:
        """Return name and secret of the first API token: configured, or kept in ``api-key``.

        The two have names of their own: changing one never revokes the other.
        """
        if configured is not None and configured.get_secret_value():
            return "TIDEMILL_API_KEY", configured.get_secret_value()
        return API_KEY_FILE, self._read_or_make(
            API_KEY_FILE, lambda: "tm_" + secrets.token_urlsafe(32)
        )

    def instance_id(self) -> str:
        """Return the name of this server instance, the same after every restart."""
        return self._read_or_make("instance-id", lambda: secrets.token_hex(16))

    def lock(self) -> FileIO:
        """Reserve the folder for this process until the returned file is closed.

        Raises:
            Conflict: another server has it.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        file = FileIO(descriptor, "r+")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise Conflict("Another server is using this data folder.") from None
        return file

    def empty_spill(self) -> None:
        """Remove what killed queries spilled."""
        spill = self.path / "spill"
        shutil.rmtree(spill, ignore_errors=True)
        spill.mkdir(mode=_FOLDER_MODE, exist_ok=True)

    def _read_or_make(self, name: str, make: Callable[[], str]) -> str:
        path = self.path / name
        if not path.exists():
            self._publish(path, make())
        return path.read_text().strip()

    def _publish(self, path: Path, text: str) -> None:
        aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                path.hardlink_to(aside)
            except FileExistsError:
                return  # another process was faster; its text counts
        finally:
            aside.unlink()
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
