"""Delivers the notifications of document datasets to their webhooks, at least once.

Of several servers one makes each try: it claims the notification in the catalog first. Several are
under way at once, few of them of one dataset, so that a receiver that hangs holds up nobody else.
The trap: whether a receiver has got what it did not answer is not known, so it may get it again.
"""

import asyncio
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import orjson
import structlog
from sqlalchemy import Connection

from catalog import secret_store
from catalog.database import Database
from catalog.document_model import Delivery, DeliveryStatus
from catalog.errors import CatalogError
from catalog.secret_store import Keyring
from catalog.settings import Settings
from catalog.store import document_datasets as dataset_store
from catalog.store import document_deliveries as delivery_store
from connectors.egress import EgressPolicy, JsonPost
from connectors.errors import EgressFailed, EgressRefused

SENDING_MAX = 128
DATASET_SENDING_MAX = 4
_POLL_S = 1.0
# For writing down what came of a try: nobody else makes the next one before.
_SETTLE_S = 15.0
_PAUSE_MOST_S = 3600.0
_PAUSES_GROW = 20
_ANSWER_BYTES = 1 << 16
_SUCCESS = range(200, 300)
_GONE = 410

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Webhook:
    """Where a notification goes, and what signs it."""

    url: str
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of a try; ``error`` says why it failed, in words for whoever set the webhook up."""

    status: int | None = None
    error: str | None = None
    may_pass: bool = False


class _WebhookEnded(Exception):
    """There is nowhere to deliver to any more."""


class WebhookSender:
    """The background task of one serving engine."""

    def __init__(self, settings: Settings, db: Database, keyring: Keyring) -> None:
        self._settings = settings
        self._db = db
        self._keyring = keyring
        self._loop: asyncio.Task[None] | None = None
        self._sending: dict[asyncio.Task[None], Delivery] = {}
        self._has_room = asyncio.Event()
        self._failures = 0

    def start(self) -> None:
        """Begin to look for notifications."""
        self._loop = asyncio.create_task(self._repeat(), name="webhooks")

    async def close(self) -> None:
        """Stop; what was under way is tried again by whoever comes next."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        sending = dict(self._sending)
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        if sending:
            with suppress(CatalogError):
                await self._db.write(delivery_store.release, sending.values(), datetime.now(UTC))

    async def send_due(self, now: datetime) -> int:
        """Begin to deliver what is due at a moment, as far as there is room; return how many.

        Raises:
            CatalogError: the catalog cannot be reached.
        """
        busy = Counter(delivery.dataset_id for delivery in self._sending.values())
        full = [dataset_id for dataset_id, count in busy.items() if count >= DATASET_SENDING_MAX]
        waiting = await self._db.read(delivery_store.list_waiting, now, without=full)
        places = _share(waiting, busy, SENDING_MAX - len(self._sending))
        if not places:
            return 0
        until = now + timedelta(seconds=self._settings.webhook_timeout_s + _SETTLE_S)
        claimed = await self._db.write(delivery_store.claim, places, now, until)
        for delivery in claimed:
            task = asyncio.create_task(self._deliver(delivery), name=f"webhook {delivery.id}")
            self._sending[task] = delivery
            task.add_done_callback(self._forget)
        return len(claimed)

    async def _repeat(self) -> None:
        while True:
            self._has_room.clear()
            try:
                count = await self.send_due(datetime.now(UTC))
                self._failures = 0
            except CatalogError as error:
                count = 0
                self._failures += 1
                # Once for as long as the catalog is away, and not for a moment's absence.
                if self._failures == 2:  # noqa: PLR2004 - the second in a row
                    log.warning("webhooks.failed", error=error.message)
            if not count:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._has_room.wait(), _POLL_S)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        self._has_room.set()

    async def _deliver(self, delivery: Delivery) -> None:
        outcome = await self._try(delivery)
        after = _settled(delivery, outcome, self._settings, datetime.now(UTC))
        try:
            await self._db.write(delivery_store.settle, delivery, after)
        except CatalogError as error:
            # The claim runs out and it is tried again.
            log.warning("webhook.not_recorded", delivery_id=delivery.id, error=error.message)
            return
        _tell_log(after)

    async def _try(self, delivery: Delivery) -> _Outcome:
        try:
            webhook = await self._db.read(_find_webhook, self._keyring, delivery)
            status = await self._post(webhook, delivery)
        except (_WebhookEnded, EgressRefused) as error:
            return _Outcome(error=str(error))
        except EgressFailed as error:
            return _Outcome(error=str(error), may_pass=True)
        except CatalogError as error:
            return _Outcome(error=error.message, may_pass=True)
        except Exception as error:  # noqa: BLE001 - the outermost frame of a background task
            log.warning("webhook.broke", delivery_id=delivery.id, error=type(error).__name__)
            return _Outcome(error="Internal error", may_pass=True)
        if status in _SUCCESS:
            return _Outcome(status)
        return _Outcome(status, f"The receiver answered with status {status}", status != _GONE)

    async def _post(self, webhook: _Webhook, delivery: Delivery) -> int:
        """Send a notification; return the status of the answer."""
        policy = EgressPolicy(
            allow_private=self._settings.egress_allow_private,
            size_max_bytes=_ANSWER_BYTES,
            timeout_s=self._settings.webhook_timeout_s,
        )
        body = orjson.dumps(delivery.event)
        async with JsonPost(webhook.url, policy, headers=_headers(webhook, delivery, body)) as door:
            return await door.tell(body)


def _share(waiting: Sequence[int], busy: Mapping[int, int], free: int) -> dict[int, int]:
    """Share places out: who has the fewest comes first, and of these who waits the longest.

    >>> _share([7, 8], {7: 3}, 4)
    {8: 3, 7: 1}
    """
    turns = sorted(
        (place, number, dataset_id)
        for number, dataset_id in enumerate(waiting)
        for place in range(busy.get(dataset_id, 0), DATASET_SENDING_MAX)
    )
    return dict(Counter(dataset_id for _, _, dataset_id in turns[: max(0, free)]))


def _find_webhook(conn: Connection, keyring: Keyring, delivery: Delivery) -> _Webhook:
    """Read where a notification goes by now.

    Raises:
        _WebhookEnded: nowhere.
        CatalogError: its secret is gone or cannot be opened: it is not sent without a signature.
    """
    found = dataset_store.list_datasets(conn, delivery.workspace_id, ids=[delivery.dataset_id])
    if not found:
        raise _WebhookEnded("The dataset was removed")
    (dataset,) = found
    config = dataset.webhook_config
    if config is None:
        raise _WebhookEnded("The webhook was removed")
    if not config["enabled"]:
        raise _WebhookEnded("The webhook was disabled")
    secret_id = dataset.webhook_secret_id
    if secret_id is None:
        return _Webhook(config["url"], None)
    secret = secret_store.read_value(conn, keyring, delivery.workspace_id, secret_id)
    return _Webhook(config["url"], secret)


def _headers(webhook: _Webhook, delivery: Delivery, body: bytes) -> dict[str, str]:
    headers = {"x-tidemill-event": delivery.event["type"], "x-tidemill-delivery": delivery.id}
    if webhook.secret is not None:
        digest = hmac.digest(webhook.secret.encode(), body, "sha256").hex()
        headers["x-callback-signature"] = f"sha256={digest}"
    return headers


def _settled(delivery: Delivery, outcome: _Outcome, settings: Settings, now: datetime) -> Delivery:
    """Say what a notification is after a try: pending until the next one, or completed."""
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        response_status=outcome.status,
        error=outcome.error,
    )
    if outcome.may_pass and tried.attempts < settings.webhook_attempts_max:
        pause_s = _pause_s(settings.webhook_retry_s, tried.attempts)
        return replace(tried, next_at=now + timedelta(seconds=pause_s))
    status = DeliveryStatus.DELIVERED if outcome.error is None else DeliveryStatus.FAILED
    return replace(tried, status=status, completed_at=now)


def _pause_s(first_s: float, attempts: int) -> float:
    """Four times as long after each try, at most an hour.

    >>> [_pause_s(2, attempts) for attempts in (1, 2, 3, 100)]
    [2.0, 8.0, 32.0, 3600.0]
    """
    return min(_PAUSE_MOST_S, first_s * 4.0 ** min(attempts - 1, _PAUSES_GROW))


def _tell_log(delivery: Delivery) -> None:
    facts = {
        "delivery_id": delivery.id,
        "dataset_id": delivery.dataset_id,
        "attempts": delivery.attempts,
        "response_status": delivery.response_status,
    }
    if delivery.error is None:
        log.info("webhook.delivered", **facts)
    else:
        is_over = delivery.completed_at is not None
        log.warning("webhook.failed", **facts, error=delivery.error, is_over=is_over)
