"""Amounts as clients write them: an integer or a plain decimal string, never rounded.

A JSON number with a point or an exponent is refused whatever its value: by the time
it is seen, it has been through binary floating point.
"""

import re
from typing import Annotated, Any, Final

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from payops.infra.web.faults import stated
from payops.kernel import errors
from payops.kernel.errors import Fault
from payops.kernel.money import KES, MINOR_MAX, Currency, Money

# Recognised by ``body``: it has a code of its own beside the general one.
NOT_WHOLE: Final = "amount_not_whole_shillings"
_FORM: Final = 'must be an integer or a decimal string such as "1500" or "12.50"'
_PLAIN: Final = re.compile(
    r"(?P<whole>0|[1-9][0-9]{0,17})(?:\.(?P<decimals>[0-9]{1,8}))?", re.ASCII
)


class AmountNotWholeShillings(errors.Invalid):
    """M-Pesa pays whole shillings only, and an amount is never rounded."""

    code = NOT_WHOLE
    title = "The amount must be in whole shillings"


def _amount_text(value: Any) -> str:
    """``value`` as text, its digits still to be judged."""
    # bool is an int to Python, but not to anybody who writes JSON.
    if isinstance(value, int) and not isinstance(value, bool):
        if value <= 0:
            raise stated("must be more than zero")
        if value > MINOR_MAX:
            raise stated("is too large")
        return str(value)
    if isinstance(value, str):
        return value
    raise stated(_FORM)


def _whole_shillings(value: Any) -> int:
    found = _PLAIN.fullmatch(_amount_text(value))
    if not found:
        raise stated(_FORM)
    if (found["decimals"] or "").strip("0"):
        raise PydanticCustomError(NOT_WHOLE, "not in whole shillings")
    whole = int(found["whole"])
    if not whole:
        raise stated("must be more than zero")
    if Money.whole(whole, KES).minor > MINOR_MAX:
        raise stated("is too large")
    return whole


def _money_text(value: Any) -> str:
    text = _amount_text(value)
    if not _PLAIN.fullmatch(text):
        raise stated(_FORM)
    return text


WholeShillings = Annotated[
    int,
    PlainValidator(_whole_shillings),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": r"^[1-9][0-9]*(\.0{1,8})?$"},
            ],
            "description": "Whole shillings; nothing is rounded",
            "examples": [1500, "1500.00"],
        }
    ),
]
"""Whole shillings as ``int``: ``1500``, ``"1500"`` or ``"1500.00"``."""

MoneyText = Annotated[
    str,
    PlainValidator(_money_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": r"^(0|[1-9][0-9]*)(\.[0-9]{1,8})?$"},
            ],
            "description": "At most as many decimals as the currency has; nothing is rounded",
            "examples": [25, "25.50"],
        }
    ),
]
"""An amount whose currency is another field: read it with ``money_of``."""


def money_of(text: str, currency: Currency, *, pointer: str = "/amount") -> Money:
    """The positive amount that a ``MoneyText`` field states in ``currency``.

    Raises:
        Invalid: not a plain decimal, finer than the currency, zero, or too large.
    """
    try:
        money = Money.parse(text, currency)
    except ValueError as error:
        raise errors.Invalid(faults=[Fault(pointer, f"is not an amount: {error}")]) from None
    if money.minor <= 0:
        raise errors.Invalid(faults=[Fault(pointer, "must be more than zero")])
    return money
