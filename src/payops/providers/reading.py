"""JSON from a provider, read so that no two readers could believe different things of it."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

Object: TypeAlias = Mapping[str, Any]

TEXT_CHARACTERS_MAX: Final = 1000


class NotUnderstood(Exception):
    """The text says which part; it repeats nothing of it."""


def decoder_of(
    fraction: Callable[[str], Any], whole: Callable[[str], Any] | None = None
) -> json.JSONDecoder:
    """Each name once, and no numbers but JSON's; raises ``ValueError`` for anything else."""
    return json.JSONDecoder(
        object_pairs_hook=_once_each,
        parse_float=fraction,
        parse_int=whole,
        parse_constant=_refuse,
    )


def read_json(body: bytes) -> Any:
    """What ``body`` holds: UTF-8 with or without a byte order mark, each name once.

    Numbers with a fraction or an exponent become ``Decimal``.

    Raises:
        NotUnderstood: no JSON.
    """
    try:
        return _EXACT.decode(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise NotUnderstood("not JSON") from None


def read_object(body: bytes) -> Object:
    """Raises ``NotUnderstood`` if ``body`` is no JSON object."""
    content = read_json(body)
    if not isinstance(content, dict):
        raise NotUnderstood("not a JSON object")
    return content


def shortened(text: str) -> str:
    """``text`` as it can be kept: of bounded length, without half characters and NULs."""
    return text[:TEXT_CHARACTERS_MAX].encode(errors="replace").decode().replace("\0", "")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name is given twice")
    return content


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("not a number") from None


def _refuse(_: str) -> None:
    raise ValueError("not a number JSON knows")


_EXACT: Final = decoder_of(_decimal)
