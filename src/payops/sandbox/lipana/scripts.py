"""Which phone number makes the rail do what.

The last two digits of 2547000000NN choose the script NN of ``SCRIPTS``; 254708374149 and
254708374150 stand for the two numbers of the real sandbox; every other number, and every NN that is
not in the table, is paid without trouble. ``python -m payops.sandbox --table`` prints the table.

The first digit says where the trouble is: 0 none, 1 refused at the POST, 2 the reply is lost or
late, 3 the reply is there but bad, 4 the callbacks' number and order, 5 their form, 6 forged or
wrong callbacks, 7 no callback, so that only asking helps.
"""

from collections.abc import Mapping
from types import MappingProxyType

from payops.sandbox.lipana.outcomes import (
    Callback,
    Form,
    Lookup,
    Naming,
    Outcome,
    Pace,
    Refusal,
    Reply,
    Script,
    Shape,
    Signature,
)

_TAKEN = Reply()
_LOST = Reply(Shape.NOTHING)
_NEVER_ARRIVED = Reply(Shape.NOTHING, booked=False)
_ERROR = Refusal(500, "INTERNAL_ERROR", "Something went wrong")
_ERROR_BEFORE = Reply(Shape.REFUSAL, booked=False, refusal=_ERROR)
_ERROR_AFTER = Reply(Shape.REFUSAL, refusal=_ERROR)


def _refused(status: int, code: str, message: str, retry_after_seconds: int | None = None) -> Reply:
    refusal = Refusal(status, code, message, retry_after_seconds)
    return Reply(Shape.REFUSAL, booked=False, refusal=refusal)


LOW_FLOAT = _refused(402, "INSUFFICIENT_BALANCE", "Insufficient payout balance")

_SETTLED = {
    "00": Script("paid", "paid, one callback"),
    "01": Script("failed", "fails at the recipient, one callback says so", outcome=Outcome.FAILED),
    "02": Script(
        "failed-with-names",
        "fails; the callback's error message holds a name and a phone number",
        outcome=Outcome.FAILED,
        failure="Wallet 254700000002 of TEST CUSTOMER cannot be credited",
    ),
    "03": Script(
        "early-success",
        'the reply says "success", and so it turns out',
        replies=(Reply(says="success"),),
    ),
    "04": Script(
        "premature-success",
        'the reply says "success", but then it fails at the recipient',
        replies=(Reply(says="success"),),
        outcome=Outcome.FAILED,
    ),
}

_REFUSED = {
    "10": Script(
        "declined",
        "refused with 422",
        replies=(_refused(422, "RECIPIENT_NOT_ELIGIBLE", "This number cannot be paid"),),
    ),
    "11": Script("low-float", "refused with 402: the float is too low", replies=(LOW_FLOAT,)),
    "12": Script(
        "unauthorized-once",
        "the first POST is answered with 401; the next is accepted and paid",
        replies=(_refused(401, "AUTHENTICATION_FAILED", "Invalid API key"), _TAKEN),
    ),
    "13": Script(
        "rate-limited-once",
        "the first POST is answered with 429 and Retry-After: 2; the next is accepted and paid",
        replies=(_refused(429, "RATE_LIMIT_EXCEEDED", "Too many requests", 2), _TAKEN),
    ),
}

_REPLY_LOST = {
    "20": Script(
        "reply-lost",
        "accepted, but the connection closes without a reply; a repeat is answered; paid",
        replies=(_LOST, _TAKEN),
    ),
    "21": Script(
        "request-lost-once",
        "the connection closes before anything is booked; the next POST is accepted and paid",
        replies=(_NEVER_ARRIVED, _TAKEN),
    ),
    "22": Script(
        "every-reply-lost", "accepted, no POST is ever answered; paid, with callback", (_LOST,)
    ),
    "23": Script(
        "request-lost",
        "the connection always closes before anything is booked; GET does not know it",
        replies=(_NEVER_ARRIVED,),
    ),
    "24": Script(
        "every-reply-lost-paid",
        "accepted, no POST is ever answered and no callback comes; GET says it is paid",
        replies=(_LOST,),
        callbacks=(),
    ),
    "25": Script(
        "every-reply-lost-failed",
        "accepted, no POST is ever answered and no callback comes; GET says it failed",
        replies=(_LOST,),
        outcome=Outcome.FAILED,
        callbacks=(),
    ),
    "26": Script("slow", "accepted; the reply takes 3 seconds", (Reply(pace=Pace.SLOW),)),
    "27": Script(
        "hanging",
        "accepted, but the reply takes longer than a client waits; paid, with callback",
        replies=(Reply(pace=Pace.HANGING),),
    ),
}

_REPLY_BAD = {
    "30": Script(
        "error-after",
        "accepted, but answered with 500; a repeat is answered",
        (_ERROR_AFTER, _TAKEN),
    ),
    "31": Script(
        "error-twice",
        "two POSTs are answered with 500 and not booked; the third is accepted and paid",
        replies=(_ERROR_BEFORE, _ERROR_BEFORE, _TAKEN),
    ),
    "32": Script(
        "error-always", "every POST is answered with 500, none is booked", (_ERROR_BEFORE,)
    ),
    "33": Script(
        "unreadable",
        "accepted, but answered with 200 and a page of HTML; a repeat is answered; paid",
        replies=(Reply(Shape.HTML), _TAKEN),
    ),
    "34": Script(
        "unsuccessful-paid",
        "answered with 2xx and success false, yet paid, with callback",
        replies=(Reply(Shape.UNSUCCESSFUL),),
    ),
    "35": Script(
        "unsuccessful-failed",
        "answered with 2xx and success false; no callback, GET says it failed",
        replies=(Reply(Shape.UNSUCCESSFUL),),
        outcome=Outcome.FAILED,
        callbacks=(),
    ),
    "36": Script(
        "without-id",
        "answered with 2xx and a payout without an id; paid, with callback",
        replies=(Reply(Shape.WITHOUT_ID),),
    ),
    "37": Script(
        "failed-in-reply",
        'the reply says "failed"; no callback, GET says the same',
        replies=(Reply(says="failed"),),
        outcome=Outcome.FAILED,
        callbacks=(),
    ),
    "38": Script(
        "failed-in-reply-paid",
        'the reply says "failed", yet it is paid, with callback',
        replies=(Reply(says="failed"),),
    ),
    "39": Script(
        "error-after-always",
        "accepted, but every POST is answered with 500; no callback, GET says it is paid",
        replies=(_ERROR_AFTER,),
        callbacks=(),
    ),
}

_CALLBACK_ORDER = {
    "40": Script(
        "three-copies",
        "paid; three copies of the callback at once",
        callbacks=(Callback(copies=3),),
    ),
    "41": Script(
        "callback-first",
        "paid; the callback comes before the reply to the POST",
        replies=(Reply(after_callbacks=True), _TAKEN),
    ),
    "42": Script(
        "success-then-failed",
        "paid; the callback says so, the next one says that it failed",
        callbacks=(Callback(), Callback(says="failed")),
    ),
    "43": Script(
        "failed-then-success",
        "fails; the callback says so, the next one says that it was paid",
        outcome=Outcome.FAILED,
        callbacks=(Callback(), Callback(says="success")),
    ),
    "44": Script(
        "falsely-failed-then-success",
        "paid; the first callback says that it failed, the next one tells the truth",
        callbacks=(Callback(says="failed"), Callback()),
    ),
    "45": Script(
        "refused-once",
        "paid; the callback's first delivery is signed wrongly, its repeat rightly",
        callbacks=(Callback(signature=Signature.WRONG_AT_FIRST),),
    ),
    "46": Script(
        "initiated-first",
        "paid; an event payout.initiated precedes the callback",
        callbacks=(
            Callback(says="processing", form=Form.NESTED, event="payout.initiated"),
            Callback(),
        ),
    ),
}

_CALLBACK_FORM = {
    "50": Script(
        "rails-id",
        "paid; the callback bears the rail's id",
        callbacks=(Callback(naming=Naming.RAIL),),
    ),
    "51": Script(
        "nested",
        "paid; the callback is an event with data",
        callbacks=(Callback(form=Form.NESTED),),
    ),
    "52": Script(
        "flat",
        "paid; the callback is an event with transaction_id",
        callbacks=(Callback(form=Form.FLAT),),
    ),
    "53": Script(
        "prefixed",
        "paid; the callback's signature begins with sha256=",
        callbacks=(Callback(signature=Signature.PREFIXED),),
    ),
    "54": Script(
        "upper-case",
        "paid; the callback's signature is in upper-case hexadecimal",
        callbacks=(Callback(signature=Signature.UPPER_CASE),),
    ),
    "55": Script(
        "nested-failed",
        "fails at the recipient; the callback is an event with data",
        outcome=Outcome.FAILED,
        callbacks=(Callback(form=Form.NESTED),),
    ),
    "56": Script(
        "flat-failed",
        "fails at the recipient; the callback is an event with transaction_id",
        outcome=Outcome.FAILED,
        callbacks=(Callback(form=Form.FLAT),),
    ),
}

_CALLBACK_WRONG = {
    "60": Script(
        "forged",
        "paid; a callback with a wrong signature, then nothing; GET says it is paid",
        callbacks=(Callback(signature=Signature.WRONG, repeated=False),),
    ),
    "61": Script(
        "wrong-amount",
        "paid; the callback names 10 KES more",
        callbacks=(Callback(amount_off_by_kes=10),),
    ),
    "62": Script(
        "wrong-user",
        "paid; the callback names another user",
        callbacks=(Callback(user_id="somebody-else"),),
    ),
    "63": Script(
        "unsigned",
        "paid; a callback without a signature, then nothing; GET says it is paid",
        callbacks=(Callback(signature=Signature.MISSING, repeated=False),),
    ),
    "64": Script(
        "unknown-id",
        "paid; the callback bears an id that nobody gave out",
        callbacks=(Callback(naming=Naming.UNKNOWN),),
    ),
}

_NO_CALLBACK = {
    "70": Script("silent", "paid, no callback; GET says so", callbacks=()),
    "71": Script(
        "silent-completed",
        'paid, no callback; GET spells it "completed"',
        callbacks=(),
        lookups=(Lookup.COMPLETED,),
    ),
    "72": Script(
        "pending", "stays pending for ever, no callback", outcome=Outcome.NEVER, callbacks=()
    ),
    "73": Script(
        "lookup-error-twice",
        "paid, no callback; GET answers 500 twice, then the truth",
        callbacks=(),
        lookups=(Lookup.ERROR, Lookup.ERROR, Lookup.TRUTH),
    ),
    "74": Script(
        "lookup-error",
        "paid, no callback; GET always answers 500, the list has it",
        callbacks=(),
        lookups=(Lookup.ERROR,),
    ),
    "75": Script(
        "unknown-twice",
        "paid, but no POST is ever answered, no callback; GET answers 404 twice, then the truth",
        replies=(_LOST,),
        callbacks=(),
        lookups=(Lookup.UNKNOWN, Lookup.UNKNOWN, Lookup.TRUTH),
    ),
    "76": Script(
        "silent-failed",
        "fails at the recipient, no callback; GET says so",
        outcome=Outcome.FAILED,
        callbacks=(),
    ),
}

#: By the last two digits of 2547000000NN.
SCRIPTS: Mapping[str, Script] = MappingProxyType(
    _SETTLED
    | _REFUSED
    | _REPLY_LOST
    | _REPLY_BAD
    | _CALLBACK_ORDER
    | _CALLBACK_FORM
    | _CALLBACK_WRONG
    | _NO_CALLBACK
)

#: The two numbers that the real sandbox is said to know.
NUMBERS: Mapping[str, str] = MappingProxyType({"254708374149": "00", "254708374150": "01"})

_SCRIPTED = "2547000000"


def script_for(phone: str) -> Script:
    """What happens to payouts to ``phone`` (digits only)."""
    key = NUMBERS.get(phone) or phone.removeprefix(_SCRIPTED)
    return SCRIPTS.get(key, SCRIPTS["00"])


def phone_for(name: str) -> str:
    """The number that plays the script called ``name``. Raises KeyError for no such name."""
    return _SCRIPTED + {script.name: key for key, script in SCRIPTS.items()}[name]


def table() -> str:
    """The scripts as a Markdown table."""
    numbers = {key: _SCRIPTED + key for key in SCRIPTS}
    for number, key in NUMBERS.items():
        numbers[key] += f", {number}"
    rows = [
        f"| {numbers[key]} | {script.name} | {script.description} "
        f"| {'yes' if script.may_be_received else 'no'} |"
        for key, script in SCRIPTS.items()
    ]
    return "\n".join(["| phone | script | what happens | paid |", "|---|---|---|---|", *rows])
