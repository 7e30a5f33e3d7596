"""Codes on their way: e-mail or signed event, durable, tried again, wiped afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.fraud.domain.devices import Origin, read_verification
from payops.fraud.service.delivering import UNDELIVERED
from payops.fraud.service.devices import NO_CHANNEL, Devices
from payops.idempotency.domain import Answer
from tests.support.collector import HANG, OK, Collector, collector
from tests.support.shop import AMINA, Shop, running_shop
from tests.support.smtp import Relay, relay

SECRET = "whsec_bWFkZS11cC1zZWNyZXQtb2YtdGhlLXRlc3Rz"
EMAIL = "amina@example.test"
DOWN = "503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
KNOWN, STRANGE = Origin(b"a" * 32), Origin(b"b" * 32)
MAIL = Origin(b"c" * 32, email=EMAIL)


@asynccontextmanager
async def told_by(url: str, posts: Collector | None, mails: Relay | None) -> AsyncIterator[Shop]:
    """A shop with a known device of Amina's, and the channels that are given."""
    groups: dict[str, Any] = {}
    if posts:
        groups["events"] = {"url": f"{posts.url}/events", "secret": SECRET}
    if mails:
        groups["alerts"] = {
            "smtp_url": f"smtp://127.0.0.1:{mails.port}",
            "email_from": "BETRIX <no-reply@example.test>",
            "email_to": "ops@example.test",
        }
    async with running_shop(url, overrides=groups) as shop:
        await shop.funds(AMINA, 1_000)
        assert 202 == (await shop.asks_for(10, origin=KNOWN)).status
        yield shop


async def challenged(shop: Shop, origin: Origin = STRANGE) -> Answer:
    answer = await shop.asks_for(10, origin=origin)
    assert 429 == answer.status
    return answer


async def delivers(shop: Shop) -> int:
    return await shop.services.fraud.messenger.deliver_due()


async def messages(shop: Shop) -> list[tuple[Any, ...]]:
    rows = await shop.fetch("SELECT * FROM device_messages ORDER BY created_at")
    return [(row["channel"], row["state"], row["address_sealed"] is None) for row in rows]


async def comes_due(shop: Shop) -> None:
    await shop.execute("UPDATE device_messages SET due_at = now() WHERE due_at IS NOT NULL")


async def test_a_signed_event_tells_the_back_end(url: str) -> None:
    """Verified by the library that receivers use; the code in it confirms."""
    async with collector() as posts, told_by(url, posts, None) as shop:
        await challenged(shop)

        assert 1 == await delivers(shop)

        event = Webhook(SECRET).verify(posts.raw[0], posts.headers[0])
        data = event["data"]
        assert ("/events", "device_verification.requested") == (posts.paths[0], event["type"])
        assert (AMINA, posts.headers[0]["webhook-id"]) == (data["userId"], data["verificationId"])
        assert [("event", "delivered", True)] == await messages(shop)
        verification = read_verification(data["verificationId"])
        await shop.services.fraud.devices.confirm(
            shop.db,
            verification,
            data["code"],
            user_id=AMINA,
            actor="user:x",
            request_id=None,
        )
        assert 202 == (await shop.asks_for(10, origin=STRANGE)).status


async def test_an_event_that_was_touched_does_not_verify(url: str) -> None:
    """Another body, or another secret."""
    async with collector() as posts, told_by(url, posts, None) as shop:
        await challenged(shop)
        await delivers(shop)

        for secret, body in (
            (SECRET, posts.raw[0].replace(AMINA.encode(), b"usr_other")),
            ("whsec_b3RoZXItc2VjcmV0LW9mLXRoZS10ZXN0cw==", posts.raw[0]),
        ):
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(body, posts.headers[0])


async def test_a_verified_address_gets_the_code_by_mail(url: str) -> None:
    """The address is sealed while it waits, read with a purpose on record, wiped afterwards."""
    async with relay() as mails, collector() as posts, told_by(url, posts, mails) as shop:
        answer = await challenged(shop, MAIL)
        (waiting,) = await shop.fetch("SELECT address_sealed FROM device_messages")
        assert EMAIL.encode() not in waiting["address_sealed"]

        await delivers(shop)

        (message,) = mails.messages
        assert [[EMAIL]] == mails.recipients
        assert "Your BETRIX verification code" == message["subject"]
        verification = shop.services.fraud.devices
        code = verification.code_of(AMINA, read_verification(_id(answer)))
        assert code in message.get_content()
        assert [] == posts.bodies
        assert [("email", "delivered", True)] == await messages(shop)
        reads = await shop.fetch("SELECT purpose, subject FROM pii_access")
        assert [{"purpose": "device_verification", "subject": _id(answer)}] == reads


async def test_without_an_address_of_the_token_the_back_end_is_told(url: str) -> None:
    """Mail goes to a verified address only."""
    async with relay() as mails, collector() as posts, told_by(url, posts, mails) as shop:
        await challenged(shop)
        await delivers(shop)

        assert ([], 1) == (mails.messages, len(posts.bodies))


async def test_an_address_that_takes_no_mail_is_given_up_for_the_back_end(url: str) -> None:
    """A refusal for good; the address is wiped before the other channel is tried."""
    says = {"RCPT": "550 no such user"}
    async with relay(says=says) as mails, collector() as posts, told_by(url, posts, mails) as shop:
        await challenged(shop, MAIL)
        await delivers(shop)
        assert [("event", "due", True)] == await messages(shop)

        await delivers(shop)

        assert (0, 1) == (len(mails.messages), len(posts.bodies))
        assert [("event", "delivered", True)] == await messages(shop)


@pytest.mark.parametrize("answer", [DOWN, HANG, "401 Unauthorized\r\ncontent-length: 0\r\n\r\n"])
async def test_a_back_end_that_is_down_is_tried_again(url: str, answer: str) -> None:
    """Under the same id, so that it knows a repeat."""
    async with collector(answer) as posts, told_by(url, posts, None) as shop:
        await challenged(shop)
        await delivers(shop)
        assert 0 == await delivers(shop)  # not before its time
        await comes_due(shop)

        await delivers(shop)

        assert 1 == len({headers["webhook-id"] for headers in posts.headers})
        assert 2 == len(posts.bodies)
        assert [("event", "delivered", True)] == await messages(shop)


async def test_a_process_that_died_leaves_the_code_to_another(url: str) -> None:
    """What was claimed and not recorded is due again when its lease is over."""
    async with collector() as posts, told_by(url, posts, None) as shop:
        await challenged(shop)
        await shop.db.run(shop.services.fraud.messenger._claim)
        assert 0 == await delivers(shop)
        await comes_due(shop)

        assert 1 == await delivers(shop)
        assert 1 == len(posts.bodies)


async def test_two_replicas_deliver_once(url: str) -> None:
    """Claims skip what the other has."""
    async with collector() as posts, told_by(url, posts, None) as one:
        async with running_shop(
            url, overrides={"events": {"url": posts.url, "secret": SECRET}}
        ) as two:
            for number in range(4):
                await challenged(one, Origin(bytes([65 + number]) * 32))
            await asyncio.gather(delivers(one), delivers(two), delivers(one), delivers(two))

        assert 4 == len(posts.bodies)


async def test_what_is_over_is_not_sent(url: str) -> None:
    """Expired on the way: dropped, wiped, and people are told, until one arrives again."""
    async with collector(usual=OK) as posts, told_by(url, posts, None) as shop:
        await challenged(shop)
        await shop.execute("UPDATE device_verifications SET expires_at = now()")

        await delivers(shop)

        assert [] == posts.bodies
        assert [("event", "dropped", True)] == await messages(shop)
        assert ["device_codes_undelivered"] == await shop.alerts()
        await challenged(shop)
        await delivers(shop)
        assert [] == await shop.alerts()


async def test_a_confirmed_code_is_not_sent_any_more(url: str) -> None:
    """Whoever had it, has used it."""
    async with collector() as posts, told_by(url, posts, None) as shop:
        verification = read_verification(_id(await challenged(shop)))
        devices = shop.services.fraud.devices
        await devices.confirm(
            shop.db,
            verification,
            devices.code_of(AMINA, verification),
            user_id=AMINA,
            actor="user:x",
            request_id=None,
        )

        await delivers(shop)

        assert [] == posts.bodies
        assert [("event", "dropped", True)] == await messages(shop)


def _id(answer: Answer) -> str:
    assert answer.body
    return str(json.loads(answer.body)["verificationId"])


async def test_without_any_channel_people_are_told(shop: Shop) -> None:
    """In production no answer carries the code: the user is stuck, and an alert says why."""
    services = shop.services
    as_in_production = Devices(
        services.fraud.devices.rules,
        fingerprints=services.fingerprints,
        personal_data=services.personal_data,
        channels=frozenset(),
        shows_code=False,
    )

    refusal = await shop.db.run(lambda tx: as_in_production.challenge(tx, AMINA, STRANGE))

    assert {"verificationId"} == set(refusal.extensions)
    assert [] == await messages(shop)
    assert ["device_codes_undeliverable"] == await shop.alerts()


async def test_the_first_code_that_is_delivered_ends_the_alerts(url: str) -> None:
    """That there was no channel is over when there is one; the next time is news again."""
    async with collector() as posts, told_by(url, posts, None) as shop:
        async with shop.db.transaction() as tx:
            for kind in (NO_CHANNEL, UNDELIVERED):
                alert = Alert(key=kind, kind=kind, severity=Severity.CRITICAL, summary="A test.")
                await alerts.raise_alert(tx, alert)
        await challenged(shop)
        assert {NO_CHANNEL, UNDELIVERED} == set(await shop.alerts())

        assert 1 == await delivers(shop)

        assert [] == await shop.alerts()
