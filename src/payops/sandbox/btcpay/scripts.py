"""Which price makes the BTCPay Server do what.

An invoice of exactly USD 99.NN plays script NN of ``SCRIPTS``, and the controls can name one for
the next invoice; everything else plays the first.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from payops.sandbox.btcpay.outcomes import Event, Pay, Script, Tell, Turn
from payops.sandbox.choosing import table_of
from payops.sandbox.replying import Lookup, Refusal, Reply, Shape, Signature

_SIXTY, _FORTY, _HALF = Decimal("0.6"), Decimal("0.4"), Decimal("0.5")
_STRAIGHT = (Pay(), Turn.CONFIRM)
_ERROR = Refusal(500, "generic-error", "Something went wrong")
_ERRORS_THEN_TRUTH = (Lookup.ERROR, Lookup.ERROR, Lookup.ERROR, Lookup.TRUTH)


def _refused(status: int, code: str, message: str) -> Reply:
    return Reply(Shape.REFUSAL, booked=False, refusal=Refusal(status, code, message))


#: By the cents of a price of USD 99.NN.
SCRIPTS: Mapping[str, Script] = MappingProxyType(
    {
        "01": Script("straight", "paid in full: Processing, then Settled", _STRAIGHT),
        "02": Script(
            "partial",
            "too little is paid: Expired, PaidPartial",
            (Pay(_SIXTY), Turn.CONFIRM, Turn.EXPIRE),
        ),
        "03": Script(
            "over", "too much is paid: Settled, PaidOver", (Pay(Decimal("1.5")), Turn.CONFIRM)
        ),
        "04": Script(
            "late", "paid when it had expired: Expired, PaidLate", (Turn.EXPIRE, *_STRAIGHT)
        ),
        "05": Script(
            "two-payments", "paid in two halves: Settled", (Pay(_HALF), Pay(_HALF), Turn.CONFIRM)
        ),
        "06": Script("invalid", "paid, but never confirmed: Invalid", (Pay(), Turn.INVALIDATE)),
        "07": Script(
            "marked",
            "nothing is paid; somebody marks it: Settled, Marked",
            (Turn.MARK_SETTLED,),
        ),
        "08": Script("silent", "paid in full, Settled, no event at all", _STRAIGHT, copies=0),
        "09": Script("unpaid", "waits until somebody pays it by hand"),
        "10": Script(
            "forged",
            "an event with a wrong signature says Settled before anything was paid",
            (Tell(Event.SETTLED, Signature.WRONG, is_repeated=False), *_STRAIGHT),
        ),
        "11": Script(
            "duplicate", "paid in full; each event comes three times", _STRAIGHT, copies=3
        ),
        "12": Script(
            "reply-lost",
            "made, but the connection closes without a reply; paid all the same",
            _STRAIGHT,
            Reply(Shape.NOTHING),
        ),
        "13": Script(
            "error",
            "POST is answered with 500, nothing is made",
            reply=Reply(Shape.REFUSAL, booked=False, refusal=_ERROR),
        ),
        "14": Script(
            "unreadable",
            "made, but answered with a page of HTML; paid all the same",
            _STRAIGHT,
            Reply(Shape.HTML),
        ),
        "15": Script(
            "slow", "the reply takes longer than a client waits", _STRAIGHT, Reply(hangs=True)
        ),
        "16": Script(
            "read-error",
            "paid in full; GET of the invoice answers 500 three times",
            _STRAIGHT,
            lookups=_ERRORS_THEN_TRUTH,
        ),
        "17": Script(
            "address-error",
            "made, but the first GET of its payment methods answers 500; nobody pays",
            method_lookups=(Lookup.ERROR, Lookup.TRUTH),
        ),
        "18": Script(
            "invalid-confirmed",
            "Invalid, and then its payment is confirmed after all",
            (Pay(), Turn.INVALIDATE, Turn.CONFIRM),
        ),
        "19": Script(
            "replaced",
            "its payment is replaced by one with a higher fee, which is confirmed: Settled",
            (Pay(), Turn.REPLACE, Turn.CONFIRM),
        ),
        "20": Script("expired", "nothing is paid: Expired", (Turn.EXPIRE,)),
        "21": Script(
            "rest-late",
            "the rest is paid when it had expired: Expired, PaidLate",
            (Pay(_SIXTY), Turn.CONFIRM, Turn.EXPIRE, Pay(_FORTY), Turn.CONFIRM),
        ),
        "22": Script(
            "partial-marked",
            "too little is paid; somebody marks it: Settled, Marked",
            (Pay(_SIXTY), Turn.CONFIRM, Turn.MARK_SETTLED),
        ),
        "23": Script(
            "refused",
            "POST is refused: the coin is not set up in the store",
            reply=_refused(422, "checkout.paymentMethods", "Invalid payment method"),
        ),
        "24": Script(
            "unsigned",
            "nothing is paid; an event without a signature says Settled",
            (Tell(Event.SETTLED, Signature.MISSING, is_repeated=False),),
        ),
        "25": Script(
            "false-word",
            "nothing is paid; a genuine event says Settled, GET says New",
            (Tell(Event.SETTLED),),
        ),
        "26": Script(
            "told-first",
            "everything is told before POST is answered",
            _STRAIGHT,
            Reply(after_steps=True),
        ),
        "27": Script(
            "other-currency",
            "made with the same price in another currency; paid all the same",
            _STRAIGHT,
            currency="JPY",
        ),
    }
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
