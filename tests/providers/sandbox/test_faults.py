"""Faults of the whole rail."""

import time
from typing import Any

import httpx
import pytest

from payops.sandbox.faults import FAULTS_MAX
from tests.providers.sandbox.support import Merchant

PHONE = "254711000000"


async def test_a_rail_that_is_down_closes_every_connection(merchant: Merchant) -> None:
    """
    Nothing is answered and nothing is booked until the fault is cleared.
    """
    await merchant.control("faults", kind="down")
    for _ in range(3):
        with pytest.raises(httpx.RemoteProtocolError):
            await merchant.pay(PHONE)
    with pytest.raises(httpx.RemoteProtocolError):
        await merchant.ask("wd_1")

    await merchant.http.delete("/_sandbox/faults")

    assert 0 == (await merchant.book())["payoutCount"]
    assert 200 == (await merchant.pay(PHONE)).status_code


@pytest.mark.parametrize(
    ("kind", "status"), [("401", 401), ("403", 403), ("429", 429), ("500", 500)]
)
async def test_a_rail_that_answers_with_an_error_acts_on_nothing(
    merchant: Merchant, kind: str, status: int
) -> None:
    """
    Each error comes in the envelope, as often as was asked for, and books nothing.
    """
    await merchant.control("faults", kind=kind, count=2, retryAfterSeconds=7)

    responses = [await merchant.pay(PHONE) for _ in range(2)]

    assert [status] * 2 == [response.status_code for response in responses]
    assert responses[0].json()["success"] is False
    assert ("7" if status == 429 else None) == responses[0].headers.get("retry-after")
    assert 0 == (await merchant.book())["payoutCount"]
    assert 200 == (await merchant.pay(PHONE)).status_code


async def test_a_lost_reply_is_acted_on(merchant: Merchant) -> None:
    """
    The order is booked and paid, only its reply is missing.
    """
    await merchant.control("faults", kind="lost", count=1)

    with pytest.raises(httpx.RemoteProtocolError):
        await merchant.pay(PHONE)

    assert 100 == (await merchant.quiet_book())["receivedKES"]
    assert ["success"] == merchant.inbox.told


@pytest.mark.parametrize("fault", [{"kind": "slow"}, {"kind": "latency", "latencyMs": 3_000}])
async def test_a_late_rail_answers_all_the_same(merchant: Merchant, fault: dict[str, Any]) -> None:
    """
    Slow and latency add their time, here a tenth of three seconds, and change nothing else.
    """
    await merchant.control("faults", **fault, count=1)
    start = time.monotonic()

    response = await merchant.pay(PHONE)

    assert 200 == response.status_code
    assert time.monotonic() - start >= 0.29


async def test_a_client_that_does_not_wait_leaves_an_order_that_takes_its_course(
    merchant: Merchant,
) -> None:
    """
    When the client gives up on a slow rail, what was booked is paid.
    """
    await merchant.control("faults", kind="slow", count=1)

    with pytest.raises(httpx.ReadTimeout):
        await merchant.http.post(
            "/v1/payouts/phone", json={"phone": PHONE, "amount": 100}, timeout=0.1
        )

    await merchant.book_once(lambda book: book["receivedKES"] == 100)


async def test_faults_come_in_the_order_in_which_they_were_set(merchant: Merchant) -> None:
    """
    Bounded faults use themselves up one after the other, each for the method it is meant for.
    """
    await merchant.control("faults", kind="500", count=1)
    await merchant.control("faults", kind="429", count=1)
    await merchant.control("faults", kind="401", method="GET")

    posts = [(await merchant.pay(PHONE)).status_code for _ in range(3)]
    gets = [(await merchant.ask("wd_1")).status_code for _ in range(2)]

    assert [500, 429, 200] == posts
    assert [401, 401] == gets
    (left,) = (await merchant.http.get("/_sandbox/faults")).json()
    assert ("401", None, 2) == (left["kind"], left["remaining"], left["hits"])


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"kind": "fire"},
        {"kind": "500", "count": 0},
        {"kind": "500", "count": "1"},
        {"kind": "500", "count": True},
        {"kind": "latency", "latencyMs": -1},
        {"kind": "500", "method": "PUT"},
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(
    merchant: Merchant, content: dict[str, Any]
) -> None:
    """
    An unknown kind, count or method is 400 and sets no fault.
    """
    response = await merchant.control("faults", **content)

    assert 400 == response.status_code
    assert [] == (await merchant.http.get("/_sandbox/faults")).json()


async def test_the_number_of_faults_is_bounded(merchant: Merchant) -> None:
    """
    One fault more than can be kept is refused.
    """
    for _ in range(FAULTS_MAX):
        await merchant.control("faults", kind="500")

    assert 400 == (await merchant.control("faults", kind="500")).status_code
