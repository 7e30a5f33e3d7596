"""Identifiers: UUIDv7 inside, TypeID text outside.

Made in the application, never by the database, so that a row's id is known before it is
written and the same schema can be spread over several machines. Version 7 sorts by time,
which keeps index inserts at the right edge and lets a time range be read as an id range.

Source: RFC 9562 §5.7; TypeID specification v0.3.0 (prefix, underscore, 26 characters of
Crockford base32, the first of them 0 to 7).
"""

import os
import threading
import time
from datetime import datetime, timedelta
from uuid import UUID

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUE_OF = {letter: value for value, letter in enumerate(_ALPHABET)}
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]  # ten bits each
_PAIR_SHIFTS = range(120, -1, -10)
_TEXT_LENGTH = 26
_COUNTER_BITS = 12
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_SKEW_MAX = timedelta(minutes=10)  # between the clocks that make ids and the database's

_lock = threading.Lock()
_last = 0  # milliseconds << 12 | counter, so that ids of one process never go backwards


def new_id() -> UUID:
    """A new UUIDv7, later than every other one this process made."""
    global _last  # noqa: PLW0603 - one counter per process is the point
    with _lock:
        _last = max(_last + 1, time.time_ns() // 1_000_000 << _COUNTER_BITS)
        stamp = _last
    milliseconds, counter = stamp >> _COUNTER_BITS, stamp & 0xFFF
    random = int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | _VERSION_7 | counter << 64 | _VARIANT | random)


def floor_id(moment: datetime) -> UUID:
    """The smallest UUIDv7 of ``moment``: everything made before it sorts below."""
    milliseconds = (moment - datetime.fromtimestamp(0, moment.tzinfo)) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80 | _VERSION_7 | _VARIANT)


def id_before(moment: datetime) -> UUID:
    """Sorts below every id of a row that the database dates ``moment`` or later."""
    return floor_id(moment - _SKEW_MAX)


def id_after(moment: datetime) -> UUID:
    """Sorts above every id of a row that the database dates before ``moment``."""
    return floor_id(moment + _SKEW_MAX)


def show_id(prefix: str, value: UUID) -> str:
    """``value`` as it is shown outside: ``wd_01h455vb4pex5vsknk084sn02q``."""
    number = value.int
    return f"{prefix}_{''.join([_PAIRS[number >> shift & 1023] for shift in _PAIR_SHIFTS])}"


def read_id(prefix: str, text: str) -> UUID:
    """The id that ``show_id`` shows as ``text``; one spelling per id.

    Raises:
        ValueError: another prefix, length or letter, or more than 128 bits.
    """
    head, separator, tail = text.partition("_")
    if head != prefix or not separator or len(tail) != _TEXT_LENGTH or tail[0] > "7":
        raise ValueError(f"not a {prefix} id")
    number = 0
    for letter in tail:
        value = _VALUE_OF.get(letter)
        if value is None:
            raise ValueError(f"not a {prefix} id")
        number = number << 5 | value
    return UUID(int=number)
