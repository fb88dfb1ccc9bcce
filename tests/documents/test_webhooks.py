"""Notifications of entries as a real receiver gets them from a real server."""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.documents.receiver import Received, Receiver, receiving
from tests.patience import PATIENCE_S
from tests.server.running import RunningServer, serving

STATUS_CHANGED = "entry.status_changed"
SCHEMA: dict[str, Any] = {
    "schema_id": "general",
    "version": "v1",
    "description": "",
    "original": {"metadata_schema": {}},
    "processed": {},
    "processing": None,
}
FAST = {
    "egress_allow_private": "true",
    "webhook_attempts_max": 3,
    "webhook_retry_s": 0.01,
    "webhook_timeout_s": 2,
    "log_level": "debug",
}
"""Three tries, two seconds each, and hardly a pause between them."""


class Library:
    """The Data API as one organisation."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def dataset(self, url: str, **webhook: Any) -> dict[str, Any]:
        slug = f"papers-{uuid4().hex[:8]}"
        answer = self.client.post(
            "/api/v1/datasets",
            json={
                "name": "Papers",
                "slug": slug,
                "schema_definition": SCHEMA,
                "webhook_config": {"url": url, **webhook},
            },
        )
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def change(self, dataset: dict[str, Any], webhook: dict[str, Any] | None) -> dict[str, Any]:
        answer = self.client.patch(
            f"/api/v1/datasets/{dataset['id']}", json={"webhook_config": webhook}
        )
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        return changed

    def entry(self, dataset: dict[str, Any], slug: str = "one") -> int:
        body = {"dataset_id": dataset["id"], "name": slug, "slug": slug, "metadata": {}}
        answer = self.client.post("/api/v1/entries", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["entry"]["id"])

    def upload(self, entry_id: int, content: bytes = b"Some text.\n") -> None:
        answer = self.client.post(
            f"/api/v1/entries/{entry_id}/upload",
            files={"file": ("paper.txt", content)},
            data={"file_type": "original"},
        )
        assert answer.status_code == 200, answer.text

    def deliveries(self, dataset: dict[str, Any], **options: int) -> dict[str, Any]:
        answer = self.client.get(
            f"/api/v1/datasets/{dataset['id']}/webhook-deliveries", params=options
        )
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def settled(
        self,
        dataset: dict[str, Any],
        is_right: Callable[[list[dict[str, Any]]], bool] = lambda found: not pending_of(found),
    ) -> list[dict[str, Any]]:
        """Wait until the notifications of a dataset are as they should be; the oldest first."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            found = self.deliveries(dataset)["deliveries"][::-1]
            if found and is_right(found):
                return list(found)
            time.sleep(0.05)
        raise AssertionError(found)


def pending_of(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in found if each["status"] == "pending"]


def library_of(server: RunningServer) -> Library:
    return Library(server.client(**{"x-organization-id": "1"}))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("webhooks") / "data", **FAST) as running:
        yield running


@pytest.fixture(scope="module")
def library(server: RunningServer) -> Iterator[Library]:
    made = library_of(server)
    with made.client:
        yield made


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def types_of(received: list[Received]) -> list[str]:
    return [each.event["type"] for each in received]


def is_genuine(body: bytes, signature: str, secret: str) -> bool:
    """Check a signature as the page on webhooks says."""
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (check,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(check, names)  # noqa: S102 - our own page
    return bool(names["is_genuine"](body, signature, secret))


def test_a_change_is_told_with_its_signature(library: Library, receiver: Receiver) -> None:
    secret = "hush, not für others"
    dataset = library.dataset(receiver.url("/signed"), secret=secret, events=["entry.uploaded"])
    entry_id = library.entry(dataset)
    library.upload(entry_id)
    (received,) = receiver.wait("/signed", lambda found: len(found) >= 1)
    digest = hmac.new(secret.encode(), received.body, hashlib.sha256).hexdigest()
    assert received.headers["x-callback-signature"] == f"sha256={digest}"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["x-tidemill-event"] == "entry.uploaded"
    assert is_genuine(received.body, received.headers["x-callback-signature"], secret)
    assert not is_genuine(received.body + b" ", received.headers["x-callback-signature"], secret)
    (delivery,) = library.settled(dataset)
    assert received.headers["x-tidemill-delivery"] == received.event["id"] == delivery["id"]
    assert received.event == {
        "id": delivery["id"],
        "type": "entry.uploaded",
        "created_at": delivery["created_at"],
        "organization_id": 1,
        "cluster_id": 1,
        "dataset_id": dataset["id"],
        "entry_id": entry_id,
        "entry_slug": "one",
        "old_status": "uploading",
        "new_status": "uploaded",
        "error": None,
    }


def test_without_a_secret_there_is_no_signature(library: Library, receiver: Receiver) -> None:
    dataset = library.dataset(receiver.url("/plain"))
    library.upload(library.entry(dataset))
    received = receiver.wait("/plain", lambda found: len(found) >= 2)
    assert all("x-callback-signature" not in each.headers for each in received)
    assert set(types_of(received)) == {STATUS_CHANGED}, "what a webhook tells unless told"


def test_a_new_secret_signs_from_then_on_and_none_is_left_when_the_webhook_goes(
    library: Library, receiver: Receiver
) -> None:
    url = receiver.url("/rotated")
    dataset = library.dataset(url, secret="first", events=["entry.uploaded"])
    changed = library.change(
        dataset, {"url": url, "secret": "second", "events": ["entry.uploaded"]}
    )
    assert changed["webhook_config"] == {
        "url": url,
        "events": ["entry.uploaded"],
        "enabled": True,
        "has_secret": True,
    }
    library.upload(library.entry(dataset))
    (received,) = receiver.wait("/rotated", lambda found: len(found) >= 1)
    digest = hmac.new(b"second", received.body, hashlib.sha256).hexdigest()
    assert received.headers["x-callback-signature"] == f"sha256={digest}"
    assert library.change(dataset, None)["webhook_config"] is None
    changed = library.change(dataset, {"url": url})
    assert changed["webhook_config"]["has_secret"] is False


def test_an_entry_is_told_of_from_upload_to_the_end_in_order(
    library: Library, receiver: Receiver
) -> None:
    dataset = library.dataset(receiver.url("/order"))
    answer = library.client.post(
        f"/api/v1/pipelines/datasets/{dataset['id']}/apply-preset",
        params={"preset_name": "general_purpose"},
    )
    assert answer.status_code == 200, answer.text
    receiver.statuses["/order"] = [500, 503, 204]
    good, bad = library.entry(dataset, "good"), library.entry(dataset, "bad")
    library.upload(good, b"A text about rivers and mills.\n")
    library.upload(bad, b"%PDF-1.7 cut off")

    def is_complete(found: list[Received]) -> bool:
        ends = {each.event["entry_id"] for each in found if each.event["new_status"] in ENDS}
        return ends == {good, bad}

    received = receiver.wait("/order", is_complete)
    stories: dict[int, list[dict[str, Any]]] = {good: [], bad: []}
    for each in received:
        story = stories[each.event["entry_id"]]
        if not story or story[-1]["id"] != each.event["id"]:
            story.append(each.event)
    assert steps_of(stories[good]) == ["uploading", "uploaded", "processing", "processed"]
    assert steps_of(stories[bad]) == ["uploading", "uploaded", "processing", "failed"]
    assert stories[good][-1]["error"] is None
    assert stories[bad][-1]["error"]


ENDS = {"processed", "failed"}


def steps_of(story: list[dict[str, Any]]) -> list[str]:
    """The statuses of an entry as it was told of them; each change begins where the last one ended."""
    steps = ["pending"]
    for event in story:
        assert event["old_status"] == steps[-1]
        steps.append(event["new_status"])
    return steps[1:]


def test_only_the_events_asked_for_are_told(library: Library, receiver: Receiver) -> None:
    events = ["entry.failed", "entry.uploaded"]
    dataset = library.dataset(receiver.url("/some"), events=events)
    for number in range(3):
        library.upload(library.entry(dataset, f"entry-{number}"))
    library.settled(dataset, lambda found: [each["status"] for each in found] == ["delivered"] * 3)
    assert types_of(receiver.at("/some")) == ["entry.uploaded"] * 3


def test_one_change_may_be_told_as_two_events(library: Library, receiver: Receiver) -> None:
    dataset = library.dataset(receiver.url("/both"), events=[STATUS_CHANGED, "entry.uploaded"])
    library.upload(library.entry(dataset))
    received = receiver.wait("/both", lambda found: len(found) >= 3)
    assert sorted(types_of(received)) == [STATUS_CHANGED, STATUS_CHANGED, "entry.uploaded"]
    assert len({each.event["id"] for each in received}) == 3


def test_failures_are_tried_again_with_the_same_bytes(library: Library, receiver: Receiver) -> None:
    receiver.statuses["/flaky"] = [500, 302, 200]
    dataset = library.dataset(receiver.url("/flaky"), secret="s", events=["entry.uploaded"])
    library.upload(library.entry(dataset))
    received = receiver.wait("/flaky", lambda found: len(found) >= 3)
    assert len({(each.body, each.headers["x-callback-signature"]) for each in received}) == 1
    (delivery,) = library.settled(dataset)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 3)
    assert (delivery["response_status"], delivery["error"]) == (200, None)
    assert delivery["completed_at"] is not None
    assert delivery["next_at"] is None


def test_after_the_last_try_it_is_given_up_and_the_next_one_has_its_turn(
    library: Library, receiver: Receiver
) -> None:
    receiver.statuses["/down"] = [500, 500, 500, 204]
    dataset = library.dataset(receiver.url("/down"))
    library.upload(library.entry(dataset))
    first, second = library.settled(dataset, lambda found: found[-1]["status"] != "pending")
    assert (first["status"], first["attempts"], first["response_status"]) == ("failed", 3, 500)
    assert first["error"] == "The receiver answered with status 500"
    assert (second["status"], second["attempts"]) == ("delivered", 1)
    told = [each.event["new_status"] for each in receiver.at("/down")]
    assert told == ["uploading"] * 3 + ["uploaded"]


def test_410_ends_it_at_once(library: Library, receiver: Receiver) -> None:
    receiver.statuses["/gone"] = [410]
    dataset = library.dataset(receiver.url("/gone"), events=["entry.uploaded"])
    library.upload(library.entry(dataset))
    (delivery,) = library.settled(dataset)
    assert (delivery["status"], delivery["attempts"]) == ("failed", 1)
    assert delivery["response_status"] == 410


def test_who_does_not_answer_is_given_up(library: Library, receiver: Receiver) -> None:
    receiver.silent.add("/silent")
    silent = library.dataset(receiver.url("/silent"), events=["entry.uploaded"])
    dead = library.dataset("http://127.0.0.1:1/", events=["entry.uploaded"])
    for dataset in (silent, dead):
        library.upload(library.entry(dataset))
    (unanswered,) = library.settled(silent)
    assert (unanswered["status"], unanswered["attempts"]) == ("failed", 3)
    assert unanswered["response_status"] is None
    assert unanswered["error"] == "The request took longer than 2 s"
    (unreached,) = library.settled(dead)
    assert unreached["error"] == "The address could not be reached, or broke off"


def test_only_the_status_of_an_answer_counts(library: Library, receiver: Receiver) -> None:
    receiver.statuses["/odd"] = [202]
    receiver.extra["/odd"] = ({"Content-Encoding": "gzip"}, b"x" * (1 << 20))
    dataset = library.dataset(receiver.url("/odd"), events=["entry.uploaded"])
    library.upload(library.entry(dataset))
    (delivery,) = library.settled(dataset)
    assert (delivery["status"], delivery["response_status"]) == ("delivered", 202)


def test_a_disabled_webhook_is_silent(library: Library, receiver: Receiver) -> None:
    url = receiver.url("/off")
    dataset = library.dataset(url, enabled=False)
    entry_id = library.entry(dataset)
    library.upload(entry_id)
    assert library.deliveries(dataset)["total"] == 0
    library.change(dataset, {"url": url, "events": ["entry.uploaded"], "enabled": True})
    library.upload(library.entry(dataset, "two"))
    (received,) = receiver.wait("/off", lambda found: len(found) >= 1)
    assert received.event["entry_slug"] == "two"


@pytest.mark.parametrize(
    ("webhook", "reason"),
    [
        (None, "The webhook was removed"),
        ({"enabled": False}, "The webhook was disabled"),
    ],
)
def test_what_is_pending_when_its_webhook_goes_is_given_up(
    library: Library, receiver: Receiver, webhook: dict[str, Any] | None, reason: str
) -> None:
    path = f"/ended-{uuid4().hex}"
    receiver.silent.add(path)
    url = receiver.url(path)
    dataset = library.dataset(url)
    library.upload(library.entry(dataset))
    receiver.wait(path, lambda found: len(found) >= 1)
    library.change(dataset, None if webhook is None else {"url": url, **webhook})
    found = library.settled(dataset)
    assert [(each["status"], each["error"]) for each in found] == [("failed", reason)] * 2


def test_the_secret_and_the_address_are_in_no_answer_and_no_log(
    server: RunningServer, library: Library, receiver: Receiver
) -> None:
    secret, key = f"secret-{uuid4().hex}", f"key-{uuid4().hex}"
    path = f"/private?key={key}"
    receiver.statuses[path] = [500, 204]
    receiver.extra[path] = ({"X-Answer": "none"}, b"words of the receiver")
    dataset = library.dataset(receiver.url(path), secret=secret)
    library.upload(library.entry(dataset))
    library.settled(dataset)
    shown = [
        library.client.get(address).text
        for address in (
            "/api/v1/datasets",
            f"/api/v1/datasets/{dataset['id']}",
            f"/api/v1/datasets/slug/{dataset['slug']}",
            f"/api/v1/datasets/{dataset['id']}/webhook-deliveries",
            "/v1/secrets",
        )
    ]
    log = "".join(server.log)
    assert "webhook.delivered" in log
    assert "webhook.failed" in log
    for text in (*shown, log, json.dumps(dataset)):
        assert secret not in text
    for text in (log, shown[3]):
        assert key not in text
        assert "words of the receiver" not in text


def test_notifications_are_listed_in_pages_newest_first(
    library: Library, receiver: Receiver
) -> None:
    dataset = library.dataset(receiver.url("/listed"), events=["entry.uploaded"])
    entries = [library.entry(dataset, f"entry-{number}") for number in range(3)]
    for entry_id in entries:
        library.upload(entry_id)
    library.settled(dataset, lambda found: [each["status"] for each in found] == ["delivered"] * 3)
    first = library.deliveries(dataset, page=1, page_size=2)
    second = library.deliveries(dataset, page=2, page_size=2)
    assert (first["total"], first["total_pages"], first["page_size"]) == (3, 2, 2)
    listed = [each["entry_id"] for each in first["deliveries"] + second["deliveries"]]
    assert listed == entries[::-1]
    answer = library.client.get("/api/v1/datasets/999999/webhook-deliveries")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "webhook",
    [
        {"url": "ftp://example.com/"},
        {"url": "http://user:word@example.com/"},
        {"url": "no address"},
        {"url": "https://example.com/", "events": ["entry.invented"]},
    ],
)
def test_a_webhook_that_cannot_be_meant_is_refused(
    library: Library, webhook: dict[str, Any]
) -> None:
    body = {"name": "x", "slug": f"x-{uuid4().hex}", "schema_definition": SCHEMA}
    answer = library.client.post("/api/v1/datasets", json={**body, "webhook_config": webhook})
    assert answer.status_code == 422, answer.text


def test_private_addresses_get_nothing_unless_they_may(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server, receiving() as receiver:
        library = library_of(server)
        with library.client:
            dataset = library.dataset(receiver.url("/"), events=["entry.uploaded"])
            named = library.dataset(
                f"http://localhost:{receiver.server_port}/", events=["entry.uploaded"]
            )
            for each in (dataset, named):
                library.upload(library.entry(each))
                (delivery,) = library.settled(each)
                assert (delivery["status"], delivery["attempts"]) == ("failed", 1)
                assert delivery["error"] == "The address may not be reached from here."
        assert receiver.received == []


def test_a_killed_server_tells_what_it_had_not_told(tmp_path: Path) -> None:
    with receiving() as receiver:
        with serving(tmp_path / "data", **FAST) as server:
            library = library_of(server)
            with library.client:
                dataset = library.dataset(receiver.url("/"), secret="s")
                entry_id = library.entry(dataset)
                library.upload(entry_id)
                server.process.kill()
                server.wait()
        with serving(tmp_path / "data", **FAST) as server:
            library = library_of(server)
            with library.client:
                found = library.settled(dataset)
        assert [each["status"] for each in found] == ["delivered"] * 2
        told = list(dict.fromkeys(each.event["id"] for each in receiver.received))
        assert told == [each["id"] for each in found]


def test_tries_go_on_after_a_restart(tmp_path: Path) -> None:
    with receiving() as receiver:
        receiver.silent.add("/")
        patient = {**FAST, "webhook_timeout_s": 3600}
        with serving(tmp_path / "data", **patient) as server:
            library = library_of(server)
            with library.client:
                dataset = library.dataset(receiver.url("/"), events=["entry.uploaded"])
                library.upload(library.entry(dataset))
            receiver.wait("/", lambda found: len(found) >= 1)
        assert server.wait() == 0
        receiver.silent.clear()
        with serving(tmp_path / "data", **patient) as server:
            library = library_of(server)
            with library.client:
                (delivery,) = library.settled(dataset)
        assert delivery["status"] == "delivered"
        first, second = receiver.received
        assert first.body == second.body
