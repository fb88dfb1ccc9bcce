"""Connections, their types, tables, copies, refreshes and profiles, as a user of the SDK writes them.

The source is the DuckDB file of ``tests.system.test_sdk``: what it holds is said there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hotdata

from tests.system.sdk.client import User, refused, until

NOWHERE = {"host": "127.0.0.1", "port": 1, "user": "reader", "database": "shop"}
CREDENTIAL = "canary-51c2"
TABLES = [("main", "broken"), ("main", "endless"), ("main", "people"), ("other", "things")]


def check_connection_types(user: User) -> None:
    types = hotdata.ConnectionTypesApi(user.client)
    labels = {one.name: one.label for one in types.list_connection_types().connection_types}
    assert {"postgres", "mysql", "snowflake", "duckdb", "motherduck", "bigquery"} <= labels.keys()
    assert labels["postgres"] == "PostgreSQL"
    for name, label in labels.items():
        described = types.get_connection_type(name)
        assert (described.name, described.label) == (name, label)
        assert described.config_schema["type"] == "object"
    postgres = types.get_connection_type("postgres")
    assert set(postgres.config_schema["required"]) == {"host", "port", "user", "database"}
    assert "password" not in postgres.config_schema["properties"]
    assert "password" in str(postgres.auth)
    assert types.get_connection_type("duckdb").auth is None
    refused(lambda: types.get_connection_type("nonsense"), 404)


def check_connection_is_made_listed_and_deleted(user: User) -> None:
    api = _connections(user)
    with _file(user, "listed") as made:
        assert (made.name, made.source_type) == ("listed", "duckdb")
        assert (made.discovery_status, made.discovery_error) == ("success", None)
        assert made.tables_discovered == len(TABLES)
        listed = api.list_connections().connections
        mine = next(one for one in listed if one.id == made.id)
        assert (mine.name, mine.source_type) == ("listed", "duckdb")
        seen = api.get_connection(made.id)
        assert (seen.name, seen.source_type) == ("listed", "duckdb")
        assert (seen.table_count, seen.synced_table_count) == (len(TABLES), 0)
        refused(lambda: _create(user, "listed", "duckdb", {"path": user.duckdb_path}), 409)
    refused(lambda: api.get_connection(made.id), 404)
    refused(lambda: api.delete_connection(made.id), 404)
    assert made.id not in {one.id for one in api.list_connections().connections}
    refused(lambda: user.query("SELECT * FROM listed.other.things"), 400)


def check_bad_connections_are_refused(user: User) -> None:
    good = {"path": user.duckdb_path}
    refused(lambda: _create(user, " ", "duckdb", good), 400)
    refused(lambda: _create(user, "results", "duckdb", good), 400)
    refused(lambda: _create(user, "x", "nonsense", good), 400)
    refused(lambda: _create(user, "x", "duckdb", {}), 400)
    refused(lambda: _create(user, "x", "postgres", NOWHERE, secret_name="no-such-secret"), 400)
    both = {"secret_name": "one", "secret_id": "two"}
    refused(lambda: _create(user, "x", "postgres", NOWHERE, **both), 400)


def check_health_is_an_answer_either_way(user: User) -> None:
    api = _connections(user)
    with _file(user, "healthy") as made:
        health = api.check_connection_health(made.id)
        assert (health.connection_id, health.healthy, health.error) == (made.id, True, None)
        assert health.latency_ms >= 0
    with _connected(user, "ill", "postgres", NOWHERE) as made:
        assert (made.discovery_status, made.tables_discovered) == ("failed", 0)
        assert made.discovery_error
        health = api.check_connection_health(made.id)
        assert health.healthy is False
        assert health.error
    refused(lambda: api.check_connection_health("connunknown"), 404)


def check_inline_credential_becomes_a_secret(user: User) -> None:
    config = {**NOWHERE, "password": CREDENTIAL}
    with _connected(user, "My Shop", "postgres", config, skip_discovery=True) as made:
        assert made.discovery_status == "skipped"
        assert "conn-my-shop-password" in _secret_names(user)
        assert CREDENTIAL not in str(_connections(user).get_connection(made.id).to_dict())
    assert "conn-my-shop-password" not in _secret_names(user)


def check_connection_with_a_secret_of_ones_own(user: User) -> None:
    request = hotdata.CreateSecretRequest(name="shop-login", value=CREDENTIAL)
    secret = user.secrets.create_secret(request)
    for reference in ({"secret_name": "shop-login"}, {"secret_id": secret.id}):
        config = {**NOWHERE, "password": "ignored"}
        made = _create(user, "shop", "postgres", config, skip_discovery=True, **reference)
        assert "conn-shop-password" not in _secret_names(user)
        _connections(user).delete_connection(made.id)
        assert "shop-login" in _secret_names(user)
    user.secrets.delete_secret("shop-login")


def check_tables_of_a_connection_are_listed(user: User) -> None:
    tables = user.information_schema.information_schema
    with _file(user, "schemas") as made:
        listed = tables(connection_id=made.id)
        assert [(one.var_schema, one.table) for one in listed.tables] == TABLES
        assert {one.connection for one in listed.tables} == {"schemas"}
        assert [one.columns for one in listed.tables] == [None] * len(TABLES)
        assert [one.synced for one in listed.tables] == [False] * len(TABLES)
        assert (listed.count, listed.has_more, listed.next_cursor) == (len(TABLES), False, None)
        (things,) = tables(connection_id=made.id, var_schema="other", include_columns=True).tables
        columns = [(one.name, one.data_type, one.nullable) for one in things.columns]
        assert columns == [("id", "Int32", False), ("word", "Utf8", True)]
        found = tables(connection_id=made.id, var_schema="ma%", table="%e%e").tables
        assert [one.table for one in found] == ["people"]
        assert tables(connection_id=made.id, table="nothing").tables == []
        assert user.query("SELECT count(*) FROM schemas.other.things").rows == [[3]]
        (things,) = tables(connection_id=made.id, table="things").tables
        assert things.synced is True
        assert things.last_sync.startswith("20")


def check_tables_are_paged(user: User) -> None:
    tables = user.information_schema.information_schema
    with _file(user, "paged") as made:
        seen = []
        cursor = None
        for expected in (3, 1):
            page = tables(connection_id=made.id, limit=3, cursor=cursor)
            assert (page.count, page.limit) == (expected, 3)
            assert page.has_more is (expected == 3)
            seen += [(one.var_schema, one.table) for one in page.tables]
            cursor = page.next_cursor
        assert seen == TABLES
        assert cursor is None
        refused(lambda: tables(cursor="nonsense"), 400)
    refused(lambda: tables(connection_id="connunknown"), 404)


def check_tables_are_looked_for_again(user: User) -> None:
    with _file(user, "later", skip_discovery=True) as made:
        assert (made.discovery_status, made.tables_discovered) == ("skipped", 0)
        found = _refresh(user, connection_id=made.id)
        assert type(found) is hotdata.SchemaRefreshResult
        assert (found.connections_refreshed, found.connections_failed) == (1, 0)
        assert (found.tables_discovered, found.tables_added) == (len(TABLES), len(TABLES))
        assert found.tables_modified == 0
        missing = {"path": user.duckdb_path + ".missing"}
        with _connected(user, "away", "duckdb", missing, skip_discovery=True) as away:
            found = _refresh(user)
            assert type(found) is hotdata.SchemaRefreshResult
            assert (found.connections_refreshed, found.connections_failed) == (1, 1)
            assert (found.tables_discovered, found.tables_added) == (len(TABLES), 0)
            (fault,) = found.errors
            assert fault.connection_id == away.id
            assert fault.error
            refused(lambda: _refresh(user, connection_id=away.id), 502)


def check_table_is_refreshed(user: User) -> None:
    with _file(user, "one") as made:
        place = {"connection_id": made.id, "schema_name": "other", "table_name": "things"}
        done = _refresh(user, **place, data=True)
        assert type(done) is hotdata.TableRefreshResult
        assert (done.connection_id, done.schema_name, done.table_name) == tuple(place.values())
        assert done.rows_synced == 3
        assert not done.warnings
        place |= {"schema_name": "main", "table_name": "endless"}
        _is_warned(_refresh(user, **place, data=True))
        refused(lambda: _refresh(user, **{**place, "table_name": "no"}, data=True), 404)


def check_connection_is_refreshed(user: User) -> None:
    with _file(user, "many") as made:
        done = _refresh(user, connection_id=made.id, data=True)  # nothing has a copy yet
        assert type(done) is hotdata.ConnectionRefreshResult
        assert (done.tables_refreshed, done.tables_failed, done.total_rows) == (0, 0, 0)
        assert not done.errors
        done = _refresh(user, connection_id=made.id, data=True, include_uncached=True)
        _is_partial(done, made.id)
        assert _connections(user).get_connection(made.id).synced_table_count == 3
        done = _refresh(user, connection_id=made.id, data=True)
        assert (done.tables_refreshed, done.tables_failed, done.total_rows) == (3, 0, 1005)


def check_bad_refreshes_are_refused(user: User) -> None:
    with _file(user, "strict") as made:
        for fields in (
            {"schema_name": "other"},
            {"connection_id": made.id, "table_name": "things"},
            {"connection_id": made.id, "schema_name": "other"},
            {"connection_id": made.id, "schema_name": "other", "data": True},
            {"connection_id": made.id, "schema_name": "other", "table_name": "things"},
            {"data": True},
            {"connection_id": made.id, "var_async": True},
            {"connection_id": made.id, "dataset_id": "dataunknown"},
        ):
            refused(lambda fields=fields: _refresh(user, **fields), 400)
    refused(lambda: _refresh(user, connection_id="connunknown"), 404)
    refused(lambda: _refresh(user, dataset_id="dataunknown"), 404)


def check_table_is_refreshed_by_a_job(user: User) -> None:
    with _file(user, "job_table") as made:
        job = _finished(
            user, connection_id=made.id, schema_name="other", table_name="things", data=True
        )
        assert (job.job_type, job.status, job.error_message) == (
            "data_refresh_table",
            "succeeded",
            None,
        )
        done = job.result.actual_instance
        assert type(done) is hotdata.TableRefreshResult
        assert (done.connection_id, done.table_name, done.rows_synced) == (made.id, "things", 3)
        listed = user.jobs.list_jobs(job_type="data_refresh_table", status="succeeded").jobs
        assert job.id in {one.id for one in listed}


def check_connection_is_refreshed_by_a_job(user: User) -> None:
    with _file(user, "job_all") as made:
        job = _finished(user, connection_id=made.id, data=True, include_uncached=True)
        assert (job.job_type, job.status) == ("data_refresh_connection", "partially_succeeded")
        assert "broken" in job.error_message
        _is_partial(job.result.actual_instance, made.id)


def check_table_has_a_profile(user: User) -> None:
    with _file(user, "profiled") as made:
        refused(lambda: _profile(user, made.id), 404)  # there is no copy yet
        _refresh(user, connection_id=made.id, schema_name="main", table_name="people", data=True)
        profile = _profile(user, made.id)
        assert (profile.connection, profile.var_schema, profile.table) == (
            *("profiled", "main"),
            "people",
        )
        assert profile.row_count == 1000
        assert profile.synced_at.startswith("20")
        columns = {one.name: one for one in profile.columns}
        details = {
            name: one.profile and one.profile.actual_instance for name, one in columns.items()
        }
        kinds = {name: detail and detail.type for name, detail in details.items()}
        assert kinds == {
            "id": "numeric",
            "name": "text",
            "height": "numeric",
            "colour": "categorical",
            "born": "temporal",
            "active": "boolean",
            "nothing": None,
        }
        assert (details["id"].min, details["id"].max, details["id"].mean) == ("0", "999", 499.5)
        assert (details["name"].min_length, details["name"].max_length) == (8, 10)
        colours = [(each.value, each.count) for each in details["colour"].values]
        assert colours == [("red", 500), (None, 300), ("blue", 200)]
        assert (details["born"].min, details["born"].max) == ("1950-01-01", "1952-09-26")
        assert (details["active"].true_count, details["active"].false_count) == (500, 500)
        assert (columns["colour"].null_count, columns["colour"].null_percentage) == (300, 30)
        assert (columns["nothing"].null_count, columns["nothing"].cardinality) == (1000, 0)
        refused(lambda: _profile(user, made.id, "unknown"), 404)


def check_copies_are_purged(user: User) -> None:
    api = _connections(user)
    with _file(user, "purged") as made:

        def synced() -> int:
            return int(api.get_connection(made.id).synced_table_count)

        answer = user.query(
            "SELECT t.word, p.colour FROM purged.other.things t"
            " JOIN purged.main.people p ON p.id = t.id ORDER BY t.id"
        )
        assert answer.rows == [["zero", "red"], ["one", None], [None, "red"]]
        assert synced() == 2
        api.purge_table_cache(made.id, "other", "things")
        assert synced() == 1
        api.purge_table_cache(made.id, "other", "things")  # there is none: no error
        api.purge_connection_cache(made.id)
        assert synced() == 0
        assert user.query("SELECT count(*) FROM purged.other.things").rows == [[3]]
        assert api.get_connection(made.id).table_count == len(TABLES)
        refused(lambda: api.purge_table_cache(made.id, "other", "no"), 404)
    refused(lambda: api.purge_connection_cache("connunknown"), 404)
    refused(lambda: api.purge_table_cache("connunknown", "other", "things"), 404)


def _connections(user: User) -> Any:
    return hotdata.ConnectionsApi(user.client)


def _create(user: User, name: str, source_type: str, config: dict[str, Any], **more: Any) -> Any:
    request = hotdata.CreateConnectionRequest(
        name=name, source_type=source_type, config=config, **more
    )
    return _connections(user).create_connection(request)


@contextmanager
def _connected(
    user: User, name: str, source_type: str, config: dict[str, Any], **more: Any
) -> Iterator[Any]:
    """A connection for as long as the block runs: other checks count connections and tables."""
    made = _create(user, name, source_type, config, **more)
    try:
        yield made
    finally:
        _connections(user).delete_connection(made.id)


def _file(user: User, name: str, **more: Any) -> Any:
    return _connected(user, name, "duckdb", {"path": user.duckdb_path}, **more)


def _refresh(user: User, **fields: Any) -> Any:
    """Refresh and wait; the body as the one class that the SDK took it for."""
    return user.refreshes.refresh(hotdata.RefreshRequest(**fields)).actual_instance


def _finished(user: User, **fields: Any) -> Any:
    """Refresh as a job; the job when it has ended."""
    submitted = _refresh(user, **fields, var_async=True)
    assert type(submitted) is hotdata.SubmitJobResponse
    assert submitted.status == "pending"
    assert submitted.status_url == f"/v1/jobs/{submitted.id}"
    return until(
        lambda: user.jobs.get_job(submitted.id),
        lambda job: job.status not in {"pending", "running"},
    )


def _is_partial(done: Any, connection_id: str) -> None:
    """What comes of every table of the file: one of the four fails."""
    assert type(done) is hotdata.ConnectionRefreshResult
    assert done.connection_id == connection_id
    assert (done.tables_refreshed, done.tables_failed, done.total_rows) == (3, 1, 1005)
    (fault,) = done.errors
    assert (fault.schema_name, fault.table_name) == ("main", "broken")
    assert "on purpose" in fault.error
    _is_warned(done)


def _is_warned(done: Any) -> None:
    (warning,) = done.warnings
    assert (warning.schema_name, warning.table_name) == ("main", "endless")
    assert "day" in warning.message


def _profile(user: User, connection_id: str, table: str = "people") -> Any:
    return _connections(user).get_table_profile(connection_id, "main", table)


def _secret_names(user: User) -> set[str]:
    return {secret.name for secret in user.secrets.list_secrets().secrets}
