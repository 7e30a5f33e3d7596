"""What each answer to a question about a payment means."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpcore
import httpx
import pytest
import respx

from payops.deposits.domain.prices import OtherPrice
from payops.deposits.domain.states import State
from payops.deposits.ports import NoAnswer, NotKnown, ReadAnswer, Snapshot
from payops.providers.nowpayments.adapter import NowPayments
from payops.providers.nowpayments.canonical import Number
from tests.providers.nowpayments.bodies import READ, arrival, body_of, snapshot

ID = "5745459419"
CHILDREN = ("5513339153", "4526424492")
ENVELOPE = {"status": False, "statusCode": 404, "code": "NOT_FOUND", "message": "Not found"}
OPENED_AT = datetime(2026, 11, 22, 9, 0, 0, 742_000, tzinfo=UTC)


def read(**more: Any) -> Snapshot:
    return snapshot(opened_at=OPENED_AT, **more)


SETTLED = read(children=CHILDREN, arrivals=(arrival(chain_hash="0x6f3c"),))


def reply(status: int = 200, /, **change: Any) -> httpx.Response:
    return httpx.Response(status, content=body_of(READ | change))


READINGS: dict[str, tuple[httpx.Response, ReadAnswer]] = {
    "settled": (reply(), SETTLED),
    "a 201": (reply(201), SETTLED),
    "ids as texts": (
        reply(payment_id=ID, purchase_id="5837122679", payment_extra_ids=list(CHILDREN)),
        SETTLED,
    ),
    "waiting": (
        reply(payment_status="waiting", actually_paid=0, payin_hash="null"),
        read(state=State.WAITING, provider_status="waiting", children=CHILDREN, arrivals=()),
    ),
    "underpaid": (
        reply(payment_status="partially_paid", actually_paid=0.01, payment_extra_ids=None),
        read(
            state=State.PARTIALLY_PAID,
            provider_status="partially_paid",
            arrivals=(arrival(amount=Decimal("0.01"), chain_hash="0x6f3c"),),
        ),
    ),
    "overpaid": (
        reply(actually_paid=1, payment_extra_ids=[]),
        read(arrivals=(arrival(amount=Decimal(1), chain_hash="0x6f3c"),)),
    ),
    "failed with money seen": (
        reply(payment_status="failed", payment_extra_ids=None),
        read(
            state=State.FAILED,
            provider_status="failed",
            arrivals=(arrival(is_settled=False, outcome_amount=None, chain_hash="0x6f3c"),),
        ),
    ),
    "a new status word": (
        reply(payment_status="on_hold", actually_paid=None, payment_extra_ids=None),
        read(state=None, provider_status="on_hold", arrivals=()),
    ),
    "a child, as the provider marks it": (
        reply(parent_payment_id=4, origin_type="REPEATED", payment_extra_ids=None),
        read(parent_reference="4", arrivals=(arrival(chain_hash="0x6f3c"),)),
    ),
    "about another payment": (reply(payment_id=7), NoAnswer("about another payment")),
    "its id respelled": (
        reply(payment_id=Number("5745459419.0")),
        NoAnswer("unreadable: payment_id"),
    ),
    "no id": (reply(payment_id=None), NoAnswer("unreadable: payment_id")),
    "no status": (reply(payment_status=None), NoAnswer("unreadable: payment_status")),
    "an amount that is none": (reply(actually_paid="x"), NoAnswer("unreadable: actually_paid")),
    "another price currency": (
        reply(price_currency="eur"),
        replace(SETTLED, price=OtherPrice(Decimal(100), "EUR")),
    ),
    "a refusal with 200": (
        httpx.Response(200, json=ENVELOPE),
        NoAnswer("unreadable: payment_id"),
    ),
    "html": (httpx.Response(200, html="<p>wait</p>"), NoAnswer("unreadable: not JSON")),
    "nothing": (httpx.Response(200), NoAnswer("unreadable: not JSON")),
    "cut off": (httpx.Response(200, text='{"payment_id": 57'), NoAnswer("unreadable: not JSON")),
    "a list": (httpx.Response(200, json=[READ]), NoAnswer("unreadable: not a JSON object")),
    "404": (httpx.Response(404, json=ENVELOPE), NotKnown()),
    "404 in html": (httpx.Response(404, html="<p>no</p>"), NoAnswer("HTTP 404")),
    "400": (httpx.Response(400, json=ENVELOPE), NoAnswer("HTTP 400")),
    "401": (httpx.Response(401, json=ENVELOPE), NoAnswer("HTTP 401")),
    "403": (httpx.Response(403, html="blocked"), NoAnswer("HTTP 403")),
    "429": (httpx.Response(429, json=ENVELOPE), NoAnswer("HTTP 429")),
    "500": (httpx.Response(500, json=ENVELOPE), NoAnswer("HTTP 500", is_outage=True)),
    "503": (httpx.Response(503, html="no"), NoAnswer("HTTP 503", is_outage=True)),
    "a redirect": (httpx.Response(302, headers={"location": "/"}), NoAnswer("HTTP 302")),
}


@pytest.mark.parametrize(("answer", "expected"), READINGS.values(), ids=READINGS)
async def test_reading_gets_one_of_the_closed_union(
    network: respx.Router, provider: NowPayments, answer: httpx.Response, expected: ReadAnswer
) -> None:
    """The payment as it is stated, or that it is not known, or no answer."""
    network.get(f"/payment/{ID}").mock(return_value=answer)

    assert expected == await provider.read(ID)


@pytest.mark.parametrize("failure", [httpcore.ConnectError, httpcore.ReadTimeout, OSError])
async def test_a_question_that_cannot_be_put_has_no_answer(
    network: respx.Router, provider: NowPayments, failure: type[Exception]
) -> None:
    """The network's failures say nothing about the payment."""
    network.get(f"/payment/{ID}").mock(side_effect=failure(""))

    assert NoAnswer(failure.__name__, is_outage=True) == await provider.read(ID)


async def test_the_key_goes_along(network: respx.Router, provider: NowPayments) -> None:
    """In its header, on every call."""
    route = network.get(f"/payment/{ID}").mock(return_value=reply())

    await provider.read(ID)

    assert "np_test_key" == route.calls.last.request.headers["x-api-key"]


@pytest.mark.parametrize("reference", ["", "0", "abc", "5/../6", "5?x", "٥", "1" * 20, "5745.0"])
async def test_what_is_no_payment_id_is_not_asked_about(
    network: respx.Router, provider: NowPayments, reference: str
) -> None:
    """The provider would say 400, or answer about something else."""
    route = network.route().mock(return_value=reply())

    assert NoAnswer("not the id of a payment") == await provider.read(reference)
    assert not route.called


@pytest.mark.parametrize(
    "passing",
    [
        httpx.Response(500),
        httpx.Response(502, html="bad gateway"),
        httpx.Response(429, json=ENVELOPE),
        httpx.Response(408),
        httpcore.ConnectError(""),
        httpcore.ReadError(""),
    ],
    ids=repr,
)
async def test_a_question_is_put_again_a_few_times(
    network: respx.Router, provider: NowPayments, passing: httpx.Response | Exception
) -> None:
    """What may be over in a moment is not told to anybody."""
    route = network.get(f"/payment/{ID}").mock(side_effect=[passing, passing, reply()])

    assert SETTLED == await provider.read(ID)
    assert 3 == route.call_count


@pytest.mark.parametrize("final", [httpx.Response(401), httpx.Response(404), httpx.Response(200)])
async def test_what_will_not_change_is_not_asked_again(
    network: respx.Router, provider: NowPayments, final: httpx.Response
) -> None:
    """Asking again would only use up the rate limit."""
    route = network.get(f"/payment/{ID}").mock(return_value=final)

    assert isinstance(await provider.read(ID), NoAnswer)
    assert 1 == route.call_count


async def test_asking_ends(network: respx.Router, provider: NowPayments) -> None:
    """Three times, and then there is no answer."""
    route = network.get(f"/payment/{ID}").mock(return_value=httpx.Response(503))

    await provider.read(ID)

    assert 3 == route.call_count
