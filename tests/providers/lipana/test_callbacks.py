"""What a callback says; whether it is the rail's: test_raw_signatures.py."""

import json
from typing import Any
from uuid import UUID

import pytest

from payops.pii.domain import Msisdn
from payops.providers.lipana.callbacks import LipanaCallbacks
from payops.webhooks.ports import Unreadable
from payops.withdrawals.domain import show
from payops.withdrawals.ports import Outcome, Report

TXID = show(UUID("01934f00-0000-7000-8000-000000000001"))
OTHER_TXID = show(UUID("01934f00-0000-7000-8000-000000000002"))
PHONE = Msisdn("254700000000")
PLAIN: dict[str, Any] = {
    "transactionId": TXID,
    "userId": "amina",
    "amountKES": 1500,
    "status": "success",
}


@pytest.fixture
def source() -> LipanaCallbacks:
    return LipanaCallbacks((b"current-secret",))


def report(**more: Any) -> Report:
    given: dict[str, Any] = {"outcome": Outcome.PAID, "txid": TXID, "amount_minor": 150_000}
    return Report(**given | more)


NESTED = {
    "transactionId": TXID,
    "amount": 1500,
    "currency": "KES",
    "status": "success",
    "phone": "+254700000000",
    "timestamp": "2026-11-22T10:00:00.000Z",
}
FLAT = {
    "event": "transaction.failed",
    "transaction_id": TXID,
    "phone": 254700000000,
    "amount": "1500",
    "reference": "p1",
}

READINGS: dict[str, tuple[dict[str, Any], Report]] = {
    "plain": (PLAIN, report(user_id="amina")),
    "plain failed": (
        PLAIN | {"status": "failed", "errorMessage": "Wallet is full"},
        report(outcome=Outcome.FAILED, user_id="amina", message="Wallet is full"),
    ),
    "with receipt": (
        PLAIN | {"receipt": "TKM1234567"},
        report(user_id="amina", receipt="TKM1234567"),
    ),
    "nulls are absent": (
        PLAIN | {"receipt": None, "errorMessage": None, "userId": None, "phone": None},
        report(),
    ),
    "completed": (PLAIN | {"status": "completed"}, report(user_id="amina")),
    "pending": (PLAIN | {"status": "pending"}, report(user_id="amina", outcome=Outcome.PENDING)),
    "the rail's id": (
        PLAIN | {"transactionId": "p1"},
        report(txid=None, reference="p1", user_id="amina"),
    ),
    "the rail's id is a number": (
        {"id": 17, "status": "failed"},
        Report(Outcome.FAILED, reference="17"),
    ),
    "both ids": (PLAIN | {"id": "p1"}, report(user_id="amina", reference="p1")),
    "ours in capitals is not ours": (
        {"transactionId": TXID.upper(), "status": "success"},
        Report(Outcome.PAID, reference=TXID.upper()),
    ),
    "nested": ({"event": "payout.success", "data": NESTED}, report(phone=PHONE)),
    "nested, status outside": (
        {"event": "payment.success", "status": "success", "data": {"id": "p1"}},
        Report(Outcome.PAID, reference="p1"),
    ),
    "nested initiated": (
        {"event": "payout.initiated", "data": NESTED | {"status": "processing"}},
        report(outcome=Outcome.PENDING, phone=PHONE),
    ),
    "nested, receipt in metadata": (
        {
            "event": "transaction.success",
            "data": NESTED | {"metadata": {"mpesaReceiptNumber": "TKM1234567"}},
        },
        report(phone=PHONE, receipt="TKM1234567"),
    ),
    "nested, masked phone": (
        {"event": "payout.success", "data": NESTED | {"phone": "2547****0000"}},
        report(),
    ),
    "flat": (FLAT, report(outcome=Outcome.FAILED, phone=PHONE)),
    "flat, our id as reference": (
        FLAT | {"transaction_id": "p1", "reference": TXID},
        report(outcome=Outcome.FAILED, phone=PHONE, reference="p1"),
    ),
    "flat, with the notification's own id": (
        FLAT | {"transaction_id": "p1", "id": "evt_9"},
        report(outcome=Outcome.FAILED, txid=None, phone=PHONE, reference="p1"),
    ),
}


@pytest.mark.parametrize(("body", "expected"), READINGS.values(), ids=READINGS)
def test_each_known_form_is_read(
    source: LipanaCallbacks, body: dict[str, Any], expected: Report
) -> None:
    """Plain, nested and flat bodies say the same things under other names."""
    assert expected == source.read(None, json.dumps(body).encode())


def test_the_id_in_the_path_is_reported_as_it_stands(source: LipanaCallbacks) -> None:
    """Whether path and body agree is for the withdrawal to judge."""
    body = json.dumps(PLAIN).encode()

    assert report(user_id="amina", path_txid=OTHER_TXID) == source.read(OTHER_TXID, body)


@pytest.mark.parametrize("path", ["", "a b", "a\0", "ä", "a" * 129])
def test_a_path_that_cannot_be_an_id_is_unreadable(source: LipanaCallbacks, path: str) -> None:
    """It could not even be stored as what it claims to be."""
    with pytest.raises(Unreadable, match="path"):
        source.read(path, json.dumps(PLAIN).encode())


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("1500", 150_000),
        ("1500.0", 150_000),
        ("1500.50", 150_050),
        ("1.5e3", 150_000),
        ("0.1", 10),
        ('"1500"', 150_000),
        ('"1500.00"', 150_000),
        ("1500.29", 150_029),
    ],
)
def test_an_amount_is_read_exactly(source: LipanaCallbacks, amount: str, expected: int) -> None:
    """Integers, decimals and texts; no binary fraction in between."""
    body = f'{{"transactionId": "p1", "amountKES": {amount}, "status": "success"}}'

    assert expected == source.read(None, body.encode()).amount_minor


WRONG: dict[str, dict[str, Any]] = {
    "no id": {"transactionId": None},
    "an empty id": {"transactionId": ""},
    "a truth for an id": {"transactionId": True},
    "a list for an id": {"transactionId": [TXID]},
    "an id with spaces": {"transactionId": "p 1"},
    "an endless id": {"transactionId": "p" * 129},
    "two ids of ours": {"id": OTHER_TXID},
    "two ids of ours, one as reference": {"reference": OTHER_TXID},
    "no status": {"status": None},
    "a status that is new": {"status": "reversed"},
    "a truth for a status": {"status": True},
    "a status unlike its event": {"event": "payout.failed"},
    "an event that is new": {"event": "payout.reversed"},
    "an event about something else": {"event": "invoice.success"},
    "a number for an event": {"event": 1},
    "data that is none": {"event": "payout.success", "data": None},
    "data without an event": {"data": {"id": "p1", "status": "success"}},
    "an amount finer than cents": {"amountKES": "1500.001"},
    "a truth for an amount": {"amountKES": True},
    "an amount with commas": {"amountKES": "1,500"},
    "a negative amount": {"amountKES": -1500},
    "an amount with an exponent in a text": {"amountKES": "1e3"},
    "an amount beyond all": {"amountKES": 10**18},
    "a list for an amount": {"amountKES": [1500]},
    "two amounts": {"amount": 1501},
    "another currency": {"currency": "USD"},
    "a number for a user": {"userId": 5},
    "a user that cannot be stored": {"userId": "a\0"},
    "a list for a phone": {"phone": [PHONE.digits]},
    "a truth for a phone": {"phone": True},
    "a phone abroad": {"phone": "+255700000000"},
    "a number for a receipt": {"receipt": 5},
    "an endless receipt": {"receipt": "T" * 200},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_value_that_cannot_be_makes_the_whole_unreadable(
    source: LipanaCallbacks, change: dict[str, Any]
) -> None:
    """Half an understanding of a payment is worse than none; the text repeats nothing."""
    with pytest.raises(Unreadable) as caught:
        source.read(TXID, json.dumps(PLAIN | change).encode())

    assert PHONE.digits not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b"{", id="half"),
        pytest.param(b'{"status":"success","status":"failed","id":"p1"}', id="a name twice"),
        pytest.param(b'{"status":"success","id":"p1","amount":NaN}', id="not a number"),
        pytest.param(b'{"status":"success","id":"p1","amount":-Infinity}', id="infinity"),
        pytest.param(b'{"status":"success","id":"p1","amount":1e999999999}', id="huge"),
        pytest.param(b'{"id":"p1","amount":' + b"9" * 9999 + b"}", id="endless"),
        pytest.param(b'{"a":' * 50_000, id="deep"),
        pytest.param(b'{"status":"success","id":"\xff"}', id="not UTF-8"),
        pytest.param('{"status":"success"}'.encode("utf-16"), id="UTF-16"),
    ],
)
def test_what_is_no_sound_json_object_is_unreadable(source: LipanaCallbacks, body: bytes) -> None:
    """Signed or not, it is parked rather than guessed at."""
    with pytest.raises(Unreadable):
        source.read(None, body)


def test_a_byte_order_mark_is_tolerated(source: LipanaCallbacks) -> None:
    """Some writers put one before UTF-8."""
    body = b"\xef\xbb\xbf" + json.dumps(PLAIN).encode()

    assert report(user_id="amina") == source.read(None, body)


def test_a_report_does_not_show_the_phone(source: LipanaCallbacks) -> None:
    """Its repr may end up in a traceback."""
    body = json.dumps(FLAT).encode()

    assert PHONE.digits not in repr(source.read(None, body))
