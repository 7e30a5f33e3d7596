"""Which price makes NOWPayments do what.

A payment of exactly USD 99.NN plays script NN of ``SCRIPTS``, and the controls can name one for
the next payment; everything else plays the first.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from payops.sandbox.choosing import table_of
from payops.sandbox.nowpayments.outcomes import (
    Misstate,
    Misstatement,
    Pay,
    Reach,
    Repeat,
    Script,
    Spelling,
    Status,
    Step,
    Tell,
)
from payops.sandbox.replying import Lookup, Refusal, Reply, Shape, Signature

_HALF = Decimal("0.5")
_DUST = Decimal("0.001")

_PROGRESS: tuple[Step, ...] = (
    Reach(Status.CONFIRMING),
    Reach(Status.CONFIRMED),
    Reach(Status.SENDING),
)
_STRAIGHT: tuple[Step, ...] = (Tell(), Pay(), *_PROGRESS, Reach(Status.FINISHED))
_PARTIAL: tuple[Step, ...] = (
    Tell(),
    Pay(Decimal("0.6")),
    *_PROGRESS,
    Reach(Status.PARTIALLY_PAID),
)
_FALSELY_FINISHED = Tell(says=Status.FINISHED, signature=Signature.WRONG, is_repeated=False)
_ERRORS = (Lookup.ERROR,) * 3
_UNKNOWNS = (Lookup.UNKNOWN,) * 3


def _refused(status: int, code: str, message: str, retry_after_seconds: int | None = None) -> Reply:
    refusal = Refusal(status, code, message, retry_after_seconds)
    return Reply(Shape.REFUSAL, booked=False, refusal=refusal)


_ERROR = Refusal(500, "INTERNAL_ERROR", "Internal error")

_ARRIVES = {
    "01": Script("straight", "paid in full, told step by step, finished", _STRAIGHT),
    "02": Script(
        "out-of-order",
        "paid in full; the notifications come in reverse, finished first",
        (
            Pay(),
            *(Reach(step.status, is_told=False) for step in _PROGRESS if isinstance(step, Reach)),
            Reach(Status.FINISHED),
            Tell(says=Status.SENDING),
            Tell(says=Status.CONFIRMED),
            Tell(says=Status.CONFIRMING),
            Tell(says=Status.WAITING),
        ),
    ),
    "03": Script(
        "duplicate",
        "paid in full; each notification comes three times at once",
        (
            Tell(copies=3),
            Pay(),
            Reach(Status.CONFIRMING, is_told=False),
            Tell(copies=3),
            Reach(Status.FINISHED, is_told=False),
            Tell(copies=3),
        ),
    ),
    "04": Script("partial", "less than asked for arrives: partially_paid", _PARTIAL),
    "05": Script(
        "over",
        "more than asked for arrives: finished",
        (Tell(), Pay(Decimal("1.5")), *_PROGRESS, Reach(Status.FINISHED)),
    ),
    "06": Script(
        "repeated",
        "finished; then a second deposit, as a child with the parent's price, partially_paid",
        (*_STRAIGHT, Repeat(_HALF)),
    ),
    "07": Script(
        "dust",
        "finished; then next to nothing, as a child with the parent's price, finished",
        (*_STRAIGHT, Repeat(_DUST, ends=Status.FINISHED)),
    ),
    "08": Script(
        "wrong-asset",
        "another coin arrives: wrong_asset_confirmed, and so it stays",
        (
            Tell(),
            Pay(in_another_coin=True),
            Misstate(Misstatement.COIN),
            Reach(Status.CONFIRMING),
            Reach(Status.WRONG_ASSET),
        ),
    ),
    "09": Script(
        "late",
        "expired; then the money arrives after all, finished",
        (Tell(), Reach(Status.EXPIRED), Pay(), *_PROGRESS, Reach(Status.FINISHED)),
    ),
}

_GOES_WRONG = {
    "10": Script(
        "forged",
        "a notification with a wrong signature says finished before anything arrived",
        (_FALSELY_FINISHED, *_STRAIGHT),
    ),
    "11": Script(
        "silent",
        "paid in full, finished, no notification at all",
        (
            Pay(),
            Reach(Status.CONFIRMING, is_told=False),
            Reach(Status.FINISHED, is_told=False),
        ),
    ),
    "12": Script(
        "slow",
        "the reply takes longer than a client waits; paid in full, finished",
        _STRAIGHT,
        Reply(hangs=True),
    ),
    "13": Script(
        "other-address",
        "notifications and GET name another address than the reply did",
        (Misstate(Misstatement.ADDRESS), *_STRAIGHT),
    ),
    "14": Script(
        "reply-lost",
        "opened, but the connection closes without a reply; told and finished all the same",
        _STRAIGHT,
        Reply(Shape.NOTHING),
    ),
    "15": Script(
        "error",
        "POST is answered with 500, nothing is opened",
        reply=Reply(Shape.REFUSAL, booked=False, refusal=_ERROR),
    ),
    "16": Script(
        "unreadable",
        "opened, but answered with a page of HTML; told and finished all the same",
        _STRAIGHT,
        Reply(Shape.HTML),
    ),
    "17": Script(
        "bad-address",
        "the address in the reply is cut off; nobody can pay",
        (Tell(),),
        gives_bad_address=True,
    ),
    "18": Script(
        "other-price",
        "notifications and GET name ten times the price",
        (Misstate(Misstatement.PRICE), *_STRAIGHT),
    ),
    "19": Script(
        "below-minimum",
        "too little arrives: failed, with the money seen",
        (Tell(), Pay(Decimal("0.01")), Reach(Status.CONFIRMING), Reach(Status.FAILED)),
    ),
    "20": Script("refunded", "finished, then refunded", (*_STRAIGHT, Reach(Status.REFUNDED))),
    "21": Script(
        "other-amount",
        "finished and told of twice; from the second look on, GET states twice what arrived",
        (Misstate(Misstatement.AMOUNT), *_STRAIGHT, Reach(Status.FINISHED)),
    ),
    "22": Script(
        "unknown-word",
        "paid in full, but the last status is one that nobody knows: on_hold",
        (Tell(), Pay(), Reach(Status.CONFIRMING), Reach("on_hold")),
    ),
    "23": Script(
        "without-fee",
        "finished; the last notification has no fee and no value in fiat",
        (
            Tell(),
            Pay(),
            *_PROGRESS,
            Reach(Status.FINISHED, is_told=False),
            Tell(has_fee=False),
        ),
    ),
    "24": Script(
        "respelled",
        "finished; then twice the same with the id as 1.0 and 1e0, which the signature allows",
        (
            *_STRAIGHT,
            Tell(spelling=Spelling.FRACTION, is_repeated=False),
            Tell(spelling=Spelling.EXPONENT, is_repeated=False),
        ),
    ),
    "25": Script(
        "read-error",
        "finished; GET answers 500 three times",
        _STRAIGHT,
        lookups=(*_ERRORS, Lookup.TRUTH),
    ),
    "26": Script(
        "child-unknown",
        "finished; then a second deposit, as a child that GET does not know",
        (*_STRAIGHT, Repeat(_HALF, is_known=False)),
    ),
    "27": Script(
        "told-first",
        "everything is told before POST is answered",
        _STRAIGHT,
        Reply(after_steps=True),
    ),
    "28": Script(
        "read-unknown",
        "finished; GET answers 404 three times",
        _STRAIGHT,
        lookups=(*_UNKNOWNS, Lookup.TRUTH),
    ),
}

_REFUSED = {
    "29": Script(
        "currency-unavailable",
        "POST is refused: the coin cannot be had now",
        reply=_refused(400, "CURRENCY_UNAVAILABLE", "Currency is unavailable"),
    ),
    "30": Script(
        "amount-minimal",
        "POST is refused: too little",
        reply=_refused(400, "AMOUNT_MINIMAL_ERROR", "Crypto amount is less than minimal"),
    ),
}

_ENDS_OTHERWISE = {
    "31": Script(
        "other-coin-finished",
        "another coin arrives and is finished by itself, under its own name",
        (
            Tell(),
            Pay(in_another_coin=True),
            Misstate(Misstatement.COIN),
            Reach(Status.CONFIRMING),
            Reach(Status.FINISHED),
        ),
    ),
    "32": Script("failed", "nothing arrives: failed", (Tell(), Reach(Status.FAILED))),
    "33": Script("expired", "nothing arrives: expired", (Tell(), Reach(Status.EXPIRED))),
    "34": Script(
        "partial-finished",
        "partially_paid; then somebody labels it finished, the amount unchanged",
        (*_PARTIAL, Reach(Status.FINISHED)),
    ),
    "35": Script(
        "partial-cancelled",
        "partially_paid; then somebody labels it cancelled, the money is kept",
        (*_PARTIAL, Reach(Status.CANCELLED)),
    ),
    "36": Script("unpaid", "waits until somebody pays it by hand", (Tell(),)),
    "37": Script(
        "unsigned",
        "nothing arrives; a notification without a signature says finished",
        (Tell(says=Status.FINISHED, signature=Signature.MISSING, is_repeated=False),),
    ),
    "38": Script(
        "unauthorized",
        "POST is refused: the key is not known",
        reply=_refused(401, "INVALID_API_KEY", "Invalid api key"),
    ),
    "39": Script(
        "rate-limited",
        "POST is answered with 429 and Retry-After: 2",
        reply=_refused(429, "TOO_MANY_REQUESTS", "Too many requests", 2),
    ),
    "40": Script(
        "error-after",
        "opened, but answered with 500; told and finished all the same",
        _STRAIGHT,
        Reply(Shape.REFUSAL, refusal=_ERROR),
    ),
    "41": Script(
        "request-lost",
        "the connection closes before anything is opened",
        reply=Reply(Shape.NOTHING, booked=False),
    ),
    "42": Script(
        "stuck",
        "paid in full, confirming, and so it stays",
        (Tell(), Pay(), Reach(Status.CONFIRMING)),
    ),
    "43": Script(
        "other-order",
        "notifications and GET name another order",
        (Misstate(Misstatement.ORDER), *_STRAIGHT),
    ),
    "44": Script(
        "repeated-late",
        "the quote ends at once; finished; then a second deposit, as a child",
        (*_STRAIGHT, Repeat(_HALF)),
        quote_ends_at_once=True,
    ),
    "45": Script(
        "false-word",
        "nothing arrives; a genuine notification says finished, GET says waiting",
        (Tell(says=Status.FINISHED),),
    ),
    "46": Script(
        "pushed",
        "paid in full, failed; then somebody pushes it, finished",
        (Tell(), Pay(), Reach(Status.FAILED), Reach(Status.FINISHED)),
    ),
    "47": Script(
        "read-error-always", "finished; GET always answers 500", _STRAIGHT, lookups=(Lookup.ERROR,)
    ),
    "48": Script(
        "repeated-twice",
        "finished; then two more deposits, two children",
        (*_STRAIGHT, Repeat(_HALF), Repeat(Decimal("0.25"))),
    ),
    "49": Script(
        "at-once",
        "paid in full; from waiting to finished without a word between",
        (Pay(), Reach(Status.FINISHED)),
    ),
    "50": Script(
        "other-currency",
        "notifications and GET name the price in another currency",
        (Misstate(Misstatement.CURRENCY), *_STRAIGHT),
    ),
    "51": Script(
        "other-memo",
        "notifications and GET name another memo than the reply did",
        (Misstate(Misstatement.MEMO), *_STRAIGHT),
    ),
}

#: By the cents of a price of USD 99.NN.
SCRIPTS: Mapping[str, Script] = MappingProxyType(
    _ARRIVES | _GOES_WRONG | _REFUSED | _ENDS_OTHERWISE
)


def table() -> str:
    """The scripts as a Markdown table."""
    return table_of(
        (
            (key, script.name, script.description, script.arrivals)
            for key, script in SCRIPTS.items()
        ),
        last="arrives",
    )
