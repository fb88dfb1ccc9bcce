"""Uploads, datasets, refresh and jobs, as a user of the SDK writes them."""

import hotdata

from tests.system.sdk.client import CARS, User, refused, until


def check_upload_is_listed(user: User) -> None:
    upload_id = user.upload(CARS)
    listed = user.uploads.list_uploads()
    mine = next(upload for upload in listed.uploads if upload.id == upload_id)
    assert mine.status == "pending"
    assert mine.size_bytes == len(CARS)
    assert mine.content_type == "text/csv"
    waiting = user.uploads.list_uploads(status="consumed")
    assert upload_id not in {upload.id for upload in waiting.uploads}


def check_dataset_from_upload(user: User) -> None:
    upload_id = user.upload(CARS)
    made = user.create_dataset("Cars", user.upload_source(upload_id))
    assert (made.table_name, made.schema_name, made.status) == ("cars", "main", "ready")
    answer = user.query("SELECT * FROM datasets.main.cars ORDER BY name")
    assert answer.columns == ["name", "mpg", "year"]
    assert answer.rows == [["fiat", 29.0, 1974], ["saab", None, 1978], ["volvo", 21.5, 1970]]
    assert answer.nullable == [True, True, True]
    used = user.uploads.list_uploads(status="consumed")
    assert upload_id in {upload.id for upload in used.uploads}
    refused(lambda: user.create_dataset("Again", user.upload_source(upload_id)), 400)


def check_dataset_from_inline_csv(user: User) -> None:
    made = user.create_dataset("Inline", user.inline_source("a,b\n1,x\n2,y\n", "csv"), "inline_csv")
    detail = user.datasets.get_dataset(made.id)
    assert detail.source_type == "inline"
    assert [(c.name, c.data_type) for c in detail.columns] == [("a", "Int64"), ("b", "Utf8")]
    assert user.query("SELECT sum(a) FROM inline_csv").rows == [[3]]


def check_dataset_from_inline_json(user: User) -> None:
    user.create_dataset("J", user.inline_source('{"k": 1}\n{"k": null}\n', "json"), "inline_json")
    assert user.query("SELECT k FROM inline_json").rows == [[1], [None]]


def check_dataset_from_sql_is_refreshed(user: User) -> None:
    made = user.create_dataset("Numbers", user.sql_source("SELECT 1 AS n"), "numbers")
    request = hotdata.RefreshRequest(dataset_id=made.id)
    refreshed = user.refreshes.refresh(request).actual_instance
    assert (refreshed.id, refreshed.version, refreshed.status) == (made.id, 2, "ready")
    versions = user.datasets.list_dataset_versions(made.id)
    assert [version.version for version in versions.versions] == [2, 1]
    assert (versions.count, versions.has_more) == (2, False)


def check_dataset_from_saved_query(user: User) -> None:
    saved = user.saved.create_saved_query(
        hotdata.CreateSavedQueryRequest(name="source", sql="SELECT 7 AS seven")
    )
    user.create_dataset("Sevens", user.saved_query_source(saved.id, 1), "sevens")
    assert user.query("SELECT seven FROM sevens").rows == [[7]]


def check_async_refresh_is_a_job(user: User) -> None:
    made = user.create_dataset("Later", user.sql_source("SELECT 1 AS n"), "later")
    request = hotdata.RefreshRequest(dataset_id=made.id, var_async=True)
    submitted = user.refreshes.refresh(request).actual_instance
    assert submitted.status_url == f"/v1/jobs/{submitted.id}"
    until(lambda: user.datasets.get_dataset(made.id), lambda dataset: dataset.latest_version == 2)
    listed = user.jobs.list_jobs().jobs
    if user.is_first:  # its closed list of job types has no dataset refresh
        assert submitted.id not in {job.id for job in listed}
        return
    job = until(lambda: user.jobs.get_job(submitted.id), lambda seen: seen.status == "succeeded")
    assert job.job_type == "dataset_refresh"
    assert job.attempts == 1
    assert job.result.actual_instance.version == 2
    assert submitted.id in {job.id for job in listed}


def check_jobs_are_filtered(user: User) -> None:
    assert user.jobs.list_jobs(job_type="noop", status="pending,running").jobs == []
    refused(lambda: user.jobs.get_job("jobxunknown"), 404)


def check_dataset_is_renamed_pinned_and_deleted(user: User) -> None:
    made = user.create_dataset("Old name", user.sql_source("SELECT 1 AS n"), "old_name")
    user.refreshes.refresh(hotdata.RefreshRequest(dataset_id=made.id))
    change = hotdata.UpdateDatasetRequest(label="New", table_name="new_name", pinned_version=1)
    changed = user.datasets.update_dataset(made.id, change)
    assert (changed.label, changed.table_name, changed.pinned_version) == ("New", "new_name", 1)
    unpinned = user.datasets.update_dataset(
        made.id, hotdata.UpdateDatasetRequest(pinned_version=None)
    )
    assert unpinned.pinned_version is None
    assert unpinned.latest_version == 2
    user.datasets.delete_dataset(made.id)
    refused(lambda: user.datasets.get_dataset(made.id), 404)
    refused(lambda: user.query("SELECT * FROM new_name"), 400)


def check_datasets_are_paged(user: User) -> None:
    for number in range(3):
        user.create_dataset(f"Page {number}", user.sql_source("SELECT 1 AS n"))
    page = user.datasets.list_datasets(limit=2, offset=1)
    assert (page.count, page.limit, page.offset, page.has_more) == (2, 2, 1, True)


def check_table_name_conflict(user: User) -> None:
    user.create_dataset("One", user.sql_source("SELECT 1 AS n"), "taken")
    refused(lambda: user.create_dataset("Two", user.sql_source("SELECT 1 AS n"), "taken"), 409)


def check_bad_datasets_are_refused(user: User) -> None:
    refused(lambda: user.create_dataset("X", user.upload_source("upldunknown")), 400)
    refused(lambda: user.create_dataset(" ", user.inline_source("a\n1\n", "csv")), 400)
    refused(lambda: user.create_dataset("Y", user.inline_source("a\n1\n", "xls")), 400)
    refused(lambda: user.datasets.get_dataset("dataunknown"), 404)
