"""Who sends a notification, and when: claims, turns and places, on a clock of our own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.database import Database
from catalog.document_model import Delivery, DeliveryStatus, DocumentDataset, Entry, EntryStatus
from catalog.model import Workspace
from catalog.secret_store import Keyring, create_secret, delete_secret
from catalog.settings import Settings
from catalog.store import document_datasets as dataset_store
from catalog.store import document_deliveries as delivery_store
from catalog.store import document_entries as entry_store
from engine.service.documents.webhooks import DATASET_SENDING_MAX, WebhookSender
from tests.documents.receiver import Receiver, receiving
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

LONG_S = 3600.0
LATER = timedelta(days=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, egress_allow_private=True, webhook_timeout_s=LONG_S)


@pytest.fixture
async def make_sender(settings: Settings) -> AsyncIterator[Callable[..., WebhookSender]]:
    """Makes senders that send when they are told to, and closes them."""
    async with AsyncExitStack() as stack:

        def make(db: Database, **changed: Any) -> WebhookSender:
            chosen = settings.model_copy(update=changed)
            sender = WebhookSender(chosen, db, Keyring.open(chosen))
            stack.push_async_callback(sender.close)
            return sender

        yield make


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


async def make_dataset(
    db: Database, workspace: Workspace, url: str, **values: Any
) -> DocumentDataset:
    webhook = {"url": url, "events": ["entry.status_changed"], "enabled": True}
    fields = {
        "name": "Papers",
        "slug": f"papers-{url}",
        "description": "",
        "dataset_type": "text",
        "schema_definition": {},
        "current_schema_version": "v1",
        "webhook_config": webhook,
    }
    return await db.write(dataset_store.insert_dataset, workspace.id, fields | values)


async def make_entry(db: Database, dataset: DocumentDataset, slug: str = "one") -> Entry:
    fields = {
        "dataset_id": dataset.id,
        "name": slug,
        "slug": slug,
        "description": "",
        "metadata": {},
        "mime_type": "text/plain",
    }
    return await db.write(entry_store.insert_entry, dataset.workspace_id, fields)


async def change(db: Database, entry: Entry, *statuses: EntryStatus) -> None:
    for status in statuses:
        await db.write(entry_store.change_entry, entry.workspace_id, entry.id, {"status": status})


async def changed_entries(db: Database, dataset: DocumentDataset, count: int) -> list[Entry]:
    entries = [await make_entry(db, dataset, f"entry-{number}") for number in range(count)]
    for entry in entries:
        await change(db, entry, EntryStatus.UPLOADED)
    return entries


async def deliveries(db: Database, dataset: DocumentDataset) -> list[Delivery]:
    """The notifications of a dataset, the oldest first."""
    _, found = await db.read(
        delivery_store.page_deliveries, dataset.workspace_id, dataset.id, limit=1000, offset=0
    )
    return list(found[::-1])


async def statuses(db: Database, dataset: DocumentDataset) -> Counter[DeliveryStatus]:
    return Counter(each.status for each in await deliveries(db, dataset))


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await is_so():  # noqa: ASYNC110 - neither the catalog nor a receiver tells us
            await asyncio.sleep(0.01)


async def sent(sender: WebhookSender, now: datetime | None = None) -> int:
    """Let a sender begin all it may, and return how many these are."""
    total = 0
    while count := await sender.send_due(now or datetime.now(UTC)):
        total += count
    return total


async def test_of_several_servers_one_makes_each_try(
    catalog_url: str,
    db: Database,
    workspace: Workspace,
    receiver: Receiver,
    make_sender: Callable[..., WebhookSender],
) -> None:
    dataset = await make_dataset(db, workspace, receiver.url("/"))
    entries = [await make_entry(db, dataset, f"entry-{number}") for number in range(20)]
    other_db = await Database.open(catalog_url)
    senders = [make_sender(each) for each in (db, other_db, db)]
    for sender in senders:
        sender.start()
    for entry in entries:
        await change(db, entry, EntryStatus.UPLOADED, EntryStatus.PROCESSING, EntryStatus.PROCESSED)

    async def is_done() -> bool:
        return await statuses(db, dataset) == {DeliveryStatus.DELIVERED: 60}

    await until(is_done)
    for sender in senders:
        await sender.close()
    await other_db.close()
    ids = Counter(each.event["id"] for each in receiver.received)
    assert len(ids) == 60
    assert set(ids.values()) == {1}
    for entry in entries:
        told = [e.event["new_status"] for e in receiver.received if e.event["entry_id"] == entry.id]
        assert told == ["uploaded", "processing", "processed"]


async def test_a_receiver_that_hangs_holds_up_nobody_else(
    db: Database,
    workspace: Workspace,
    receiver: Receiver,
    make_sender: Callable[..., WebhookSender],
) -> None:
    receiver.silent.add("/hangs")
    hanging = await make_dataset(db, workspace, receiver.url("/hangs"))
    await changed_entries(db, hanging, 300)
    sender = make_sender(db)
    assert await sent(sender) == DATASET_SENDING_MAX
    good = await make_dataset(db, workspace, receiver.url("/good"))
    await changed_entries(db, good, 1)
    assert await sent(sender) == 1

    async def is_done() -> bool:
        return await statuses(db, good) == {DeliveryStatus.DELIVERED: 1}

    await until(is_done)
    assert await statuses(db, hanging) == {DeliveryStatus.PENDING: 300}


async def test_a_try_that_fails_keeps_the_turn_of_its_entry_and_of_no_other(
    db: Database,
    workspace: Workspace,
    receiver: Receiver,
    make_sender: Callable[..., WebhookSender],
) -> None:
    receiver.statuses["/"] = [500, 204]
    dataset = await make_dataset(db, workspace, receiver.url("/"))
    first = await make_entry(db, dataset, "first")
    await change(db, first, EntryStatus.UPLOADED, EntryStatus.PROCESSING)
    sender = make_sender(db, webhook_retry_s=LONG_S)
    assert await sent(sender) == 1

    async def has_failed() -> bool:
        return (await deliveries(db, dataset))[0].attempts == 1

    await until(has_failed)
    tried, waiting = await deliveries(db, dataset)
    assert tried.status is DeliveryStatus.PENDING
    assert tried.error == "The receiver answered with status 500"
    assert tried.next_at is not None
    assert waiting.next_at == tried.next_at
    await change(db, first, EntryStatus.PROCESSED)
    (second,) = await changed_entries(db, dataset, 1)
    assert await sent(sender, tried.next_at - timedelta(microseconds=1)) == 1
    await until(lambda: _has_come(receiver, 2))
    assert receiver.received[1].event["entry_id"] == second.id

    async def is_done() -> bool:
        await sent(sender, datetime.now(UTC) + LATER)
        return await statuses(db, dataset) == {DeliveryStatus.DELIVERED: 4}

    await until(is_done)
    told = [e.event["new_status"] for e in receiver.received if e.event["entry_id"] == first.id]
    assert told == ["uploaded", "uploaded", "processing", "processed"]


async def _has_come(receiver: Receiver, count: int) -> bool:
    return len(receiver.received) >= count


async def test_a_claim_ends_by_itself_and_what_came_of_it_is_then_not_written(
    db: Database,
    workspace: Workspace,
    receiver: Receiver,
    make_sender: Callable[..., WebhookSender],
) -> None:
    dataset = await make_dataset(db, workspace, receiver.url("/"))
    await changed_entries(db, dataset, 1)
    now = datetime.now(UTC)
    until_then = now + timedelta(seconds=100)
    (claimed,) = await db.write(delivery_store.claim, {dataset.id: 9}, now, until_then)
    assert claimed.next_at == until_then
    assert await db.write(delivery_store.claim, {dataset.id: 9}, now, until_then) == ()
    sender = make_sender(db)
    assert await sent(sender, until_then - timedelta(microseconds=1)) == 0
    lost = replace(claimed, status=DeliveryStatus.FAILED, error="too late")
    later = until_then + timedelta(seconds=100)
    (again,) = await db.write(delivery_store.claim, {dataset.id: 9}, until_then, later)
    assert not await db.write(delivery_store.settle, claimed, lost)
    assert await deliveries(db, dataset) == [again]
    assert await sent(sender, later) == 1

    async def is_done() -> bool:
        return await statuses(db, dataset) == {DeliveryStatus.DELIVERED: 1}

    await until(is_done)
    (before,) = await deliveries(db, dataset)
    assert not await db.write(delivery_store.settle, claimed, lost)
    assert await deliveries(db, dataset) == [before]


async def test_what_is_under_way_when_a_server_stops_is_due_at_once(
    db: Database,
    workspace: Workspace,
    receiver: Receiver,
    make_sender: Callable[..., WebhookSender],
) -> None:
    receiver.silent.add("/")
    dataset = await make_dataset(db, workspace, receiver.url("/"))
    await changed_entries(db, dataset, 2)
    sender = make_sender(db)
    assert await sent(sender) == 2
    await until(lambda: _has_come(receiver, 2))
    await sender.close()
    found = await deliveries(db, dataset)
    assert [(each.status, each.attempts) for each in found] == [(DeliveryStatus.PENDING, 0)] * 2
    assert await sent(make_sender(db)) == 2


async def test_a_notification_outlives_its_entry_but_not_its_dataset(
    db: Database,
    workspace: Workspace,
    receiver: Receiver,
    make_sender: Callable[..., WebhookSender],
) -> None:
    kept = await make_dataset(db, workspace, receiver.url("/kept"))
    removed = await make_dataset(db, workspace, receiver.url("/removed"))
    for dataset in (kept, removed):
        (entry,) = await changed_entries(db, dataset, 1)
        await db.write(entry_store.delete_entry, workspace.id, entry.id)
    await db.write(dataset_store.delete_dataset, workspace.id, removed.id)
    assert await sent(make_sender(db)) == 2

    async def is_done() -> bool:
        both = await statuses(db, kept) + await statuses(db, removed)
        return not both[DeliveryStatus.PENDING]

    await until(is_done)
    assert [each.path for each in receiver.received] == ["/kept"]
    (delivery,) = await deliveries(db, removed)
    assert (delivery.status, delivery.error) == (DeliveryStatus.FAILED, "The dataset was removed")


async def test_without_its_secret_nothing_is_sent(
    db: Database,
    workspace: Workspace,
    settings: Settings,
    receiver: Receiver,
    make_sender: Callable[..., WebhookSender],
) -> None:
    keyring = Keyring.open(settings)
    secret = await db.write(create_secret, keyring, workspace.id, "signer", "hush")
    url = receiver.url("/")
    dataset = await make_dataset(db, workspace, url, webhook_secret_id=secret.id)
    await changed_entries(db, dataset, 1)
    await db.write(delete_secret, workspace.id, "signer")
    assert await sent(make_sender(db, webhook_attempts_max=1)) == 1

    async def is_done() -> bool:
        return await statuses(db, dataset) == {DeliveryStatus.FAILED: 1}

    await until(is_done)
    assert receiver.received == []


async def test_turns_follow_the_changes_though_a_clock_goes_back(
    db: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = await make_dataset(db, workspace, "https://example.com/")
    entry = await make_entry(db, dataset)
    await change(db, entry, EntryStatus.UPLOADED)
    early = datetime.now(UTC) - LATER
    monkeypatch.setattr(delivery_store, "utc_now", lambda: early)
    await change(db, entry, EntryStatus.PROCESSING)
    found = await deliveries(db, dataset)
    assert [each.event["new_status"] for each in found] == ["uploaded", "processing"]


async def test_old_notifications_are_forgotten_unless_they_are_pending(
    db: Database, workspace: Workspace
) -> None:
    dataset = await make_dataset(db, workspace, "https://example.com/")
    await changed_entries(db, dataset, 3)
    now = datetime.now(UTC)
    claimed = await db.write(delivery_store.claim, {dataset.id: 2}, now, now + LATER)
    for each, completed_at in zip(claimed, (now, now + timedelta(seconds=1)), strict=True):
        done = replace(each, status=DeliveryStatus.DELIVERED, completed_at=completed_at)
        assert await db.write(delivery_store.settle, each, done)
    moment = now + timedelta(seconds=1)
    assert await db.write(delivery_store.forget_deliveries, moment) == 1
    left = {each.id for each in await deliveries(db, dataset)}
    assert len(left) == 2
    assert claimed[0].id not in left
