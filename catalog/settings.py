"""Every setting, read once from the environment (``TIDEMILL_*``) and immutable afterwards.

Names carry their unit last. This is the only module that reads the environment. A setting without
a description fails the documentation test.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_CORES = os.cpu_count() or 1


class Settings(BaseSettings):
    """Configuration of one server process. Frozen: read at start, never changed."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", frozen=True, extra="ignore")

    data_dir: Path = Field(
        Path("tidemill-data"), description="Folder of the embedded catalog, local files and spill."
    )
    catalog_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of a Postgres catalog; empty = SQLite in the data folder."
    )
    blob_url: str | None = Field(
        None, description="s3://bucket/prefix for stored files; empty = the data folder."
    )
    s3_endpoint: str | None = Field(None, description="Endpoint of an S3-compatible service.")
    s3_region: str | None = Field(None, description="Region of the bucket.")
    s3_access_key_id: str | None = Field(
        None, description="Access key; empty = the AWS environment's own."
    )
    s3_secret_access_key: SecretStr | None = Field(None, description="Secret of the access key.")
    blob_cache_bytes: int = Field(
        20 * GIB, ge=MIB, description="Local copies kept of objects in S3, in bytes."
    )
    blob_grace_s: int = Field(
        3600, ge=0, description="Age in seconds before an unreferenced file is deleted."
    )
    blob_gc_interval_s: int = Field(600, ge=1, description="Seconds between garbage collections.")

    url: str = Field(
        "http://127.0.0.1:8000", description="Server that the command line and its client talk to."
    )
    workspace: str | None = Field(
        None, description="Workspace the command line works in; empty = the only one of the token."
    )
    api_key: SecretStr | None = Field(
        None, description="First API token; empty = one is generated into <data-dir>/api-key."
    )
    secret_keys: SecretStr | None = Field(
        None,
        description="Fernet keys, newest first, separated by commas; empty = <data-dir>/secret-keys.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins browsers may call from, separated by commas; empty = none."
    )
    rate_limit_per_s: int = Field(
        5000, ge=1, description="Requests per second of one workspace; past it 429."
    )

    pg_port: int = Field(
        5433, ge=0, le=65_535, description="Port for Postgres clients; 0 = none are let in."
    )
    pg_connections_max: int = Field(
        1_000, ge=1, description="Postgres clients at one time; past it they are refused."
    )
    pg_tls_certificate: Path | None = Field(
        None, description="PEM file of the certificate for Postgres clients; empty = no TLS."
    )
    pg_tls_key: Path | None = Field(
        None, description="PEM file of its key; empty = in the file of the certificate."
    )
    pg_tls_required: bool = Field(
        False, description="Whether Postgres clients without TLS are refused."
    )
    flight_port: int = Field(
        31338,
        ge=0,
        le=65_535,
        description="Port for Arrow Flight SQL clients; 0 = none are let in.",
    )

    query_timeout_s: float = Field(60.0, gt=0, description="Wall time of one query in seconds.")
    query_memory_bytes: int = Field(
        2 * GIB, ge=64 * MIB, description="Memory of one query's worker, in bytes."
    )
    query_spill_bytes: int = Field(
        20 * GIB, ge=0, description="Disk one query may spill to, in bytes."
    )
    query_rows_max: int = Field(100_000_000, ge=1, description="Rows one query may return.")
    query_result_bytes_max: int = Field(
        20 * GIB, ge=MIB, description="Bytes of Arrow data one query may return."
    )
    query_queue_max: int = Field(
        1024, ge=1, description="Queries that may wait for a worker, over all workspaces."
    )
    query_queue_workspace_max: int = Field(
        512, ge=1, description="Queries of one workspace that may wait for a worker."
    )
    query_queue_wait_s: float = Field(
        30.0, gt=0, description="Seconds a query waits for a worker before 429."
    )
    sql_chars_max: int = Field(1_000_000, ge=1, description="Characters of one SQL text.")
    sql_terms_max: int = Field(
        2_000, ge=1, description="Operators in one chain, or levels of nesting, in one SQL text."
    )
    async_after_ms_max: int = Field(
        60_000, ge=1000, description="Most milliseconds async_after_ms may ask to wait."
    )
    workers: int = Field(_CORES, ge=1, description="Worker processes kept warm.")
    workers_max: int = Field(
        4 * _CORES, ge=1, description="Worker processes at most, while long queries hold some."
    )
    worker_recycle_queries: int = Field(
        5_000, ge=1, description="Queries a worker answers before it is replaced."
    )

    result_inline_bytes: int = Field(
        64 * KIB, ge=0, description="Results up to this size are kept in the catalog."
    )
    result_retain_days: float = Field(7.0, ge=0, description="Days a result is kept; 0 = for ever.")
    result_stuck_s: int = Field(
        300, ge=1, description="Seconds after which an unfinished result counts as failed."
    )
    upload_size_max_bytes: int = Field(2 * GIB, ge=1, description="Largest upload, in bytes.")
    upload_streaming_size_max_bytes: int = Field(
        20 * GIB, ge=1, description="Largest upload with ?streaming=true, in bytes."
    )
    upload_retain_days: float = Field(
        7.0, gt=0, description="Days an upload waits for a dataset before it expires."
    )
    inline_data_max_bytes: int = Field(
        MIB, ge=1, description="Largest inline content of a dataset, in bytes."
    )
    load_timeout_s: float = Field(
        3600.0, gt=0, description="Wall time of converting one file, in seconds."
    )
    load_memory_bytes: int = Field(
        2 * GIB, ge=256 * MIB, description="Memory of converting one file, in bytes."
    )
    body_max_bytes: int = Field(4 * MIB, ge=KIB, description="Largest JSON request body, in bytes.")

    egress_allow_private: bool = Field(
        False, description="Private and loopback addresses may be reached."
    )
    egress_size_max_bytes: int = Field(
        20 * GIB, ge=1, description="Largest file fetched from a URL, in bytes."
    )
    egress_timeout_s: float = Field(600.0, gt=0, description="Seconds one fetch may take.")
    egress_redirects_max: int = Field(5, ge=0, description="Redirects one fetch may follow.")
    local_files: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Folders file-based sources may read, separated by colons; empty = none."
    )

    source_processes_max: int = Field(
        2 * _CORES, ge=1, description="Processes that read remote sources at once."
    )
    source_concurrency: int = Field(
        4, ge=1, description="Tables of one connection read at once; one process is left to others."
    )
    source_queue_max: int = Field(
        1024, ge=1, description="Reads of remote sources that may wait for a process."
    )
    source_connect_timeout_s: float = Field(
        10.0, gt=0, description="Seconds to connect to a source and log in."
    )
    source_silence_s: float = Field(
        60.0, gt=0, description="Seconds a source may send nothing before it counts as failed."
    )
    source_memory_bytes: int = Field(
        GIB, ge=256 * MIB, description="Memory of one process that reads a source, in bytes."
    )
    source_bytes_max: int = Field(
        100 * GIB, ge=MIB, description="Bytes one copy or live read may bring, as Arrow data."
    )
    source_batch_bytes: int = Field(
        16 * MIB, ge=64 * KIB, description="Size of the batches asked of a source, in bytes."
    )
    source_parts_max: int = Field(
        2, ge=1, description="Parts of one table that are read side by side."
    )
    discovery_timeout_s: float = Field(
        120.0, gt=0, description="Seconds to list the tables of a source."
    )
    sync_timeout_s: float = Field(
        3600.0, gt=0, description="Wall time of copying one remote table, in seconds."
    )
    sync_lease_s: float = Field(
        60.0, gt=0, description="Seconds without a sign before another server syncs a table."
    )

    index_timeout_s: float = Field(
        6 * 3600.0, gt=0, description="Wall time of building the indexes of one table, in seconds."
    )
    index_memory_bytes: int = Field(
        2 * GIB, ge=256 * MIB, description="Memory for building the indexes of one table, in bytes."
    )

    embedding_timeout_s: float = Field(
        6 * 3600.0, gt=0, description="Wall time of embedding the texts of one index, in seconds."
    )
    embedding_requests_max: int = Field(
        4, ge=1, le=64, description="Requests to an embedding service that one build makes at once."
    )
    embedding_response_bytes_max: int = Field(
        64 * MIB, ge=KIB, description="Largest answer of an embedding service, in bytes."
    )
    embedding_chunk_rows: int = Field(
        4096, ge=1, description="Texts whose vectors are kept together while an index is built."
    )
    embedding_chunk_s: float = Field(
        10.0, gt=0, description="Seconds of work after which vectors are kept anyway."
    )
    embedding_keep_s: float = Field(
        24 * 3600.0, ge=0, description="Seconds that vectors no index needs any more are kept."
    )
    embedding_cache_bytes: int = Field(
        32 * MIB, ge=0, description="Memory for vectors of recent query texts, in bytes."
    )

    document_size_max_bytes: int = Field(
        100 * MIB, ge=1, description="Largest file of an entry, in bytes."
    )
    document_body_max_bytes: int = Field(
        64 * MIB, ge=KIB, description="Largest JSON body of the Data API, in bytes."
    )
    document_content_max_bytes: int = Field(
        64 * MIB,
        ge=1,
        description="Stored content of the entries that one answer of the Data API has, in bytes.",
    )
    document_concurrency: int = Field(
        2 * _CORES, ge=1, description="Entries one server processes at once."
    )
    document_processes: int = Field(
        _CORES, ge=1, description="Processes that read documents at once."
    )
    document_timeout_s: float = Field(
        600.0, gt=0, description="Wall time of one stage of a document in its process, in seconds."
    )
    document_memory_bytes: int = Field(
        GIB, ge=128 * MIB, description="Memory of one process that reads a document, in bytes."
    )
    document_failed_status: Literal["failed", "error"] = Field(
        "failed",
        description="What the Data API calls the status of an entry whose processing failed.",
    )
    document_merge_segments: int = Field(
        8,
        ge=2,
        description="Segments of similar size that are merged into one.",
    )
    webhook_attempts_max: int = Field(5, ge=1, description="Tries to deliver one notification.")
    webhook_retry_s: float = Field(
        2.0,
        ge=0,
        description="Seconds before the second try to deliver a notification; four times as many "
        "each time.",
    )
    webhook_timeout_s: float = Field(
        10.0, gt=0, description="Seconds one delivery of a notification may take."
    )
    webhook_retain_days: float = Field(
        30.0, gt=0, description="Days a notification is listed after its last try."
    )

    job_concurrency: int = Field(2, ge=1, description="Jobs one server runs at once.")
    job_lease_s: float = Field(
        60.0, gt=0, description="Seconds without a heartbeat before a job is taken over."
    )
    job_attempts_max: int = Field(3, ge=1, description="Executions of one job at most.")
    job_retry_s: float = Field(
        1.0,
        ge=0,
        description="Seconds before a job's second execution; four times as many each time, "
        "at most 600.",
    )
    job_poll_s: float = Field(1.0, gt=0, description="Seconds between looks at the job queue.")

    drain_timeout_s: float = Field(
        30.0, ge=0, description="Seconds running requests may finish in after SIGTERM."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log event that is written."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="Form of a log line on standard error."
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return (
            tuple(v.strip() for v in value.split(",") if v.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("local_files", mode="before")
    @classmethod
    def _split_colons(cls, value: object) -> object:
        return tuple(Path(v) for v in value.split(":") if v) if isinstance(value, str) else value
