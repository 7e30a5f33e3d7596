"""What a notification says of a payment, and which notifications are not read at all."""

from decimal import Decimal
from typing import Any

import pytest

from payops.deposits.domain.prices import OtherPrice
from payops.deposits.domain.states import State
from payops.deposits.ports import Notice, Snapshot
from payops.kernel.money import KES, USD, Money
from payops.providers.nowpayments.canonical import Number
from payops.providers.nowpayments.notifications import NowPaymentsNotifications
from payops.webhooks.ports import Unreadable
from tests.providers.nowpayments.bodies import (
    ADDRESS,
    NOTIFIED,
    ORDER_ID,
    READ,
    arrival,
    body_of,
    snapshot,
    without,
)

SOURCE = NowPaymentsNotifications((b"secret",))
FEE = {"fee_coin": "USDTTRC20", "fee_amount": Decimal("1.126284")}


def claimed(content: dict[str, Any]) -> Snapshot:
    notice = SOURCE.read(None, body_of(content))
    assert notice.claimed
    return notice.claimed


def test_a_notification_claims_a_whole_payment() -> None:
    """Everything that can be compared with the invoice, and the fee, which no answer has."""
    expected = snapshot(arrivals=(arrival(**FEE),))

    assert Notice("5745459419", expected) == SOURCE.read(None, body_of(NOTIFIED))


def test_the_path_is_not_believed() -> None:
    """There is one address for all payments."""
    body = body_of(NOTIFIED)

    assert SOURCE.read(None, body) == SOURCE.read("5", body)


def test_a_notification_may_say_little() -> None:
    """What is absent is not said, and not zero."""
    expected = Snapshot("5", State.WAITING, "waiting")

    assert expected == claimed({"payment_id": 5, "payment_status": "waiting"})


STATUSES: dict[str, State | None] = {
    "waiting": State.WAITING,
    "confirming": State.CONFIRMING,
    "confirmed": State.CONFIRMED,
    "sending": State.SENDING,
    "partially_paid": State.PARTIALLY_PAID,
    "finished": State.FINISHED,
    "failed": State.FAILED,
    "refunded": State.REFUNDED,
    "expired": State.EXPIRED,
    "cancelled": State.PARTIALLY_PAID,
    "canceled": State.PARTIALLY_PAID,
    "wrong_asset_confirmed": State.CONFIRMED,
    "FINISHED": State.FINISHED,
    "unheard_of": None,
    "unknown": None,
}


@pytest.mark.parametrize(("word", "state"), STATUSES.items(), ids=STATUSES)
def test_a_status_word_becomes_a_state(word: str, state: State | None) -> None:
    """The provider's own word goes along; one that we do not know is no state."""
    said = claimed(NOTIFIED | {"payment_status": word})

    assert (state, word) == (said.state, said.provider_status)
    assert (word == "wrong_asset_confirmed") == bool(said.flags)


@pytest.mark.parametrize(
    "word", ["waiting", "confirming", "confirmed", "sending", "failed", "expired", "refunded"]
)
def test_money_that_is_only_seen_is_not_settled(word: str) -> None:
    """Settlement can still fail after the confirmations; what it will bring is an estimate."""
    expected = arrival(is_settled=False, outcome_amount=None, **FEE)

    assert (expected,) == claimed(NOTIFIED | {"payment_status": word}).arrivals


@pytest.mark.parametrize("word", ["finished", "partially_paid", "cancelled", "canceled"])
def test_money_that_the_house_has_is_settled(word: str) -> None:
    """A merchant's label of cancelled is no refund."""
    assert (arrival(**FEE),) == claimed(NOTIFIED | {"payment_status": word}).arrivals


def test_a_wrong_asset_is_flagged_and_not_settled() -> None:
    """It waits for somebody's decision."""
    said = claimed(NOTIFIED | {"payment_status": "wrong_asset_confirmed", "pay_currency": "trx"})

    assert frozenset({"wrong_asset"}) == said.flags
    assert [(False, "TRX")] == [(one.is_settled, one.coin) for one in said.arrivals]


def test_a_repeated_deposit_names_its_parent() -> None:
    """It has the parent's order and price, and its own id and amount."""
    said = claimed(NOTIFIED | {"payment_id": 6, "parent_payment_id": 5745459419})

    assert ("6", "5745459419", ORDER_ID) == (said.reference, said.parent_reference, said.order_id)
    assert ["6"] == [one.reference for one in said.arrivals]


def test_a_payment_picked_on_a_page_names_the_page() -> None:
    """Its invoice at the provider is the page we opened."""
    assert "4803492574" == claimed(NOTIFIED | {"invoice_id": 4803492574}).hosted_reference


@pytest.mark.parametrize(
    "unpaid", [{"actually_paid": 0}, {"actually_paid": None}, {"actually_paid": "0.000"}], ids=str
)
def test_nothing_has_arrived_until_it_has(unpaid: dict[str, Any]) -> None:
    """Neither zero nor silence is money, whatever the price."""
    assert () == claimed(NOTIFIED | unpaid).arrivals
    assert () == claimed(without(NOTIFIED, "actually_paid")).arrivals


SAME: dict[str, dict[str, Any]] = {
    "ids as texts": {"payment_id": "5745459419", "purchase_id": 5837122679},
    "amounts as texts": {
        "price_amount": "100.00",
        "pay_amount": "0.04763643",
        "actually_paid": "0.04763643",
        "outcome_amount": "99.611878",
    },
    "trailing zeros": {"actually_paid": Number("0.0476364300"), "price_amount": Number("100.0")},
    "exponents": {"actually_paid": Number("4.763643E-2"), "price_amount": Number("1e2")},
    "the word null": {"parent_payment_id": "null", "payin_extra_id": "null", "invoice_id": ""},
    "capitals": {"pay_currency": "ETH", "price_currency": "USD", "outcome_currency": "UsdtTrc20"},
    "fields of no meaning": {"x": {"y": [1, {"z": None}]}, "updated_at": "2026-11-22T09:00:00Z"},
    "no update time": {"updated_at": None},
    "fees as texts": {
        "fee": {"currency": "USDTTRC20", "depositFee": "1.126", "serviceFee": "0.000284"}
    },
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_types_flip_and_the_meaning_does_not(change: dict[str, Any]) -> None:
    """Numbers as texts, texts as numbers, other spellings of the same amount."""
    assert snapshot(arrivals=(arrival(**FEE),)) == claimed(NOTIFIED | change)


def test_a_small_amount_is_exact() -> None:
    """Amounts are read from their spelling, never by way of a double."""
    said = claimed(NOTIFIED | {"actually_paid": Number("0.000000000000000001")})

    assert Decimal("1e-18") == said.arrivals[0].amount


@pytest.mark.parametrize("fee", [None, {}, {"currency": "btc", "depositFee": 0}], ids=str)
def test_there_may_be_no_fee(fee: Any) -> None:
    """Then none is told, rather than one of zero in some coin."""
    (said,) = claimed(NOTIFIED | {"fee": fee}).arrivals

    assert (None, None) == (said.fee_coin, said.fee_amount)


def test_a_memo_may_be_a_number() -> None:
    """As it is spelled, for a person would have typed it so."""
    assert "2041" == claimed(NOTIFIED | {"payin_extra_id": 2041}).memo


WRONG: dict[str, dict[str, Any]] = {
    "id zero": {"payment_id": 0},
    "id negative": {"payment_id": -5},
    "id with a fraction": {"payment_id": Number("5.0")},
    "id with an exponent": {"payment_id": Number("5e9")},
    "id with a leading zero": {"payment_id": "05"},
    "id with a blank": {"payment_id": "5 "},
    "id of twenty digits": {"payment_id": "1" * 20},
    "id as a number that doubles blur": {"payment_id": Number("9007199254740993")},
    "id of another script": {"payment_id": "٥"},
    "id as a list": {"payment_id": [5]},
    "id as a flag": {"payment_id": True},
    "no id": {"payment_id": None},
    "parent that is none": {"parent_payment_id": "five"},
    "page that is none": {"invoice_id": 1.5},
    "no status": {"payment_status": None},
    "status as a number": {"payment_status": []},
    "status as a sentence": {"payment_status": "almost there"},
    "status without end": {"payment_status": "x" * 300},
    "amount negative": {"actually_paid": -1},
    "amount as a word": {"actually_paid": "much"},
    "amount in hexadecimal": {"actually_paid": "0x10"},
    "amount with blanks": {"actually_paid": " 1"},
    "amount with a comma": {"actually_paid": "1,5"},
    "amount with underscores": {"actually_paid": "1_000"},
    "amount not a number": {"actually_paid": "NaN"},
    "amount infinite": {"actually_paid": "Infinity"},
    "amount huge": {"actually_paid": Number("1e18")},
    "amount of a huge exponent": {"actually_paid": Number("1e999999999")},
    "amount of a tiny exponent": {"actually_paid": Number("1e-37")},
    "amount as a flag": {"actually_paid": True},
    "amount as a list": {"pay_amount": [1]},
    "amount without a coin": {"pay_currency": None},
    "coin with a blank": {"pay_currency": "e th"},
    "coin as a number": {"pay_currency": 5},
    "price as a word": {"price_amount": "much"},
    "price in a currency with a blank": {"price_currency": "u sd"},
    "children as a number": {"payment_extra_ids": 5},
    "children that are none": {"payment_extra_ids": [5, None]},
    "too many children": {"payment_extra_ids": list(range(1, 102))},
    "address with a blank": {"pay_address": f"{ADDRESS} x"},
    "address of another script": {"pay_address": "аdress"},
    "address as an object": {"pay_address": {}},
    "memo with a line break": {"payin_extra_id": "20\n41"},
    "order with a NUL": {"order_id": "a\0b"},
    "order with half a character": {"order_id": "\ud800"},
    "order without end": {"order_id": "x" * 300},
    "fee as a number": {"fee": 1},
    "fee in no coin": {"fee": {"depositFee": 1}},
    "fee negative": {"fee": {"currency": "btc", "depositFee": -1}},
    "hash as a list": {"payin_hash": []},
    "quote end without a zone": {"expiration_estimate_date": "2026-11-22T09:00:00"},
    "quote end that is none": {"expiration_estimate_date": "soon"},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_value_that_cannot_be_makes_the_whole_unreadable(change: dict[str, Any]) -> None:
    """Half an understanding of a payment is worse than none; the text repeats nothing."""
    with pytest.raises(Unreadable) as caught:
        SOURCE.read(None, body_of(NOTIFIED | change))

    assert ADDRESS not in str(caught.value)
    assert len(str(caught.value)) < 40


@pytest.mark.parametrize(
    ("change", "price"),
    [
        ({"price_currency": "jpy"}, OtherPrice(Decimal(100), "JPY")),
        ({"price_amount": Number("99.999")}, OtherPrice(Decimal("99.999"), "USD")),
        ({"price_amount": Number("1e17")}, OtherPrice(Decimal("1E+17"), "USD")),
        ({"price_currency": "kes"}, Money(10_000, KES)),
        ({"price_amount": None}, None),
        ({"price_currency": None}, None),
    ],
)
def test_a_price_that_we_never_ask_for_is_read_as_it_is_stated(
    change: dict[str, Any], price: object
) -> None:
    """It is a contradiction to be seen, not a notification to be put aside."""
    assert price == claimed(NOTIFIED | change).price


OTHERS: dict[str, dict[str, Any]] = {
    "a withdrawal": {
        "id": "123456789",
        "batch_withdrawal_id": "987654321",
        "status": "FINISHED",
        "currency": "btc",
        "amount": "0.5",
    },
    "a withdrawal with a payment's id": NOTIFIED | {"batch_withdrawal_id": "1"},
    "a transfer between sub-accounts": {"id": "1", "status": "FINISHED", "amount": "1"},
    "a wrapped payment": {"result": NOTIFIED},
    "nothing": {},
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_what_is_not_about_a_payment_is_unreadable(content: dict[str, Any]) -> None:
    """Other products of the provider notify the same way."""
    with pytest.raises(Unreadable, match="not about a payment"):
        SOURCE.read(None, body_of(content))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xef\xbb\xbf{}", b'{"payment_id":"\xff"}'])
def test_what_is_no_sound_json_object_is_unreadable(body: bytes) -> None:
    """Signed or not, it is parked rather than guessed at."""
    with pytest.raises(Unreadable):
        SOURCE.read(None, body)


def test_another_shops_order_is_read_as_it_is() -> None:
    """The account may serve others too; whose it is, is not decided here."""
    assert "Oda № 5 ☕" == claimed(NOTIFIED | {"order_id": "Oda № 5 ☕"}).order_id
    assert "77" == claimed(NOTIFIED | {"order_id": 77}).order_id


def test_an_answer_and_a_notification_say_the_same() -> None:
    """But for the hash, the children and its age, which only the answer has, and the fee."""
    answered = claimed(without(READ, "payin_hash", "payment_extra_ids", "created_at"))

    assert answered == claimed(without(NOTIFIED, "fee"))
    assert Money(10_000, USD) == answered.price
