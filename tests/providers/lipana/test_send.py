"""What each answer to a payout request means, in both dialects."""

import json
from datetime import timedelta
from uuid import UUID

import httpcore
import httpx
import pytest
import respx

from payops.pii.domain import Msisdn
from payops.providers.lipana.adapter import LipanaRail
from payops.withdrawals.domain import show
from payops.withdrawals.ports import (
    Answer,
    AnswerLost,
    CredentialRefused,
    Declined,
    NotDelivered,
    Payout,
    Taken,
)

PHONE = Msisdn("254700000000")
TXID = show(UUID("01934f00-0000-7000-8000-000000000001"))
OTHER_TXID = show(UUID("01934f00-0000-7000-8000-000000000002"))
PAYOUT = Payout(txid=TXID, user_id="amina", phone=PHONE, amount_kes=1500)
ENVELOPE = {"success": False, "message": "No", "code": "E1"}


def says(code: int, /, **payout: object) -> httpx.Response:
    return httpx.Response(code, json={"success": True, "payout": payout})


def lost(why: str, *, repeatable: bool = True) -> AnswerLost:
    # Only no answer at all, or a 5xx, is an outage for the circuit breaker.
    is_outage = not why.startswith(("HTTP 2", "HTTP 3", "HTTP 4", "2xx"))
    return AnswerLost(why, repeatable=repeatable, is_outage=is_outage)


ANSWERS: dict[str, tuple[httpx.Response, Answer]] = {
    "taken": (says(201, id="p1", status="pending"), Taken("p1")),
    "a success is only taken": (says(200, id="p1", status="success"), Taken("p1")),
    "a new status word is only taken": (says(200, id="p1", status="queued"), Taken("p1")),
    "no status": (says(202, id="p1"), Taken("p1")),
    "a number for an id": (says(200, id=17, status="pending"), Taken("17")),
    "ours and theirs": (says(200, id="p1", transactionId=TXID), Taken("p1")),
    "their id is called transactionId": (says(200, transactionId="p1"), Taken("p1")),
    "under data": (httpx.Response(200, json={"data": {"id": "p1"}}), Taken("p1")),
    "under data and payout": (
        httpx.Response(200, json={"data": {"payout": {"id": "p1"}}}),
        Taken("p1"),
    ),
    "at the top": (httpx.Response(200, json={"id": "p1", "status": "pending"}), Taken("p1")),
    "a byte order mark": (
        httpx.Response(200, content=b'\xef\xbb\xbf{"id": "p1"}', headers={"content-type": "x/y"}),
        Taken("p1"),
    ),
    "success is false": (
        httpx.Response(200, json={"success": False, "payout": {"id": "p1"}}),
        lost("HTTP 200, success is not true", repeatable=False),
    ),
    "success is a text": (
        httpx.Response(200, json={"success": "false", "payout": {"id": "p1"}}),
        lost("HTTP 200, success is not true", repeatable=False),
    ),
    "failed": (says(200, id="p1", status="Failed"), lost("2xx that says failed", repeatable=False)),
    "cancelled": (
        says(200, id="p1", status="cancelled"),
        lost("2xx that says failed", repeatable=False),
    ),
    "no id": (says(200, status="pending"), lost("2xx without an id", repeatable=False)),
    "only our id": (says(200, transactionId=TXID), lost("2xx without an id", repeatable=False)),
    "an empty object": (httpx.Response(200, json={}), lost("2xx without an id", repeatable=False)),
    "an id that is none": (says(200, id=True), lost("2xx, id unreadable", repeatable=False)),
    "an id that climbs": (says(200, id=".."), lost("2xx, id unreadable", repeatable=False)),
    "about another payout": (
        says(200, id="p1", transactionId=OTHER_TXID),
        lost("2xx about another payout", repeatable=False),
    ),
    "html": (httpx.Response(200, html="<p>wait</p>"), lost("HTTP 200, not JSON")),
    "nothing": (httpx.Response(204), lost("HTTP 204, not JSON")),
    "a list": (httpx.Response(200, json=[]), lost("HTTP 200, not a JSON object")),
    "a name twice": (httpx.Response(200, text='{"id":"a","id":"b"}'), lost("HTTP 200, not JSON")),
    "not a number": (httpx.Response(200, text='{"id":NaN}'), lost("HTTP 200, not JSON")),
    "too deep": (httpx.Response(200, text="[" * 99999), lost("HTTP 200, not JSON")),
    "not UTF-8": (httpx.Response(200, content=b'{"id":"\xff"}'), lost("HTTP 200, not JSON")),
    "a redirect": (httpx.Response(307, headers={"location": "/"}), lost("HTTP 307")),
    "declined": (httpx.Response(422, json=ENVELOPE), Declined("E1", "No")),
    "bad request": (httpx.Response(400, json={"message": ["a", "b"]}), Declined("", "a; b")),
    "no such path": (
        httpx.Response(404, json={"error": {"message": "gone"}}),
        Declined("", "gone"),
    ),
    "only a code": (httpx.Response(402, json={"code": "E2"}), Declined("E2", "")),
    "only no success": (httpx.Response(402, json={"success": False}), Declined("", "")),
    "4xx in html": (httpx.Response(400, html="<p>no</p>"), lost("HTTP 400")),
    "4xx that is empty": (httpx.Response(400, json={}), lost("HTTP 400")),
    "4xx with success": (
        httpx.Response(400, json={"success": True, "message": "ok"}),
        lost("HTTP 400"),
    ),
    "4xx with a payout": (
        httpx.Response(400, json=ENVELOPE | {"payout": {"id": "p1"}}),
        lost("HTTP 400"),
    ),
    "4xx with something like a payout": (
        httpx.Response(400, json=ENVELOPE | {"payout": {"id": True}}),
        lost("HTTP 400"),
    ),
    "401": (httpx.Response(401, json=ENVELOPE), CredentialRefused("HTTP 401")),
    "403 in html": (httpx.Response(403, html="no"), CredentialRefused("HTTP 403")),
    "408": (httpx.Response(408, json=ENVELOPE), lost("HTTP 408")),
    "409": (httpx.Response(409, json=ENVELOPE), lost("HTTP 409")),
    "425": (httpx.Response(425, json=ENVELOPE), lost("HTTP 425")),
    "429": (httpx.Response(429, json=ENVELOPE), lost("HTTP 429")),
    "500": (httpx.Response(500, json=ENVELOPE), lost("HTTP 500")),
    "503": (httpx.Response(503, html="no"), lost("HTTP 503")),
}

FAILURES: dict[str, tuple[Exception, Answer]] = {
    "refused": (httpcore.ConnectError(""), NotDelivered("ConnectError")),
    "not reached": (httpcore.ConnectTimeout(""), NotDelivered("ConnectTimeout")),
    "no connection free": (httpcore.PoolTimeout(""), NotDelivered("PoolTimeout")),
    "no answer in time": (httpcore.ReadTimeout(""), lost("ReadTimeout")),
    "not written in time": (httpcore.WriteTimeout(""), lost("WriteTimeout")),
    "reset": (httpcore.ReadError(""), lost("ReadError")),
    "broken": (httpcore.WriteError(""), lost("WriteError")),
    "gone": (httpcore.RemoteProtocolError(""), lost("RemoteProtocolError")),
    "a bug of ours": (httpcore.LocalProtocolError(""), lost("LocalProtocolError")),
    "the system's": (OSError(""), lost("OSError")),
}


@pytest.mark.parametrize(("reply", "expected"), ANSWERS.values(), ids=ANSWERS)
async def test_each_reply_means_one_thing(
    network: respx.Router, rail: LipanaRail, reply: httpx.Response, expected: Answer
) -> None:
    """Whatever the rail replies is one of the closed union, and nothing escapes."""
    network.post("/payouts/phone").mock(return_value=reply)

    assert expected == await rail.send(PAYOUT)


@pytest.mark.parametrize(("failure", "expected"), FAILURES.values(), ids=FAILURES)
async def test_only_what_comes_before_the_first_byte_is_harmless(
    network: respx.Router, rail: LipanaRail, failure: Exception, expected: Answer
) -> None:
    """A failure to connect is proof; any other failure is doubt."""
    network.post("/payouts/phone").mock(side_effect=failure)

    assert expected == await rail.send(PAYOUT)


@pytest.mark.parametrize("case", [*ANSWERS, *FAILURES])
async def test_the_blind_dialect_means_the_same_but_nothing_is_repeatable(
    network: respx.Router, blind_rail: LipanaRail, case: str
) -> None:
    """Where a repeat is another payment, a lost answer never invites one."""
    made, expected = (ANSWERS | FAILURES)[case]
    network.post("/payouts/phone").mock(side_effect=[made])
    if isinstance(expected, AnswerLost):
        expected = lost(expected.why, repeatable=False)

    assert expected == await blind_rail.send(PAYOUT)


async def test_the_request_names_everything_the_rail_needs(
    network: respx.Router, rail: LipanaRail
) -> None:
    """Our id, the user, the phone in digits, whole shillings and where to call back."""
    route = network.post("/payouts/phone").mock(return_value=says(200, id="p1"))

    await rail.send(PAYOUT)

    request = route.calls.last.request
    assert "https://rail.test/v1/payouts/phone" == str(request.url)
    assert "lip_sk_test_x" == request.headers["x-api-key"]
    assert "application/json" == request.headers["content-type"]
    assert {
        "transactionId": TXID,
        "userId": "amina",
        "phone": "254700000000",
        "amount": 1500,
        "callbackUrl": f"https://payops.test/webhooks/mpesa/{TXID}",
    } == json.loads(request.content)
    assert rail.deduplicates


async def test_the_blind_request_names_phone_and_amount_only(
    network: respx.Router, blind_rail: LipanaRail
) -> None:
    """A rail that was not seen to take more is not sent more."""
    route = network.post("/payouts/phone").mock(return_value=says(200, id="p1"))

    await blind_rail.send(PAYOUT)

    sent = json.loads(route.calls.last.request.content)
    assert {"phone": "254700000000", "amount": 1500} == sent
    assert not blind_rail.deduplicates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", timedelta(seconds=7)),
        (" 7 ", timedelta(seconds=7)),
        ("999999999", timedelta(hours=1)),
        ("Sun, 22 Nov 2026 10:00:30 GMT", timedelta(seconds=30)),
        ("Sun, 22 Nov 2026 10:00:30 -0000", timedelta(seconds=30)),
        ("Mon, 22 Nov 2027 10:00:30 GMT", timedelta(hours=1)),
        ("Sat, 21 Nov 2026 10:00:00 GMT", timedelta()),
        ("-7", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٧", None),
    ],
)
async def test_the_rail_may_say_how_long_to_wait(
    network: respx.Router, rail: LipanaRail, text: str, expected: timedelta | None
) -> None:
    """Seconds or a date, at most an hour; anything else is not believed."""
    headers = {b"retry-after": text.encode()}
    reply = httpx.Response(429, json=ENVELOPE, headers=headers)
    network.post("/payouts/phone").mock(return_value=reply)

    assert AnswerLost("HTTP 429", retry_after=expected) == await rail.send(PAYOUT)


async def test_a_long_message_is_shortened_and_can_be_stored(
    network: respx.Router, rail: LipanaRail
) -> None:
    """Half characters and NULs, which no database takes, do not come through."""
    body = b'{"success": false, "message": "a\\ud800\\u0000%s"}' % (b"b" * 5000)
    network.post("/payouts/phone").mock(return_value=httpx.Response(400, content=body))

    answer = await rail.send(PAYOUT)

    assert isinstance(answer, Declined)
    assert "a?b" == answer.message[:3]
    assert len(answer.message) <= 1000


async def test_no_phone_number_is_in_the_words_of_a_failure(
    network: respx.Router, rail: LipanaRail
) -> None:
    """What is said of a failure goes to logs; it names the kind and nothing else."""
    error = httpcore.ReadError(f"while sending to {PHONE.digits}")
    network.post("/payouts/phone").mock(side_effect=error)

    assert lost("ReadError") == await rail.send(PAYOUT)
