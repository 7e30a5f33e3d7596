"""What may never stand in a log line, found by the name of a field or by how a value looks.

The last line of defence, not the first: code logs ids, never personal data. Ids of ours,
UUIDs, digests, IP addresses and moments are recognised first, so that none of them is ever
mistaken for a phone number and mangled.
"""

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

HIDDEN = "[hidden]"
_DEPTH_MAX = 6
_ITEMS_MAX = 100
_STRING_LENGTH_MAX = 20_000

# Compared without case, `_` and `-`, so that phone_number, phoneNumber and Phone-Number are one.
_SECRET_FRAGMENTS = (
    *("phone", "msisdn", "email", "recipient"),
    *("token", "authorization", "apikey", "secret", "password", "passphrase", "signature"),
    *("cookie", "privatekey", "jwtkey", "indexkey", "fingerprint", "devcode"),
)
_SECRET_NAMES = frozenset({"otp", "body", "rawbody", "payload", "headers", "dsn", "databaseurl"})
_MASKED_SUFFIX = "masked"

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_GAP = r"(?:[ \t\xa0().\-/]|%20|%2[dD]){0,3}"  # what people put between digits
# Not inside a longer word; an escape such as %22 or \n before it is not a word.
_START = (
    r"(?:(?<![0-9A-Za-z])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt])|(?<=\\x[0-9a-f]{2})"
    r"|(?<=\\u[0-9a-fA-F]{4}))"
)
_END = r"(?![0-9A-Za-z])"
_EIGHT_MORE = rf"(?:{_GAP}[0-9]){{8}}"

_PATTERN = re.compile(
    rf"""
    (?P<credential>
        (?:lip_)?sk_(?:live|test)_[0-9A-Za-z_-]{{6,}}
      | whsec_[0-9A-Za-z+/=]{{6,}}
      | eyJ[0-9A-Za-z_-]{{5,}}\.[0-9A-Za-z_-]{{4,}}(?:\.[0-9A-Za-z_-]*)?
      | [Bb]earer[ ]+[0-9A-Za-z._~+/=-]{{8,}}
      | (?<=://)[^\s/@:]*:[^\s/@]+(?=@)
    )
  | (?P<email> [0-9A-Za-z][0-9A-Za-z._%+-]{{0,63}}@[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)+ )
  | (?P<keep>
        (?<![0-9A-Za-z])[a-z]{{1,20}}_[0-7][0-9a-hjkmnp-tv-z]{{25}}{_END}
      | (?<![0-9A-Za-z])[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}{_END}
      | (?<![0-9A-Za-z])(?=[0-9]*[a-f])[0-9a-f]{{24,}}{_END}
      | (?<![0-9A-Za-z.+]){_OCTET}(?:\.{_OCTET}){{3}}(?![0-9A-Za-z]|\.[0-9])
      | (?<![0-9A-Za-z])(?:19|20)[0-9]{{2}}-[01][0-9]-[0-3][0-9]
        (?:[T ][0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:[.,][0-9]+)?)?)?{_END}
    )
  | (?P<phone>
        {_START}(?:\+|%2[bB]|00)?{_GAP}2{_GAP}5{_GAP}4{_GAP}(?:\(?0\)?{_GAP})?[17]{_EIGHT_MORE}{_END}
      | (?<![0-9])254[17][0-9]{{8}}(?![0-9])
      | {_START}0(?!\.){_GAP}[17]{_EIGHT_MORE}{_END}
      | {_START}(?<![.:/+-])[17][0-9]{{2}}[ -]?[0-9]{{3}}[ -]?[0-9]{{3}}(?![0-9A-Za-z]|[.:-][0-9])
    )
    """,
    re.VERBOSE,
)

# Whatever ``_PATTERN`` replaces has one of these marks, or the nine digits of a short number.
# To look for them first costs a tenth of trying every alternative at every character.
_SUSPECT = re.compile(r"@|sk_|whsec_|eyJ|earer |://|[0-9](?:[^0-9]*[0-9]){8}")

# Half of our own ids have nine digits; they are on every line, and the pattern keeps them.
# A secret that looks like one it does not.
_OWN_ID = re.compile(r"(?!whsec_)[a-z]{1,20}_[0-7][0-9a-hjkmnp-tv-z]{25}")

# C0, DEL, C1, line and paragraph separators, bidirectional overrides, lone surrogates.
_CONTROL_CLASS = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = re.compile(f"[{_CONTROL_CLASS}]")
_CONTROL_BUT_LAYOUT = re.compile(f"(?![\n\t])[{_CONTROL_CLASS}]")


@lru_cache(maxsize=2_048)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name is hidden whatever its value."""
    plain = name.lower().replace("_", "").replace("-", "")
    if plain.endswith(_MASKED_SUFFIX):
        return False
    return plain in _SECRET_NAMES or any(part in plain for part in _SECRET_FRAGMENTS)


def clean_text(text: str, *, keep_layout: bool = False) -> str:
    """``text`` without secrets, and without characters that could forge or repaint a line.

    ``keep_layout`` leaves line breaks and tabs: for tracebacks.
    """
    if len(text) > _STRING_LENGTH_MAX:
        text = f"{text[:_STRING_LENGTH_MAX]}… ({len(text)} characters)"
    if _SUSPECT.search(text) and not _OWN_ID.fullmatch(text):
        text = _PATTERN.sub(_replacement, text)
    if text.isprintable():
        return text  # what is looked for below is none of it printable
    return (_CONTROL_BUT_LAYOUT if keep_layout else _CONTROL).sub(_escape, text)


_clean_name = lru_cache(maxsize=2_048)(clean_text)  # there are few, and they come on each line


def clean(value: Any, depth: int = 0) -> Any:
    """``value`` as it may be logged: plain JSON types, redacted at every level."""
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return HIDDEN if _is_number_of_a_phone(value) else value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if depth >= _DEPTH_MAX:
        return "…"
    if isinstance(value, Mapping):
        return {
            _clean_name(str(key)): HIDDEN
            if is_secret_name(str(key)) and _can_hide(item)
            else clean(item, depth + 1)
            for key, item in list(value.items())[:_ITEMS_MAX]
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item, depth + 1) for item in list(value)[:_ITEMS_MAX]]
    return clean_text(_text_of(value))


def clean_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one log line, redacted."""
    cleaned: dict[str, Any] = clean(fields, 0)
    return cleaned


def _can_hide(value: Any) -> bool:
    return value is not None and not isinstance(value, bool)


def _is_number_of_a_phone(value: int) -> bool:
    return 254_100_000_000 <= value < 254_200_000_000 or 254_700_000_000 <= value < 254_800_000_000


def _text_of(value: object) -> str:
    try:
        return f"{type(value).__name__}: {value}" if isinstance(value, Exception) else str(value)
    except Exception:  # noqa: BLE001 - a broken __str__ must not break the caller of the logger
        return f"<{type(value).__name__}>"


def _replacement(match: re.Match[str]) -> str:
    kind = match.lastgroup
    return match[0] if kind == "keep" else f"[{kind}]"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
