"""Adapter and sandbox, written apart from each other, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from payops.infra.http import HttpClient
from payops.kernel.ids import new_id
from payops.pii.domain import Msisdn
from payops.providers.lipana.adapter import LipanaRail
from payops.providers.lipana.callbacks import LipanaCallbacks
from payops.providers.lipana.client import LipanaClient
from payops.sandbox import Delays, Running, Settings, running
from payops.sandbox.lipana.scripts import phone_for
from payops.withdrawals.domain import show
from payops.withdrawals.ports import (
    Answer,
    AnswerLost,
    Candidates,
    CredentialRefused,
    Declined,
    NoAnswer,
    NotDelivered,
    NotKnown,
    Outcome,
    Payout,
    Question,
    Report,
    Taken,
)
from tests.support.listening import listening
from tests.support.waiting import eventually, free_port

SECRET = "sandbox-test-secret"
DELAYS = Delays(reply_ms=0, callback_ms=20, jitter_ms=0, between_callbacks_ms=20, slow_ms=100)


class Merchant:
    """Keeps every callback as path, headers and body, and answers each with 200."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            named = (line.partition(": ") for line in lines if line)
            headers = {name.lower(): value for name, _, value in named}
            body = await reader.readexactly(int(headers["content-length"]))
            self.calls.append((first.split(" ")[1], headers, body))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@asynccontextmanager
async def merchant() -> AsyncIterator[Merchant]:
    who = Merchant()
    async with listening(who.hear) as port:
        who.url = f"http://127.0.0.1:{port}"
        yield who


class Shop:
    """One merchant, one sandbox, and our rail in the dialect wanted."""

    def __init__(self, who: Merchant, sandbox: Running, http: HttpClient) -> None:
        self.merchant = who
        self._sandbox = sandbox
        self._http = http
        self.callbacks = LipanaCallbacks((SECRET.encode(),))
        self.rail = self.rail_with()
        self.blind_rail = self.rail_with(sends_reference=False)

    def rail_with(
        self, *, sends_reference: bool = True, api_key: str = "lip_sk_test_sandbox"
    ) -> LipanaRail:
        client = LipanaClient(self._http, base_url=self._sandbox.lipana_url, api_key=api_key)
        return LipanaRail(client, public_url=self.merchant.url, sends_reference=sends_reference)

    async def book(self) -> dict[str, Any]:
        reply = await self._http.request("GET", f"{self._sandbox.control_url}/book")
        content: dict[str, Any] = json.loads(reply.body)
        return content

    async def hears(self, count: int) -> list[Report]:
        """The first ``count`` callbacks that are authentic, read."""
        await eventually(lambda: len(self.merchant.calls) >= count)
        return [
            self.callbacks.read(path.rpartition("/")[2], body)
            for path, headers, body in self.merchant.calls
            if self.callbacks.is_authentic(headers, body)
        ]


@pytest.fixture(params=["payout", "data"])
async def shop(request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """Once for each envelope the rail's answers come in."""
    async with AsyncExitStack() as stack:
        who = await stack.enter_async_context(merchant())
        settings = Settings(
            webhook_secret=SECRET,
            callback_url=f"{who.url}/webhooks/mpesa",
            envelope=request.param,
            delays=DELAYS,
        )
        sandbox = await stack.enter_async_context(running(settings))
        http = await stack.enter_async_context(HttpClient(timeout_seconds=2))
        yield Shop(who, sandbox, http)


def payout_for(script: str, amount_kes: int = 1500) -> Payout:
    return Payout(show(new_id()), "amina", Msisdn(phone_for(script)), amount_kes)


def question_about(payout: Payout, reference: str | None = None) -> Question:
    now = datetime.now(UTC)
    return Question(payout.txid, payout.phone, payout.amount_kes, now, reference)


FIRST_ANSWERS: dict[str, type[Answer] | Answer] = {
    "paid": Taken,
    "early-success": Taken,
    "callback-first": Taken,
    "slow": Taken,
    "declined": Declined("RECIPIENT_NOT_ELIGIBLE", "This number cannot be paid"),
    "low-float": Declined("INSUFFICIENT_BALANCE", "Insufficient payout balance"),
    "unauthorized-once": CredentialRefused("HTTP 401"),
    "reply-lost": AnswerLost("RemoteProtocolError", is_outage=True),
    "request-lost-once": AnswerLost("RemoteProtocolError", is_outage=True),
    "hanging": AnswerLost("ReadTimeout", is_outage=True),
    "error-after": AnswerLost("HTTP 500", is_outage=True),
    "error-always": AnswerLost("HTTP 500", is_outage=True),
    "unreadable": AnswerLost("HTTP 200, not JSON"),
    "unsuccessful-paid": AnswerLost("HTTP 200, success is not true", repeatable=False),
    "without-id": AnswerLost("2xx without an id", repeatable=False),
    "failed-in-reply": AnswerLost("2xx that says failed", repeatable=False),
}


@pytest.mark.parametrize(("script", "expected"), FIRST_ANSWERS.items(), ids=FIRST_ANSWERS)
async def test_what_the_sandbox_does_is_understood(
    shop: Shop, script: str, expected: type[Answer] | Answer
) -> None:
    """Each trouble the rail can make at the POST comes out as what is known after it."""
    answer = await shop.rail.send(payout_for(script))

    if isinstance(expected, type):
        assert isinstance(answer, expected)
    elif expected == AnswerLost("RemoteProtocolError", is_outage=True):
        # A closed connection may show while we write or while we read: doubt either way.
        assert isinstance(answer, AnswerLost)
        assert answer.repeatable
    elif expected == AnswerLost("ReadTimeout", is_outage=True):
        assert answer in {
            AnswerLost("ReadTimeout", is_outage=True),
            AnswerLost("TimeoutError", is_outage=True),
        }
    else:
        assert expected == answer


async def test_a_rate_limit_says_how_long_to_wait(shop: Shop) -> None:
    """The sandbox asks for two seconds."""
    answer = await shop.rail.send(payout_for("rate-limited-once"))

    assert isinstance(answer, AnswerLost)
    assert answer.retry_after is not None
    assert 2 == answer.retry_after.total_seconds()


async def test_a_repeat_gets_the_first_payout_and_pays_once(shop: Shop) -> None:
    """The reply was lost after acceptance; the same id again is the same payout."""
    payout = payout_for("reply-lost")
    assert isinstance(await shop.rail.send(payout), AnswerLost)

    again = await shop.rail.send(payout)

    [report] = await shop.hears(1)
    assert isinstance(again, Taken)
    assert Outcome.PAID == report.outcome
    book = await shop.book()
    assert {payout.txid: 1500} == book["received"]["byTransaction"]
    assert {payout.txid: 2} == book["requests"]


async def test_the_same_id_for_another_amount_is_doubt(shop: Shop) -> None:
    """A conflict is not a decision about the payout that has the id."""
    payout = payout_for("paid")
    await shop.rail.send(payout)

    assert AnswerLost("HTTP 409") == await shop.rail.send(replace(payout, amount_kes=20))


async def test_a_rail_that_is_gone_was_not_delivered_to(shop: Shop) -> None:
    """Nobody listens at the address."""
    async with HttpClient(timeout_seconds=2) as http:
        nobody = LipanaClient(http, base_url=f"http://127.0.0.1:{free_port()}/v1", api_key="k")
        rail = LipanaRail(nobody, public_url=shop.merchant.url, sends_reference=True)

        assert NotDelivered("ConnectError") == await rail.send(payout_for("paid"))
        assert NoAnswer("ConnectError") == await rail.ask(question_about(payout_for("paid")))


async def test_a_publishable_key_is_a_refused_credential(shop: Shop) -> None:
    """403 is our fault, not the customer's."""
    rail = shop.rail_with(api_key="lip_pk_test")

    assert CredentialRefused("HTTP 403") == await rail.send(payout_for("paid"))


CALLBACKS = {
    "paid": Outcome.PAID,
    "failed": Outcome.FAILED,
    "nested": Outcome.PAID,
    "nested-failed": Outcome.FAILED,
    "flat": Outcome.PAID,
    "flat-failed": Outcome.FAILED,
    "prefixed": Outcome.PAID,
    "upper-case": Outcome.PAID,
}


@pytest.mark.parametrize(("script", "outcome"), CALLBACKS.items(), ids=CALLBACKS)
async def test_each_form_of_callback_is_authentic_and_read(
    shop: Shop, script: str, outcome: Outcome
) -> None:
    """Path, id and amount are ours again, whatever the form."""
    payout = payout_for(script)
    await shop.rail.send(payout)

    [report] = await shop.hears(1)

    assert (outcome, payout.txid, payout.txid) == (report.outcome, report.path_txid, report.txid)
    assert 150_000 == report.amount_minor
    assert report.phone in {None, payout.phone}
    assert report.user_id in {None, payout.user_id}


async def test_a_callback_may_bear_the_rails_own_id(shop: Shop) -> None:
    """It is then the reference that we learned from the reply."""
    answer = await shop.rail.send(payout_for("rails-id"))

    [report] = await shop.hears(1)
    assert isinstance(answer, Taken)
    assert (None, answer.reference) == (report.txid, report.reference)


async def test_an_event_before_the_end_is_pending(shop: Shop) -> None:
    """The first of two callbacks says that it has begun."""
    await shop.rail.send(payout_for("initiated-first"))

    reports = await shop.hears(2)

    assert [Outcome.PENDING, Outcome.PAID] == [report.outcome for report in reports]


@pytest.mark.parametrize("script", ["forged", "unsigned"])
async def test_what_is_not_signed_by_the_secret_is_not_authentic(shop: Shop, script: str) -> None:
    """It arrives, and does not count."""
    await shop.rail.send(payout_for(script))

    assert [] == await shop.hears(1)


ENDS = {
    "silent": Outcome.PAID,
    "silent-completed": Outcome.PAID,
    "silent-failed": Outcome.FAILED,
    "every-reply-lost-paid": Outcome.PAID,
    "every-reply-lost-failed": Outcome.FAILED,
    "lookup-error": Outcome.PAID,
    "unsuccessful-failed": Outcome.FAILED,
}


@pytest.mark.parametrize(("script", "outcome"), ENDS.items(), ids=ENDS)
async def test_asking_finds_the_end_that_no_callback_told(
    shop: Shop, script: str, outcome: Outcome
) -> None:
    """Also where the lookup by id always fails and only the list has it."""
    payout = payout_for(script)
    await shop.rail.send(payout)

    async def is_over() -> bool:
        answer = await shop.rail.ask(question_about(payout))
        return isinstance(answer, Report) and answer.outcome is outcome

    await eventually(is_over)
    answer = await shop.rail.ask(question_about(payout))
    assert isinstance(answer, Report)
    assert (payout.txid, 150_000, payout.phone) == (answer.txid, answer.amount_minor, answer.phone)
    assert (answer.receipt is not None) == (outcome is Outcome.PAID)


async def test_asking_about_what_never_arrived_is_not_known(shop: Shop) -> None:
    """The request was lost before it was booked."""
    payout = payout_for("request-lost")
    await shop.rail.send(payout)

    assert NotKnown() == await shop.rail.ask(question_about(payout))


async def test_the_blind_dialect_finds_a_lost_payout_in_the_list(shop: Shop) -> None:
    """By phone, amount and time, among others over more than one page."""
    payout, other = payout_for("every-reply-lost-paid"), payout_for("paid", amount_kes=20)
    assert isinstance(await shop.blind_rail.send(payout), AnswerLost)
    await asyncio.gather(*(shop.blind_rail.send(other) for _ in range(120)))

    answer = await shop.blind_rail.ask(question_about(payout))

    assert isinstance(answer, Candidates)
    assert [(payout.phone, 150_000)] == [(r.phone, r.amount_minor) for r in answer.reports]
    reference = answer.reports[0].reference
    by_id = await shop.blind_rail.ask(question_about(payout, reference))
    assert isinstance(by_id, Report)
    assert reference == by_id.reference


async def test_the_blind_dialect_pays_again_for_each_request(shop: Shop) -> None:
    """This is why nothing is repeatable there."""
    payout = payout_for("silent")
    first, second = [await shop.blind_rail.send(payout) for _ in range(2)]

    answer = await shop.blind_rail.ask(question_about(payout))

    assert first != second
    assert isinstance(answer, Candidates)
    assert 2 == len(answer.reports)


async def test_the_blind_dialect_does_not_know_what_is_not_in_the_list(shop: Shop) -> None:
    """The list was read to its end."""
    assert NotKnown() == await shop.blind_rail.ask(question_about(payout_for("paid")))
