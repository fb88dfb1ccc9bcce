"""A small client of the HTTP API for the command line and the demo.

Every failure is a :class:`ClientError` whose text is one sentence for a person. Waiting is bounded:
each request by ``_TIMEOUT_S``, each poll by its own limit.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import httpx

from catalog.settings import Settings
from engine.service.data_folder import API_KEY_FILE
from server.wire.formats import MEDIA_TYPES

_TIMEOUT_S = 120.0
_CHUNK_BYTES = 1024 * 1024
_POLL_FIRST_S = 0.02
_POLL_MOST_S = 0.5
_WAIT_S = 3600.0
_SUFFIX_TYPES = MappingProxyType(
    {
        ".csv": "text/csv",
        ".json": "application/json",
        ".ndjson": "application/x-ndjson",
        ".jsonl": "application/x-ndjson",
        ".parquet": "application/vnd.apache.parquet",
    }
)
_COMPRESSED_SUFFIXES = frozenset({".gz", ".zst"})

Progress = Callable[[int, int], None]
JobProgress = Callable[[Mapping[str, int]], None]


class ClientError(Exception):
    """The request could not be made, or was refused; the text says why and what to do."""

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Client:
    """One server, one token and one workspace. Close it, or use it as a context manager.

    Without a workspace the token must see just one.
    """

    def __init__(self, url: str, token: str, workspace_id: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        if workspace_id:
            headers["X-Workspace-Id"] = workspace_id
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S)
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise ClientError(
                f"The URL, the token or the workspace is not valid: {error}"
            ) from error
        self.url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Make one request and return its response with the body read.

        Raises:
            ClientError: the server is away, or its answer is not 2xx.
        """
        with self._reached():
            response = self._http.request(method, path, **options)
            _raise_for(response)
            return response

    def stream_query(self, sql: str, encoding: str) -> Iterator[bytes]:
        """Run a query and yield its encoded answer in chunks, as the server sends them.

        Args:
            sql: one statement.
            encoding: ``json`` (the whole answer object), ``arrow``, ``csv`` or ``md``.
        """
        with (
            self._reached(),
            self._http.stream(
                "POST",
                "/v1/query",
                json={"sql": sql},
                headers={"Accept": MEDIA_TYPES[encoding]},
            ) as response,
        ):
            if response.is_error:
                response.read()
            _raise_for(response)
            yield from response.iter_bytes()

    def run_query(self, sql: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
        """Run a query and return the JSON answer; ``options`` are further fields of the body."""
        return _object(self.send("POST", "/v1/query", json={"sql": sql, **options}))

    def wait_for_run(
        self, run_id: str, pause: Callable[[float], None] = time.sleep
    ) -> dict[str, Any]:
        """Poll a query run until it has ended; a failed run is an error.

        Args:
            run_id: of the run.
            pause: waits so many seconds between two polls.
        """
        run = self._poll(f"/v1/query-runs/{run_id}", pause=pause)
        if run["status"] != "succeeded":
            raise ClientError(run["error_message"] or f"The query was {run['status']}.")
        return run

    def read_result(self, result_id: str, *, limit: int) -> dict[str, Any]:
        """Read the first rows of a kept result as JSON."""
        path = f"/v1/results/{result_id}"
        return _object(self.send("GET", path, params={"limit": limit}))

    def upload(self, path: Path, on_progress: Progress | None = None) -> dict[str, Any]:
        """Send a file, streamed; ``on_progress`` hears bytes sent and bytes in total."""
        size_bytes = path.stat().st_size
        headers = {"Content-Length": str(size_bytes), "Content-Type": content_type_of(path)}
        response = self.send(
            "POST",
            "/v1/files",
            params={"streaming": "true"},
            headers=headers,
            content=_chunks(path, size_bytes, on_progress),
        )
        return _object(response)

    def create_dataset(
        self,
        *,
        label: str,
        source: Mapping[str, Any],
        table_name: str | None = None,
        on_progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Make a dataset as a job, wait for it, and return its details.

        Args:
            label: what people call it.
            source: as the API spells it.
            table_name: name in SQL; None = made from the label.
            on_progress: hears bytes read and bytes in total while the job runs.
        """
        body = {"label": label, "source": source, "table_name": table_name, "async": True}
        job_id = _object(self.send("POST", "/v1/datasets", json=body))["id"]

        def on_job(progress: Mapping[str, int]) -> None:
            if on_progress is not None and "bytes" in progress:
                on_progress(progress["bytes"], progress["bytes_total"])

        made = self._wait_for_job(job_id, on_job)
        return _object(self.send("GET", f"/v1/datasets/{made['id']}"))

    def refresh(self, on_progress: JobProgress | None = None, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
        """Make new copies of tables of a connection as a job, and return what came of it.

        Args:
            on_progress: hears ``rows``, ``bytes``, ``tables`` and ``tables_total`` while it runs.
            fields: of the body: ``connection_id`` and more.

        Returns:
            What the waiting call would return; tables that failed are in ``errors``.
        """
        body = {**fields, "data": True, "async": True}
        job_id = _object(self.send("POST", "/v1/refresh", json=body))["id"]
        return self._wait_for_job(job_id, on_progress)

    def create_index(
        self, path: str, body: Mapping[str, Any], on_progress: JobProgress | None = None
    ) -> dict[str, Any]:
        """Make an index as a job, and return it as the server shows it.

        Args:
            path: of the indexes of a table or dataset.
            body: of the request.
            on_progress: hears ``texts`` and ``texts_total`` while texts are embedded, then ``rows``
                and ``rows_total``.
        """
        job_id = _object(self.send("POST", path, json={**body, "async": True}))["id"]
        return self._wait_for_job(job_id, on_progress)

    def _wait_for_job(self, job_id: str, on_progress: JobProgress | None) -> dict[str, Any]:
        job = self._poll(f"/v1/jobs/{job_id}", on_job=on_progress)
        if job["status"] not in {"succeeded", "partially_succeeded"}:
            raise ClientError(job["error_message"] or f"The job {job['status']}.")
        result = job["result"]
        assert isinstance(result, dict)
        return result

    def _poll(
        self,
        path: str,
        *,
        pause: Callable[[float], None] = time.sleep,
        on_job: JobProgress | None = None,
    ) -> dict[str, Any]:
        deadline = time.monotonic() + _WAIT_S
        pause_s = _POLL_FIRST_S
        while time.monotonic() < deadline:
            state = _object(self.send("GET", path))
            if state["status"] not in {"pending", "running", "processing"}:
                return state
            if on_job is not None and (progress := state.get("progress")):
                on_job(progress)
            pause(pause_s)
            pause_s = min(2 * pause_s, _POLL_MOST_S)
        raise ClientError(f"Gave up waiting for {path} after {_WAIT_S:g} s.")

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise ClientError(
                f"No server answers at {self.url}. Start one with 'tidemill serve', or name another "
                "with --url or TIDEMILL_URL."
            ) from error
        except httpx.TimeoutException as error:
            raise ClientError(f"The server at {self.url} did not answer in time.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ClientError(f"Talking to {self.url} failed: {error}") from error


def open_client(settings: Settings) -> Client:
    """Make the client of the configured server.

    Raises:
        ClientError: there is no token: neither configured nor in the data folder.
    """
    if settings.api_key is not None:
        return Client(settings.url, settings.api_key.get_secret_value(), settings.workspace)
    path = settings.data_dir / API_KEY_FILE
    try:
        token = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ClientError(
            f"No API token: {path} does not exist. Set TIDEMILL_API_KEY, or name the server's data "
            "folder with --data-dir."
        ) from None
    return Client(settings.url, token, settings.workspace)


def content_type_of(path: Path) -> str:
    """Name the content type of a file by its suffixes; compression does not hide the format.

    >>> content_type_of(Path("a.CSV.gz")), content_type_of(Path("b.bin"))
    ('text/csv', 'application/octet-stream')
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in _COMPRESSED_SUFFIXES:
        suffixes.pop()
    return _SUFFIX_TYPES.get(suffixes[-1] if suffixes else "", "application/octet-stream")


def _chunks(path: Path, size_bytes: int, on_progress: Progress | None) -> Iterator[bytes]:
    sent_bytes = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
            sent_bytes += len(chunk)
            if on_progress is not None:
                on_progress(sent_bytes, size_bytes)


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json(parse_float=Decimal)  # a number is shown as it was sent
    except ValueError as error:
        raise ClientError(f"{response.url} is not a Tidemill server.") from error
    assert isinstance(content, dict)
    return content


def _raise_for(response: httpx.Response) -> None:
    if response.is_success:
        return
    try:
        content = response.json()
        if "detail" in content:  # the Data API says it so
            raise ClientError(_told(content["detail"]), status=response.status_code)
        message = content["message"]
        error = content["error"]
    except (ValueError, TypeError, KeyError):
        raise ClientError(
            f"{response.url} answered {response.status_code}; is it a Tidemill server?",
            status=response.status_code,
        ) from None
    code = error["code"] if isinstance(error, dict) else error
    if response.status_code == httpx.codes.BAD_REQUEST and message.startswith("X-Workspace-Id "):
        message = (
            "The token sees several workspaces: choose one with --workspace or TIDEMILL_WORKSPACE."
        )
    raise ClientError(message, status=response.status_code, code=code)


def _told(detail: Any) -> str:  # noqa: ANN401 - any JSON value
    """Read a detail of the Data API: a sentence, or a list of problems with their places."""
    if not isinstance(detail, list):
        return str(detail)
    places = (".".join(map(str, problem["loc"][1:])) for problem in detail)
    return "; ".join(
        f"{place}: {problem['msg']}" if place else str(problem["msg"])
        for place, problem in zip(places, detail, strict=True)
    )
