"""Saved queries, secrets, information schema, workspaces and credentials."""

import hotdata

from tests.system.sdk.client import User, refused

SECRET_VALUE = "canary-7d1f"


def check_saved_query_has_versions(user: User) -> None:
    created = user.saved.create_saved_query(
        hotdata.CreateSavedQueryRequest(
            name="mine", sql=" SELECT 1 AS v ", description="first", tags=["a", "b", "a"]
        )
    )
    assert (created.latest_version, created.sql, created.tags) == (1, "SELECT 1 AS v", ["a", "b"])
    assert created.description == "first"
    renamed = user.saved.update_saved_query(
        created.id, hotdata.UpdateSavedQueryRequest(name="ours")
    )
    assert (renamed.name, renamed.latest_version) == ("ours", 1)
    updated = user.saved.update_saved_query(
        created.id, hotdata.UpdateSavedQueryRequest(sql="SELECT 2 AS v")
    )
    assert (updated.latest_version, updated.sql) == (2, "SELECT 2 AS v")
    versions = user.saved.list_saved_query_versions(created.id)
    assert [version.version for version in versions.versions] == [2, 1]
    assert [version.sql for version in versions.versions] == ["SELECT 2 AS v", "SELECT 1 AS v"]
    latest = user.execute(created.id)
    assert latest.rows == [[2]]
    first = user.execute(created.id, version=1)
    assert first.rows == [[1]]
    runs = user.runs.list_query_runs(saved_query_id=created.id).query_runs
    assert [run.saved_query_version for run in runs] == [1, 2]
    refused(lambda: user.execute(created.id, version=9), 404)
    user.saved.delete_saved_query(created.id)
    refused(lambda: user.saved.get_saved_query(created.id), 404)
    kept = user.runs.list_query_runs(saved_query_id=created.id).query_runs
    assert len(kept) == 2


def check_saved_query_is_classified(user: User) -> None:
    detail = user.saved.create_saved_query(
        hotdata.CreateSavedQueryRequest(
            name="joined",
            sql="SELECT a.x, count(*) FROM (VALUES (1)) a(x) JOIN (VALUES (1)) b(x) ON a.x = b.x"
            " GROUP BY a.x ORDER BY 1 LIMIT 5",
        )
    )
    assert detail.category == "join"
    assert (detail.has_join, detail.has_aggregation, detail.has_group_by) == (True, True, True)
    assert (detail.has_order_by, detail.has_limit, detail.has_predicate) == (True, True, False)
    overridden = user.saved.update_saved_query(
        detail.id, hotdata.UpdateSavedQueryRequest(category_override="aggregation")
    )
    assert overridden.category == "aggregation"
    unparsed = user.saved.create_saved_query(
        hotdata.CreateSavedQueryRequest(name="broken", sql="SELECT FROM FROM")
    )
    assert (unparsed.category, unparsed.num_tables) == (None, None)


def check_saved_queries_are_listed(user: User) -> None:
    for name in ("z", "y"):
        user.saved.create_saved_query(hotdata.CreateSavedQueryRequest(name=name, sql="SELECT 1"))
    names = [query.name for query in user.saved.list_saved_queries().queries]
    assert names == sorted(names)
    page = user.saved.list_saved_queries(limit=1, offset=1)
    assert (page.count, page.limit, page.offset, page.has_more) == (1, 1, 1, True)
    refused(
        lambda: user.saved.create_saved_query(hotdata.CreateSavedQueryRequest(name=" ", sql="x")),
        400,
    )


def check_secrets_come_and_go(user: User) -> None:
    request = hotdata.CreateSecretRequest(name="DB-Password", value=SECRET_VALUE)
    created = user.secrets.create_secret(request)
    assert created.name == "db-password"
    refused(lambda: user.secrets.create_secret(request), 409)
    assert user.secrets.get_secret("DB-PASSWORD").created_at == created.created_at
    updated = user.secrets.update_secret(
        "db-password", hotdata.UpdateSecretRequest(value="another")
    )
    assert updated.updated_at >= created.created_at
    listed = user.secrets.list_secrets()
    assert "db-password" in {secret.name for secret in listed.secrets}
    assert SECRET_VALUE not in str(listed)
    user.secrets.delete_secret("db-password")
    refused(lambda: user.secrets.get_secret("db-password"), 404)
    refused(lambda: user.secrets.delete_secret("db-password"), 404)
    refused(
        lambda: user.secrets.create_secret(hotdata.CreateSecretRequest(name="a b", value="x")), 400
    )


def check_information_schema(user: User) -> None:
    tables = user.information_schema.information_schema(include_columns=True, limit=10)
    assert tables.has_more is False
    assert tables.count == len(tables.tables)
    refused(lambda: user.information_schema.information_schema(connection_id="connunknown"), 404)
    user.create_dataset("Seen", user.sql_source("SELECT 1 AS n"), "seen")
    answer = user.query(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'seen'"
    )
    assert answer.rows == [["n", "Int64"]]


def check_wrong_token_is_refused(user: User) -> None:
    client = user.connect("tm_wrong_token_000000000000000000")
    if user.version == "0.4.1":  # exchanges its token before the first call
        from hotdata._auth import TokenExchangeError

        message = ""
        try:
            hotdata.DatasetsApi(client).list_datasets()
        except TokenExchangeError as refusal:
            message = str(refusal)
        assert "401" in message
        return
    error = refused(lambda: hotdata.DatasetsApi(client).list_datasets(), 401)
    assert "invalid_api_key" in error.body
    refused(lambda: hotdata.WorkspacesApi(client).list_workspaces(), 401)


def check_exchanged_token_lasts(user: User) -> None:
    if user.version != "0.4.1":
        return
    configuration = user.connect(user.token).configuration
    first = configuration.api_key
    assert first
    assert configuration.api_key == first  # from its cache
    assert configuration._token_manager._refresh
    configuration._token_manager._exp = 0
    assert configuration.api_key  # by the refresh token


def check_missing_token_is_refused(user: User) -> None:
    client = hotdata.ApiClient(hotdata.Configuration(host=user.host))
    error = refused(lambda: hotdata.DatasetsApi(client).list_datasets(), 401)
    assert "missing_authorization" in error.body


def check_foreign_workspace_is_refused(user: User) -> None:
    if user.is_first:  # never names a workspace
        return
    configuration = hotdata.Configuration(
        host=user.host, api_key=user.token, workspace_id="workofsomebodyelse"
    )
    api = hotdata.DatasetsApi(hotdata.ApiClient(configuration))
    error = refused(api.list_datasets, 404)
    assert "workspace_not_found" in error.body


def check_workspaces_last(user: User) -> None:
    """Last: afterwards the token sees two workspaces, and must say which."""
    before = user.workspaces.list_workspaces()
    assert before.ok is True
    assert before.workspaces[0].active is True
    created = user.workspaces.create_workspace(hotdata.CreateWorkspaceRequest(name="second"))
    assert created.ok is True
    ids = {item.public_id for item in user.workspaces.list_workspaces().workspaces}
    assert created.workspace.public_id in ids
    refused(lambda: user.workspaces.create_workspace(hotdata.CreateWorkspaceRequest(name=" ")), 422)
    refused(lambda: user.workspaces.list_workspaces(organization_public_id="orgunknown"), 404)
    if user.is_first:  # cannot delete one, and sends no X-Workspace-Id
        refused(lambda: user.query("SELECT 1"), 400)
        return
    user.workspaces.delete_workspace(created.workspace.public_id)
    ids = {item.public_id for item in user.workspaces.list_workspaces().workspaces}
    assert created.workspace.public_id not in ids
