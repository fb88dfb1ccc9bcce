"""One set of S3 options in the words of each library, each against the protocol of S3 (moto)."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import obstore
import pytest
from obstore.store import S3Store
from pyarrow.fs import S3FileSystem
from pyiceberg.io.pyarrow import PyArrowFileIO

from connectors.errors import EgressRefused, OptionsInvalid, SourceUnreachable
from connectors.object_storage import (
    S3Options,
    arrow_filesystem,
    check_endpoint,
    object_store_options,
    pyiceberg_properties,
)
from tests.connectors.contract import context_for

KEYS = {"s3_access_key_id": "key", "s3_secret_access_key": "hunter2"}
MAKERS = [arrow_filesystem, object_store_options, pyiceberg_properties]


@pytest.fixture
def options(s3_endpoint: str) -> S3Options:
    return S3Options(s3_endpoint=s3_endpoint, **KEYS)


@pytest.fixture
def bucket(s3_endpoint: str) -> str:
    """A bucket with the object ``folder/file`` of the text ``content``."""
    files = S3FileSystem(
        endpoint_override=s3_endpoint.removeprefix("http://"),
        scheme="http",
        region="us-east-1",
        access_key="key",
        secret_key="secret",
        allow_bucket_creation=True,
    )
    name = f"bucket-{uuid4().hex}"
    files.create_dir(name)
    with files.open_output_stream(f"{name}/folder/file") as stream:
        stream.write(b"content")
    return name


def test_pyarrow_reads_with_the_options(options: S3Options, bucket: str, tmp_path: Path) -> None:
    files = arrow_filesystem(options, context_for(tmp_path))
    with files.open_input_stream(f"{bucket}/folder/file") as stream:
        assert stream.read() == b"content"


def test_object_store_reads_with_the_options(
    options: S3Options, bucket: str, tmp_path: Path
) -> None:
    config: Any = object_store_options(options, context_for(tmp_path))
    is_http = config.pop("aws_allow_http") == "true"
    store = S3Store(bucket, config=config, client_options={"allow_http": is_http})
    assert obstore.get(store, "folder/file").bytes() == b"content"


def test_pyiceberg_reads_with_the_options(options: S3Options, bucket: str, tmp_path: Path) -> None:
    io = PyArrowFileIO(pyiceberg_properties(options, context_for(tmp_path)))
    with io.new_input(f"s3://{bucket}/folder/file").open() as stream:
        assert stream.read() == b"content"


def test_without_keys_no_request_is_signed(
    s3_endpoint: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-this-server")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-this-server")
    options = S3Options(s3_endpoint=s3_endpoint)
    context = context_for(tmp_path)
    files = arrow_filesystem(options, context)
    with files.open_input_stream(f"{bucket}/folder/file") as stream:
        assert stream.read() == b"content"
    assert object_store_options(options, context)["aws_skip_signature"] == "true"
    assert pyiceberg_properties(options, context)["s3.anonymous"] == "true"


def test_the_region_never_comes_from_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    context = context_for(tmp_path)
    assert arrow_filesystem(S3Options(), context).region == "us-east-1"
    assert object_store_options(S3Options(), context)["aws_region"] == "us-east-1"
    given = S3Options(s3_region="eu-west-1")
    assert arrow_filesystem(given, context).region == "eu-west-1"


@pytest.mark.parametrize("make", MAKERS)
def test_a_private_endpoint_is_refused(make: Any, options: S3Options, tmp_path: Path) -> None:
    with pytest.raises(EgressRefused):
        make(options, context_for(tmp_path, allow_private=False))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", KEYS)
def test_half_an_access_key_is_refused(make: Any, name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionsInvalid):
        make(S3Options(**{name: KEYS[name]}), context_for(tmp_path))


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost:9000",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:99999",
        "http://[::1",
        "http://user:secret@127.0.0.1",
        "http://127.0.0.1/path",
        "http://127.0.0.1/?x=1",
    ],
)
def test_an_endpoint_is_a_host_and_nothing_more(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(OptionsInvalid) as caught:
        check_endpoint(S3Options(s3_endpoint=endpoint), context_for(tmp_path))
    assert "secret" not in str(caught.value)


def test_a_name_that_does_not_resolve_is_unreachable(tmp_path: Path) -> None:
    options = S3Options(s3_endpoint="http://nowhere.invalid")
    with pytest.raises(SourceUnreachable):
        check_endpoint(options, context_for(tmp_path))
