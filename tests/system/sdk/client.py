"""The hotdata SDK of the version that is installed, connected as its users connect it.

The three versions name a few things differently; every difference the checks meet is here.
"""

import time
from collections.abc import Callable
from typing import Any

import hotdata

from tests.patience import PATIENCE_S

FIRST = "0.0.1"
_POLL_S = 0.02

CARS = b"name,mpg,year\nvolvo,21.5,1970\nfiat,29.0,1974\nsaab,,1978\n"


class User:
    """Somebody who has a host, a token, one version of the SDK, and a DuckDB file beside the host."""

    def __init__(self, host: str, token: str, version: str, duckdb_path: str) -> None:
        self.duckdb_path = duckdb_path
        self.host = host
        self.token = token
        self.version = version
        self.client = self.connect(token)
        self.workspaces = hotdata.WorkspacesApi(self.client)
        self.workspace_id: str = self.workspaces.list_workspaces().workspaces[0].public_id
        self.client = self.connect(token)
        self.uploads = hotdata.UploadsApi(self.client)
        self.datasets = hotdata.DatasetsApi(self.client)
        self.queries = hotdata.QueryApi(self.client)
        self.runs = hotdata.QueryRunsApi(self.client)
        self.results = hotdata.ResultsApi(self.client)
        self.saved = hotdata.SavedQueriesApi(self.client)
        self.secrets = hotdata.SecretsApi(self.client)
        self.providers = hotdata.EmbeddingProvidersApi(self.client)
        self.jobs = hotdata.JobsApi(self.client)
        self.refreshes = hotdata.RefreshApi(self.client)
        self.information_schema = hotdata.InformationSchemaApi(self.client)

    @property
    def is_first(self) -> bool:
        return self.version == FIRST

    def connect(self, token: str) -> Any:
        """A new client with this token, in the user's workspace once that is known."""
        if self.is_first:  # knows no workspaces: the token's only one is meant
            configuration = hotdata.Configuration(host=self.host, access_token=token)
        else:
            configuration = hotdata.Configuration(
                host=self.host, api_key=token, workspace_id=getattr(self, "workspace_id", None)
            )
        return hotdata.ApiClient(configuration)

    def upload(self, data: bytes, content_type: str = "text/csv") -> str:
        """Upload bytes and return the upload's id."""
        if not self.is_first:
            answer = self.uploads.upload_file(data, _content_type=content_type)
            return str(answer.id)
        # The generated method takes a list of integers and cannot send it as bytes; its parts can.
        call = list(
            self.uploads._upload_file_serialize(
                request_body=data,
                streaming=True,
                _request_auth=None,
                _content_type=content_type,
                _headers=None,
                _host_index=0,
            )
        )
        response = self.client.call_api(*call)
        response.read()
        answer = self.client.response_deserialize(response, {"201": "UploadResponse"}).data
        return str(answer.id)

    def upload_source(self, upload_id: str) -> Any:
        """A dataset source: untagged in the first version, tagged later."""
        if self.is_first:
            return hotdata.DatasetSource(hotdata.UploadDatasetSource(upload_id=upload_id))
        return hotdata.DatasetSource(hotdata.DatasetSourceOneOf(type="upload", upload_id=upload_id))

    def inline_source(self, content: str, data_format: str) -> Any:
        inline = hotdata.InlineData(content=content, format=data_format)
        if self.is_first:
            return hotdata.DatasetSource(hotdata.InlineDatasetSource(inline=inline))
        return hotdata.DatasetSource(hotdata.DatasetSourceOneOf4(type="inline", inline=inline))

    def sql_source(self, sql: str) -> Any:
        if self.is_first:
            return hotdata.DatasetSource(hotdata.SqlQueryDatasetSource(sql=sql))
        return hotdata.DatasetSource(hotdata.DatasetSourceOneOf2(type="sql_query", sql=sql))

    def saved_query_source(self, saved_query_id: str, version: int) -> Any:
        named = {"saved_query_id": saved_query_id, "version": version}
        if self.is_first:
            return hotdata.DatasetSource(hotdata.SavedQueryDatasetSource(**named))
        return hotdata.DatasetSource(hotdata.DatasetSourceOneOf1(type="saved_query", **named))

    def create_dataset(self, label: str, source: Any, table_name: str | None = None) -> Any:
        request = hotdata.CreateDatasetRequest(label=label, source=source, table_name=table_name)
        return self.datasets.create_dataset(request)

    def query(self, sql: str) -> Any:
        """Ask and wait."""
        return self.queries.query(hotdata.QueryRequest(sql=sql))

    def execute(self, saved_query_id: str, version: int | None = None) -> Any:
        """Run a saved query; without a version the latest, and then without a body."""
        options: dict[str, Any] = {"x_database_id": "dbid"} if self.version == "0.4.1" else {}
        if version is not None:
            request = hotdata.ExecuteSavedQueryRequest(version=version)
            options["execute_saved_query_request"] = request
        return self.saved.execute_saved_query(saved_query_id, **options)

    def wait_for_run(self, run_id: str) -> Any:
        """Poll a query run until it has ended."""
        return until(
            lambda: self.runs.get_query_run(run_id),
            lambda run: run.status in {"succeeded", "failed", "cancelled"},
        )

    def wait_for_result(self, result_id: str) -> Any:
        """Poll a result until it is ready or failed."""
        return until(
            lambda: self.results.get_result(result_id),
            lambda result: result.status in {"ready", "failed"},
        )


def until(look: Callable[[], Any], is_over: Callable[[Any], bool]) -> Any:
    """Look again and again until it is over; return the last look."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_over(seen := look()):
        assert time.monotonic() < deadline, f"still {seen.status}"
        time.sleep(_POLL_S)
    return seen


def refused(call: Callable[[], Any], status: int) -> Any:
    """Expect the SDK's exception for a status; return it."""
    refusal = None
    try:
        call()
    except hotdata.ApiException as error:
        refusal = error
    assert refusal is not None, f"no {status}"
    assert refusal.status == status, refusal.body
    return refusal
