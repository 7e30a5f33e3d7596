"""JSON as JavaScript writes it, which is what NOWPayments signs.

Everything is a double there: an amount is printed with the fewest digits that name the double
nearest to it, and without an exponent between 1e-6 and 1e21.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

Value: TypeAlias = (
    "str | int | Decimal | bool | Mapping[str, Value] | Sequence[Value] | None"  # as JSON has them
)

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_DIGITS_MAX = 21
_PLAIN_ZEROS_MAX = 6


def stringify(value: Value) -> str:
    """What ``JSON.stringify`` returns, keys in the order in which they come."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int() | Decimal():
            return number(value)
        case Mapping():
            members = (f"{_text(name)}:{stringify(member)}" for name, member in value.items())
            return f"{{{','.join(members)}}}"
        case _:
            return f"[{','.join(stringify(item) for item in value)}]"


def sorted_keys(value: Value) -> Value:
    """``value`` with the members of every object in order, arrays as they are.

    Right for names that are ASCII and do not look like numbers, as all of this provider's are.
    """
    match value:
        case Mapping():
            return {name: sorted_keys(value[name]) for name in sorted(value)}
        case str():
            return value
        case Sequence():
            return [sorted_keys(item) for item in value]
        case _:
            return value


def number(value: int | Decimal) -> str:
    """ECMAScript's Number::toString of the double nearest to ``value``."""
    shortest = Decimal(repr(float(value)))
    if shortest == 0:
        return "0"  # minus zero, too
    sign, digits, exponent = shortest.normalize().as_tuple()
    written = "".join(map(str, digits))
    point = len(digits) + int(exponent)  # where the decimal point stands, counted from the left
    return ("-" if sign else "") + _placed(written, point)


def _placed(digits: str, point: int) -> str:
    if len(digits) <= point <= _PLAIN_DIGITS_MAX:
        return digits + "0" * (point - len(digits))
    if 0 < point <= _PLAIN_DIGITS_MAX:
        return f"{digits[:point]}.{digits[point:]}"
    if -_PLAIN_ZEROS_MAX < point <= 0:
        return f"0.{'0' * -point}{digits}"
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{mantissa}e{point - 1:+d}"


def _text(value: str) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
