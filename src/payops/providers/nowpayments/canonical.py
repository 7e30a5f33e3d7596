"""The form of a JSON object that NOWPayments signs: sorted keys, printed as ECMAScript prints.

The signature does not cover the bytes that arrive but a second print of what they mean, made
by another language. So numbers are kept as they were spelled, and every difference between
the two languages' prints is here: numbers, the order of keys, halves of characters.
"""

import json
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from math import isinf
from typing import Any, Final

from payops.providers.reading import NotUnderstood, Object, decoder_of

BODY_BYTES_MAX: Final = 64 * 1024  # of a notification
DEPTH_MAX: Final = 32
NUMBER_CHARACTERS_MAX: Final = 128

_EXACT_DIGITS: Final = 15  # any integer of so many digits is exact in binary floating point
_INDEX_END: Final = 2**32 - 1  # the first integer that ECMAScript does not sort as an index
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")

_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Number(str):
    """A JSON number as it was spelled, so that nothing of it is lost before it is judged."""

    __slots__ = ()


class Form(StrEnum):
    """A print that a signer may have made. All of them name the same data."""

    SCRIPT = "script"  # numbers as ECMAScript prints them: the provider's own library
    LITERAL = "literal"  # numbers as they were spelled: a signer in another language
    INDEXED = "indexed"  # as SCRIPT, arrays as objects keyed 0, 1, …: the provider's sample


def parse(body: bytes) -> Object:
    """The JSON object in ``body``, its numbers as ``Number``.

    A name given twice is not understood, because two readers could each believe another
    value; nor is a byte order mark, which the signer's own parser refuses.

    Raises:
        NotUnderstood: no such object, or nested deeper than ``DEPTH_MAX``.
    """
    try:
        content = _DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        raise NotUnderstood("not JSON") from None
    if not isinstance(content, dict):
        raise NotUnderstood("not a JSON object")
    if _is_deeper_than(DEPTH_MAX, content):
        raise NotUnderstood("nested too deep")
    return content


def printed(content: Object, form: Form) -> bytes:
    """What is signed, in UTF-8.

    Raises:
        NotUnderstood: a number is beyond what ECMAScript has numbers for.
    """
    text = _text(
        content,
        str if form is Form.LITERAL else script_number,
        is_indexed=form is Form.INDEXED,
    )
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _HALF_CHARACTER.sub(lambda half: f"\\u{ord(half[0]):04x}", text).encode()


def has_lists(content: Object) -> bool:
    """Whether ``Form.INDEXED`` differs from ``Form.SCRIPT``."""
    return any(
        isinstance(value, list) or (isinstance(value, dict) and has_lists(value))
        for value in content.values()
    )


def script_number(literal: str) -> str:
    """``String(Number(literal))`` in ECMAScript: the shortest digits that name that double.

    Raises:
        NotUnderstood: infinite as a double. A signer in ECMAScript prints ``null`` for it,
            so that it could stand where ``null`` was signed.
    """
    if len(literal) <= _EXACT_DIGITS and literal.isdigit():
        return literal
    double = float(literal)  # tidy: what the signer's language computes; no amount is read from it
    if isinf(double):
        raise NotUnderstood("number")
    if not double:
        return "0"
    # Both languages find the same digits and differ in when they write an exponent.
    digits, separator, exponent = repr(double).partition("e")
    return _exponent_form(digits, int(exponent)) if separator else digits.removesuffix(".0")


def _exponent_form(mantissa: str, exponent: int) -> str:
    """``mantissa`` × 10 ^ ``exponent``: written out from 1e-6 and below 1e21, else unpadded."""
    sign = "-" if mantissa.startswith("-") else ""
    digits = mantissa.removeprefix("-").replace(".", "")
    if 0 <= exponent < 21:
        return sign + digits.ljust(exponent + 1, "0")
    if -7 < exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    point = "." if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{point}{digits[1:]}e{exponent:+d}"


def _text(value: Any, number: Callable[[str], str], *, is_indexed: bool) -> str:
    if isinstance(value, str):
        return number(value) if type(value) is Number else _quoted(value)
    if isinstance(value, dict):
        names = _ordered(value)
    elif isinstance(value, list):
        if not is_indexed:
            return f"[{','.join([_text(one, number, is_indexed=False) for one in value])}]"
        value = {str(index): one for index, one in enumerate(value)}
        names = list(value)
    else:
        return "null" if value is None else "true" if value else "false"
    pairs = [
        f"{_quoted(name)}:{_text(value[name], number, is_indexed=is_indexed)}" for name in names
    ]
    return f"{{{','.join(pairs)}}}"


def _ordered(names: Iterable[str]) -> list[str]:
    """Names as an ECMAScript object that was filled in sorted order has them.

    Integer-like names first, by number; then by UTF-16 code units. ASCII without names that
    begin with a digit is sorted alike in both languages, and is all that was ever seen.
    """
    ordered = sorted(names)
    if not ordered or (ordered[0] > ":" and "".join(ordered).isascii()):
        return ordered
    indexes = [name for name in ordered if _is_index(name)]
    others = [name for name in ordered if not _is_index(name)]
    return sorted(indexes, key=int) + sorted(others, key=_code_units)


def _is_index(name: str) -> bool:
    return bool(_INDEX.fullmatch(name)) and int(name) < _INDEX_END


def _code_units(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _is_deeper_than(levels: int, value: Any) -> bool:
    held = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(
        _is_deeper_than(levels - 1, one) for one in held if isinstance(one, (dict, list))
    )


def _number(literal: str) -> Number:
    if len(literal) > NUMBER_CHARACTERS_MAX:
        raise ValueError("an endless number")
    return Number(literal)


_DECODER: Final = decoder_of(_number, _number)
