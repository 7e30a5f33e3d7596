"""A NOWPayments payment or page in the words of deposits; its types flip, its meaning does not."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from payops.deposits.domain.states import SETTLED, State
from payops.deposits.ports import Arrival, Opened, Snapshot, left_out
from payops.providers.nowpayments import wire
from payops.providers.nowpayments.coins import network_of
from payops.providers.reading import NotUnderstood, Object

WRONG_ASSET: Final = "wrong_asset"

_WRONG_ASSET_WORD: Final = "wrong_asset_confirmed"

STATES: Final[Mapping[str, State]] = MappingProxyType(
    {
        "waiting": State.WAITING,
        "confirming": State.CONFIRMING,
        "confirmed": State.CONFIRMED,
        "sending": State.SENDING,
        "finished": State.FINISHED,
        "partially_paid": State.PARTIALLY_PAID,
        "failed": State.FAILED,
        "expired": State.EXPIRED,
        "refunded": State.REFUNDED,
        # A merchant's label on a partial payment, in either spelling: no money went back.
        "cancelled": State.PARTIALLY_PAID,
        "canceled": State.PARTIALLY_PAID,
        # Another coin, or on another network; it waits until somebody decides.
        _WRONG_ASSET_WORD: State.CONFIRMED,
    }
)


def snapshot_of(payment: Object) -> Snapshot:
    """What the answer to a question, or a notification, says of a payment.

    The payment's own id is its arrival's: repeated deposits are payments of their own. The
    fiat value is not read, because it is commonly zero, nor ``updated_at``, which is not
    always there and in two units.

    Raises:
        NotUnderstood: no id, no status, or a value that cannot be.
    """
    reference = wire.required_id_in(payment, "payment_id")
    word = wire.required_word_in(payment, "payment_status")
    status = word.lower()
    state = STATES.get(status)
    coin = wire.code_in(payment, "pay_currency")
    return Snapshot(
        reference=reference,
        state=state,
        provider_status=word,
        order_id=wire.line_in(payment, "order_id"),
        parent_reference=wire.id_in(payment, "parent_payment_id"),
        hosted_reference=wire.id_in(payment, "invoice_id"),
        children=wire.ids_in(payment, "payment_extra_ids"),
        price=wire.price_in(payment),
        coin=coin,
        pay_amount=wire.amount_in(payment, "pay_amount"),
        address=wire.word_in(payment, "pay_address"),
        memo=wire.word_in(payment, "payin_extra_id"),
        network=_network_in(payment),
        quote_expires_at=wire.moment_in(payment, "expiration_estimate_date"),
        opened_at=_opened_at(payment),
        arrivals=_arrivals(payment, reference, coin, is_settled=state in SETTLED),
        flags=frozenset({WRONG_ASSET}) if status == _WRONG_ASSET_WORD else frozenset(),
    )


def address_opened(payment: Object, *, has_memo: bool) -> Opened:
    """A payment that was just made: where to pay, and how much.

    Raises:
        NotUnderstood: without an id, an address, an amount, or the memo that ``has_memo``
            asks for; coins sent without it belong to nobody.
    """
    pay_amount = wire.required_amount_in(payment, "pay_amount")
    memo = wire.word_in(payment, "payin_extra_id")
    if not pay_amount:
        raise NotUnderstood("pay_amount")
    if has_memo and memo is None:
        raise NotUnderstood("payin_extra_id")
    price, order_id = wire.price_in(payment), wire.line_in(payment, "order_id")
    return Opened(
        reference=wire.required_id_in(payment, "payment_id"),
        coin=wire.required_code_in(payment, "pay_currency"),
        pay_amount=pay_amount,
        address=wire.required_word_in(payment, "pay_address"),
        memo=memo,
        network=_network_in(payment),
        quote_expires_at=wire.moment_in(payment, "expiration_estimate_date", "valid_until"),
        price=price,
        order_id=order_id,
        left_out=left_out(order_id, price),
    )


def page_opened(invoice: Object) -> Opened:
    """A page that was just made. It is no payment: none exists until a coin is picked there.

    Raises:
        NotUnderstood: without an id, or an address for a browser.
    """
    price, order_id = wire.price_in(invoice), wire.line_in(invoice, "order_id")
    return Opened(
        reference=wire.required_id_in(invoice, "id"),
        coin=wire.code_in(invoice, "pay_currency"),
        url=wire.url_in(invoice, "invoice_url"),
        price=price,
        order_id=order_id,
        left_out=left_out(order_id, price),
    )


def _arrivals(
    payment: Object, reference: str, coin: str | None, *, is_settled: bool
) -> tuple[Arrival, ...]:
    paid = wire.amount_in(payment, "actually_paid")
    if not paid:
        return ()
    if coin is None:
        raise NotUnderstood("pay_currency")
    fee = wire.fee_in(payment)
    return (
        Arrival(
            reference=reference,
            coin=coin,
            amount=paid,
            is_settled=is_settled,
            outcome_coin=wire.code_in(payment, "outcome_currency"),
            outcome_amount=_outcome_amount(payment, is_settled=is_settled),
            fee_coin=fee.coin if fee else None,
            fee_amount=fee.amount if fee else None,
            chain_hash=wire.word_in(payment, "payin_hash"),
        ),
    )


def _opened_at(payment: Object) -> datetime | None:
    """When the quote was made. Unreadable is as good as missing: then no quote is honoured."""
    try:
        return wire.moment_in(payment, "created_at")
    except NotUnderstood:
        return None


def _outcome_amount(payment: Object, *, is_settled: bool) -> Decimal | None:
    """What the house got. Until the provider has settled, it is an estimate and not told."""
    amount = wire.amount_in(payment, "outcome_amount")
    return amount if is_settled else None


def _network_in(payment: Object) -> str | None:
    word = wire.code_in(payment, "network")
    return None if word is None else network_of(word)
